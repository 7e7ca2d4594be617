"""launchpad backups: which backups there are, and whether they can still be read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from launchpad.cli import complete
from launchpad.cli.output import Table
from launchpad.cli.session import Session
from launchpad.cli.tenants import TenantArgument, YesOption

if TYPE_CHECKING:
    from launchpad.errors import LaunchpadError
    from launchpad.operations.backups.forget import Forgotten

app = typer.Typer(
    help="List, fetch, verify and thin out tenants' backups.", epilog="Example: launchpad backups list alice"
)


@app.callback()
def backups() -> None:
    """List, fetch, verify and thin out tenants' backups."""


@app.command("list", epilog="Example: launchpad backups list alice")
def list_backups(ctx: typer.Context, tenant: TenantArgument) -> None:
    """List TENANT's backups as its repositories have them, the newest first."""
    from launchpad.cli.planning import leave
    from launchpad.cli.wording import moment, size
    from launchpad.operations.backups.backups import backups

    session = Session.of(ctx)
    found = backups(session.workspace, tenant)
    rows = tuple(
        (item.id[:8], moment(item.at), item.target, size(item.size), "" if item.files is None else str(item.files))
        for item in found.backups
    )
    empty = "" if found.problems else f"no backups: launchpad backup {tenant}"
    headings = ("backup", "frozen at", "target", "size", "files")
    session.output.result(found.as_json(), Table(headings, rows, empty, firm=("backup", "frozen at")))
    leave(session, _silent(found.problems))


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
    from launchpad.operations.backups.fetch import fetch

    session = Session.of(ctx)
    carry_out(session, lambda on_event: fetch(session.workspace, tenant, at=at, on_event=on_event))


@app.command("show", epilog="Example: launchpad backups show alice 1f2e3d4c")
def show_backup(
    ctx: typer.Context,
    tenant: TenantArgument,
    backup: Annotated[str, typer.Argument(metavar="ID", help="As launchpad backups list shows it.")],
) -> None:
    """Show what one of TENANT's backups is: its version and size, which targets have it, and whether it was proven.

    Exit code 8 when some targets do not say.
    """
    from launchpad.cli.output import fields
    from launchpad.cli.planning import leave
    from launchpad.cli.wording import moment, size
    from launchpad.operations.backups.backups import show

    session = Session.of(ctx)
    found = show(session.workspace, tenant, backup)
    first = found.copies[0]
    new = "" if first.new_files is None else f"{first.new_files} new, {size(first.added)} as stored"
    text = fields(
        [
            ("tenant", found.tenant),
            ("frozen at", moment(first.at)),
            ("app", f"{first.app} {first.version}".strip()),
            ("release", first.release),
            ("operation", first.operation),
            ("size", size(first.size)),
            ("files", first.files),
            ("since the last", new),
            ("proven", "no, or another was since" if found.proven is None else moment(found.proven)),
            *((f"at {item.target}", item.id[:8]) for item in found.copies),
            *((f"at {item}", "not there") for item in found.absent),
        ]
    )
    session.output.result(found.as_json(), text)
    leave(session, _silent(found.unknown))


def _silent(problems: Mapping[str, str]) -> dict[str, LaunchpadError]:
    from launchpad.errors import StepFailed

    return {
        target: StepFailed(f"{target}: {problem}", hint=f"launchpad target show {target}")
        for target, problem in problems.items()
    }


@app.command("download", epilog="Example: launchpad backups download alice --to alice.tar")
def download_backup(
    ctx: typer.Context,
    tenant: TenantArgument,
    to: Annotated[
        Path, typer.Option("--to", metavar="FILE|FOLDER", help="New; an archive when its name ends with .tar.")
    ],
    at: Annotated[
        str, typer.Option(metavar="TIME|ID", help="The newest one until then, or this one; the newest when left out.")
    ] = "",
    file: Annotated[
        str, typer.Option("--file", metavar="VOLUME/PATH", help="This file alone, such as state/notes.md.")
    ] = "",
) -> None:
    """Write one of TENANT's backups to this machine: a folder a volume, or one file, readable by you alone.

    Runs restic here, and asks no host. What lies in a folder on a host alone comes by `launchpad backups fetch`.
    """
    from launchpad.cli.progress import working
    from launchpad.cli.wording import moment, size
    from launchpad.operations.backups.download import download
    from launchpad.operations.backups.repositories import WorkOptions

    session = Session.of(ctx)
    with working(session.output, tenant) as progress:
        done = download(session.workspace, tenant, to=to, at=at, file=file, how=WorkOptions(progress=progress))
    frozen, much = moment(done.backup.at), size(done.bytes)
    session.output.result(
        done.as_json(), f"{done.to} has {tenant}'s {file or 'data'} of {frozen}, {much}, from {done.backup.target}"
    )


