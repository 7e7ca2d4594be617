"""launchpad backups: which backups there are, and whether they can still be read."""

from __future__ import annotations

from typing import Annotated

import typer

from launchpad.cli import complete
from launchpad.cli.output import Table
from launchpad.cli.session import Session
from launchpad.cli.tenants import TenantArgument

app = typer.Typer(help="List, fetch, verify and thin out tenants' backups.")


@app.callback()
def backups() -> None:
    """List, fetch, verify and thin out tenants' backups."""


@app.command("list", epilog="Example: launchpad backups list alice")
def list_backups(ctx: typer.Context, tenant: TenantArgument) -> None:
    """List TENANT's backups as its repositories have them, the newest first."""
    from launchpad.cli.planning import leave
    from launchpad.cli.wording import moment, size
    from launchpad.errors import LaunchpadError, StepFailed
    from launchpad.operations.backups import backups

    session = Session.of(ctx)
    found = backups(session.workspace, tenant)
    rows = tuple(
        (item.id[:8], moment(item.at), item.target, size(item.size), "" if item.files is None else str(item.files))
        for item in found.backups
    )
    empty = "" if found.problems else f"no backups: launchpad backup {tenant}"
    headings = ("backup", "frozen at", "target", "size", "files")
    session.output.result(found.as_json(), Table(headings, rows, empty, firm=("backup", "frozen at")))
    problems: dict[str, LaunchpadError] = {
        target: StepFailed(f"{target}: {problem}", hint=f"launchpad target show {target}")
        for target, problem in found.problems.items()
    }
    leave(session, problems)


@app.command("fetch", epilog="Example: launchpad backups fetch alice --at 2026-11-22T14:00")
def fetch_backup(
    ctx: typer.Context,
    tenant: TenantArgument,
    at: Annotated[
        str, typer.Option(metavar="TIME|ID", help="The newest one until then, or this one; the newest when left out.")
    ] = "",
) -> None:
    """Bring a backup back to TENANT's host, as a generation beside its data. What runs is not touched."""
    from launchpad.cli.running import carry_out
    from launchpad.operations.backups import fetch

    session = Session.of(ctx)
    carry_out(session, lambda on_event: fetch(session.workspace, tenant, at=at, on_event=on_event))


@app.command("forget", epilog="Example: launchpad backups forget --all")
def forget_backups(
    ctx: typer.Context,
    tenants: Annotated[
        list[str] | None, typer.Argument(metavar="TENANT", autocompletion=complete.tenants, show_default=False)
    ] = None,
    everyone: Annotated[bool, typer.Option("--all", help="Every tenant whose tier has backups.")] = False,
) -> None:
    """Delete the backups of TENANT that its tier's `keep` does not keep.

    Runs restic here, with the PRUNE_ credentials of each remote target, which no host has. Folders on hosts are left
    alone.
    """
    from launchpad.cli.planning import leave
    from launchpad.errors import LaunchpadError
    from launchpad.fleet.readiness import protected
    from launchpad.operations.forget import as_json, forget

    session = Session.of(ctx)
    if bool(tenants) == everyone:
        raise typer.BadParameter("name tenants, or give --all", ctx=ctx)
    failures: dict[str, LaunchpadError] = {}
    for name in tenants or protected(session.workspace.fleet.load()):
        found = forget(session.workspace, name)
        good = {target: said for target, said in found.items() if not isinstance(said, LaunchpadError)}
        failures |= {f"{name} at {target}": said for target, said in found.items() if isinstance(said, LaunchpadError)}
        told = [f"{target}: {len(said.removed)} deleted, {said.left} left" for target, said in good.items()]
        session.output.item({"tenant": name, "targets": as_json(found)}, f"{name}: {'; '.join(told) or 'nothing done'}")
    leave(session, failures)


@app.command("verify", epilog="Example: launchpad backups verify alice")
def verify_backups(
    ctx: typer.Context,
    tenant: TenantArgument,
    part: Annotated[
        str, typer.Option(metavar="N/M", help="The part to read, such as 1/1 for all; today's of seven when left out.")
    ] = "",
) -> None:
    """Check every repository of TENANT and read a part of its data back.

    Run it once a day, and every byte is read within a week. Damage is an error.
    """
    from launchpad.cli.running import carry_out
    from launchpad.operations.backups import verify

    session = Session.of(ctx)
    carry_out(session, lambda on_event: verify(session.workspace, tenant, part=part, on_event=on_event))