@app.command("forget", epilog="Example: launchpad backups forget --all")
def forget_backups(
    ctx: typer.Context,
    tenants: Annotated[
        list[str] | None, typer.Argument(metavar="TENANT", autocompletion=complete.tenants, show_default=False)
    ] = None,
    everyone: Annotated[
        bool, typer.Option("--all", help="Every tenant whose tier has backups, and the workspace's own.")
    ] = False,
    odd: Annotated[
        Literal["keep", "delete"] | None,
        typer.Option(
            "--out-of-order",
            metavar="keep|delete",
            help="What to do with new backups that are dated before those that were there: delete them, or keep and "
            "believe them.",
        ),
    ] = None,
    yes: YesOption = False,
) -> None:
    """Delete the backups of TENANT that its tier's `keep` does not keep.

    Runs restic here, with the PRUNE_ credentials of each remote target, which no host has. The first look at a
    repository from this workspace deletes nothing; after it, new backups that are dated back are refused, by which
    whoever broke into a host could push the real ones out. A folder on a host is thinned out there, as the tenant.
    The newest backup and the one that was proven last stay.
    """
    from launchpad.cli.backing_up import said_if_none
    from launchpad.cli.planning import leave_lines, warn_unprotected
    from launchpad.cli.progress import working
    from launchpad.cli.prompts import confirm
    from launchpad.fleet.model.readiness import protected
    from launchpad.operations.backups.backup_workspace import forget_workspace
    from launchpad.operations.backups.forget import forget
    from launchpad.operations.backups.repositories import WorkOptions

    session = Session.of(ctx)
    if bool(tenants) == everyone:
        raise typer.BadParameter("name tenants, or give --all", ctx=ctx)
    failures: dict[str, LaunchpadError] = {}
    fleet = session.workspace.fleet.load()
    if odd == "delete":
        confirm(session, "Delete new backups that are dated before those that were there?", yes=yes)
    with working(session.output, "backups") as progress:
        how = WorkOptions(progress=progress)
        for name in tenants or said_if_none(session, protected(fleet)):
            failures |= _told(session, name, forget(session.workspace, name, odd=odd or "", how=how))
        if everyone and any(target.kind != "local" for target in fleet.targets.values()):
            failures |= _told(session, "the workspace", forget_workspace(session.workspace, odd=odd or "", how=how))
    if everyone:
        warn_unprotected(session)
    leave_lines(session, {**session.left_out(tenants), **failures})


def _told(session: Session, name: str, found: Mapping[str, Forgotten | LaunchpadError]) -> dict[str, LaunchpadError]:
    """Say what was deleted; what is left to be told of failures."""
    from launchpad.errors import LaunchpadError
    from launchpad.operations.backups.forget import as_json

    good = {target: said for target, said in found.items() if not isinstance(said, LaunchpadError)}
    told = [f"{target}: {_sentence(said)}" for target, said in good.items()]
    session.output.item({"tenant": name, "targets": as_json(found)}, f"{name}: {'; '.join(told) or 'nothing done'}")
    return {f"{name} at {target}": said for target, said in found.items() if isinstance(said, LaunchpadError)}


def _sentence(said: Forgotten) -> str:
    if said.waiting:
        return f"{said.left} seen for the first time from here, of which the next run deletes {len(said.waiting)}"
    return f"{len(said.removed)} deleted, {said.left} left"


@app.command("erase", epilog="Example: launchpad backups erase alice --target offsite")
def erase_backups(
    ctx: typer.Context,
    tenant: Annotated[str, typer.Argument(metavar="TENANT", help="One that is not in the inventory any more.")],
    target: Annotated[
        str, typer.Option("--target", metavar="TARGET", autocompletion=complete.targets, help="Where; not a folder.")
    ],
    yes: YesOption = False,
) -> None:
    """Delete EVERY backup of TENANT at a target, and the wrapped keys beside them, for ever.

    Runs restic here, with the target's PRUNE_ credentials. For a tenant that was retired and removed.
    """
    from launchpad.cli.progress import working
    from launchpad.cli.prompts import confirm
    from launchpad.operations.backups.forget import erasable, erase
    from launchpad.operations.backups.repositories import WorkOptions

    session = Session.of(ctx)
    meant = session.workspace.fleet.load().target(target)
    erasable(session.workspace, tenant, meant)
    confirm(session, f"Delete EVERY backup of {tenant} at {target}, for ever?", yes=yes)
    with working(session.output, tenant) as progress:
        done = erase(session.workspace, tenant, meant, how=WorkOptions(progress=progress))
    data = {"tenant": tenant, "target": target, "removed": list(done.removed)}
    session.output.result(data, f"{tenant}: {len(done.removed)} backups deleted at {target}, and the keys to them")


@app.command("rewrap", epilog="Example: launchpad backups rewrap --all")
def rewrap_backups(
    ctx: typer.Context,
    tenants: Annotated[
        list[str] | None, typer.Argument(metavar="TENANT", autocompletion=complete.tenants, show_default=False)
    ] = None,
    everyone: Annotated[bool, typer.Option("--all", help="Every tenant whose tier has backups.")] = False,
) -> None:
    """Wrap the key of TENANT's backups anew, for the recipients and the recovery identity of launchpad.yaml.

    For when these changed: `launchpad status` says whose keys are wrapped for earlier ones. The host does it, once
    `launchpad provision` told it. Earlier wraps stay beside the repositories, and who could open them still can.
    """
    from launchpad.cli.backing_up import said_if_none
    from launchpad.cli.planning import leave_lines, warn_unprotected
    from launchpad.cli.progress import telling
    from launchpad.cli.running import interrupted_kindly, report, sentence
    from launchpad.errors import LaunchpadError
    from launchpad.fleet.model.readiness import protected
    from launchpad.operations.backups.rewrap import NoKey, rewrap

    session = Session.of(ctx)
    if bool(tenants) == everyone:
        raise typer.BadParameter("name tenants, or give --all", ctx=ctx)
    failures: dict[str, LaunchpadError] = {}
    for name in tenants or said_if_none(session, protected(session.workspace.fleet.load())):
        try:
            with interrupted_kindly(session), telling(session.output) as on_event:
                done = rewrap(session.workspace, name, on_event=on_event)
        except NoKey as error:
            if not everyone:
                failures[name] = error
            else:
                session.output.item(
                    {"tenant": name, "outcome": "unchanged"}, f"{name}: no backups yet, nothing to wrap"
                )
        except LaunchpadError as error:
            failures[name] = error
        else:
            session.output.item(done.outcome.as_json() | {"behind": list(done.behind)}, sentence(done.outcome))
            report(session, done.outcome)
            failures |= _silent(dict.fromkeys(done.behind, f"gets {name}'s new wrap with the next backup"))
    if everyone:
        warn_unprotected(session)
    leave_lines(session, {**session.left_out(tenants), **failures})


@app.command("verify", epilog="Example: launchpad backups verify --all")
def verify_backups(
    ctx: typer.Context,
    tenants: Annotated[
        list[str] | None, typer.Argument(metavar="TENANT", autocompletion=complete.tenants, show_default=False)
    ] = None,
    everyone: Annotated[bool, typer.Option("--all", help="Every tenant whose tier has backups.")] = False,
    part: Annotated[
        str, typer.Option(metavar="N/M", help="The part to read, such as 1/1 for all; today's of seven when left out.")
    ] = "",
) -> None:
    """Check every repository of TENANT and read a part of its data back.

    Run it once a day, and every byte is read within a week. Damage is an error.
    """
    from launchpad.cli.backing_up import each
    from launchpad.operations.backups.backups import verify

    workspace = Session.of(ctx).workspace
    each(ctx, tenants, lambda name, on_event: verify(workspace, name, part=part, on_event=on_event), everyone=everyone)
