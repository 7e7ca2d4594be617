"""launchpad backups: list, fetch, download, verify and prune backups."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from launchpad.cli import complete
from launchpad.cli.output import Table
from launchpad.cli.running import OperationId, PartsId
from launchpad.cli.session import Session
from launchpad.cli.tenants import TenantArgument, YesOption

if TYPE_CHECKING:
    from launchpad.errors import LaunchpadError
    from launchpad.events import OnEvent
    from launchpad.operations.backups.forget import Forgotten
    from launchpad.operations.requests.outcome import Outcome

app = typer.Typer(
    help="List, fetch, download, verify and prune tenants' backups.", epilog="Example: launchpad backups list alice"
)


@app.callback()
def backups() -> None:
    """List, fetch, download, verify and prune tenants' backups."""


@app.command("list", epilog="Example: launchpad backups list alice")
def list_backups(ctx: typer.Context, tenant: TenantArgument) -> None:
    """List TENANT's backups in every repository, newest first."""
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
        str,
        typer.Option(
            metavar="TIME|ID", help="A backup's id, or a time: the newest backup before it. Default: the newest."
        ),
    ] = "",
    identifier: OperationId = "",
) -> None:
    """Fetch a backup to TENANT's host as a generation. TENANT's live data and running release do not change."""
    from launchpad.cli.running import carry_out
    from launchpad.operations.backups.fetch import fetch

    session = Session.of(ctx)
    carry_out(
        session, lambda on_event: fetch(session.workspace, tenant, at=at, identifier=identifier, on_event=on_event)
    )


@app.command("show", epilog="Example: launchpad backups show alice 1f2e3d4c")
def show_backup(
    ctx: typer.Context,
    tenant: TenantArgument,
    backup: Annotated[str, typer.Argument(metavar="ID", help="A backup's id, from `launchpad backups list`.")],
) -> None:
    """Show one of TENANT's backups: its version and size, the targets that have it, and whether it was proven.

    The exit code is 8 when a target does not answer.
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
            ("since the previous", new),
            ("proven", "no, or a newer backup was proven since" if found.proven is None else moment(found.proven)),
            *((f"at {item.target}", item.id[:8]) for item in found.copies),
            *((f"at {item}", "not there") for item in found.absent),
        ]
    )
    session.output.result(found.as_json(), text)
    leave(session, _silent(found.unknown))


def _silent(problems: Mapping[str, str]) -> dict[str, LaunchpadError]:
    from launchpad.errors import StepFailed

    return {
        target: StepFailed(f"{target}: {problem}", code="target-failed-to-list", hint=f"launchpad target show {target}")
        for target, problem in problems.items()
    }


@app.command("download", epilog="Example: launchpad backups download alice --to alice.tar")
def download_backup(
    ctx: typer.Context,
    tenant: TenantArgument,
    to: Annotated[
        Path,
        typer.Option(
            "--to", metavar="FILE|FOLDER", help="A new folder, or a new archive when the name ends with .tar."
        ),
    ],
    at: Annotated[
        str,
        typer.Option(
            metavar="TIME|ID", help="A backup's id, or a time: the newest backup before it. Default: the newest."
        ),
    ] = "",
    file: Annotated[
        str, typer.Option("--file", metavar="VOLUME/PATH", help="Download only this file, such as state/notes.md.")
    ] = "",
) -> None:
    """Download one of TENANT's backups to this machine: one folder for each volume, or one file.

    Only you can read the result. Runs restic on this machine and contacts no host. Use `launchpad backups fetch` for a
    backup whose only target is a folder on a host.
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
        bool, typer.Option("--all", help="Every tenant whose tier has backups, and the workspace's backups.")
    ] = False,
    odd: Annotated[
        Literal["keep", "delete"] | None,
        typer.Option(
            "--out-of-order",
            metavar="keep|delete",
            help="What to do with new backups that are dated before the existing backups: delete them, or keep them "
            "and trust their dates.",
        ),
    ] = None,
    yes: YesOption = False,
    identifier: PartsId = "",
) -> None:
    """Delete TENANT's backups that its tier's `keep` rule does not retain.

    Runs restic on this machine, with the PRUNE_ credentials of each remote target; no host has these credentials. A
    target that is a folder on a host is pruned on the host.

    The first run for a repository only records its backups and deletes nothing. Later runs stop at a new backup that is
    dated before the recorded backups: an intruder on a host could backdate backups so that the real backups expire. The
    newest backup and the last proven backup always stay.
    """
    from launchpad.cli.backing_up import said_if_none
    from launchpad.cli.planning import leave_lines, warn_unprotected
    from launchpad.cli.progress import working
    from launchpad.cli.prompts import confirm
    from launchpad.fleet.model.readiness import protected
    from launchpad.operations.backups.backup_workspace import forget_workspace
    from launchpad.operations.backups.forget import forget
    from launchpad.operations.backups.repositories import WorkOptions
    from launchpad.operations.requests.identifiers import part_of

    session = Session.of(ctx)
    if bool(tenants) == everyone:
        raise typer.BadParameter("name tenants, or give --all", ctx=ctx)
    failures: dict[str, LaunchpadError] = {}
    fleet = session.workspace.fleet.load()
    if odd == "delete":
        confirm(session, "Delete the new backups that are dated before the existing backups?", yes=yes)
    for name in tenants or said_if_none(session, protected(fleet)):
        with working(session.output, name) as progress:
            own, how = part_of(identifier, name), WorkOptions(progress=progress)
            found = forget(session.workspace, name, odd=odd or "", identifier=own, how=how)
        failures |= _told(session, name, found)
    if everyone and any(target.kind != "local" for target in fleet.targets.values()):
        with working(session.output, "the workspace") as progress:
            found = forget_workspace(session.workspace, odd=odd or "", how=WorkOptions(progress=progress))
        failures |= _told(session, "the workspace", found)
    if everyone:
        warn_unprotected(session)
    leave_lines(session, {**session.left_out(tenants), **failures})


def _told(session: Session, name: str, found: Mapping[str, Forgotten | LaunchpadError]) -> dict[str, LaunchpadError]:
    """Print what was deleted; return the failures, which the caller reports."""
    from launchpad.errors import LaunchpadError
    from launchpad.operations.backups.forget import as_json

    good = {target: said for target, said in found.items() if not isinstance(said, LaunchpadError)}
    told = [f"{target}: {_sentence(said)}" for target, said in good.items()]
    session.output.item(
        {"tenant": name, "targets": as_json(found)}, f"{name}: {'; '.join(told) or 'nothing was deleted'}"
    )
    return {f"{name} at {target}": said for target, said in found.items() if isinstance(said, LaunchpadError)}


def _sentence(said: Forgotten) -> str:
    if said.waiting:
        return (
            f"first run for this repository: {said.left} backups recorded; the next run deletes {len(said.waiting)} "
            "of them"
        )
    return f"{len(said.removed)} deleted, {said.left} left"


@app.command("erase", epilog="Example: launchpad backups erase alice --target offsite")
def erase_backups(
    ctx: typer.Context,
    tenant: Annotated[str, typer.Argument(metavar="TENANT", help="A tenant that is no longer in the inventory.")],
    target: Annotated[
        str,
        typer.Option(
            "--target", metavar="TARGET", autocompletion=complete.targets, help="The target; not a folder on a host."
        ),
    ],
    yes: YesOption = False,
) -> None:
    """Delete EVERY backup of TENANT at a target, and the backups' wrapped keys, permanently.

    Use this command for a tenant that was retired and removed. Runs restic on this machine, with the target's PRUNE_
    credentials.
    """
    from launchpad.cli.progress import working
    from launchpad.cli.prompts import confirm
    from launchpad.operations.backups.forget import erasable, erase
    from launchpad.operations.backups.repositories import WorkOptions

    session = Session.of(ctx)
    meant = session.workspace.fleet.load().target(target)
    erasable(session.workspace, tenant, meant)
    confirm(session, f"Delete EVERY backup of {tenant} at {target} permanently?", yes=yes)
    with working(session.output, tenant) as progress:
        done = erase(session.workspace, tenant, meant, how=WorkOptions(progress=progress))
    data = {"tenant": tenant, "target": target, "removed": list(done.removed)}
    session.output.result(data, f"{tenant}: {len(done.removed)} backups and their keys deleted at {target}")


@app.command("rewrap", epilog="Example: launchpad backups rewrap --all")
def rewrap_backups(
    ctx: typer.Context,
    tenants: Annotated[
        list[str] | None, typer.Argument(metavar="TENANT", autocompletion=complete.tenants, show_default=False)
    ] = None,
    everyone: Annotated[bool, typer.Option("--all", help="Every tenant whose tier has backups.")] = False,
    identifier: PartsId = "",
) -> None:
    """Rewrap the key of TENANT's backups for the present recipients and recovery identity in launchpad.yaml.

    Use this command after the recipients changed: `launchpad status` reports each tenant whose key is wrapped for
    earlier recipients. Run `launchpad provision` first, so that the host has the new recipients. Earlier wraps of the
    key stay beside the repositories, and earlier recipients can still open them.
    """
    from launchpad.cli.backing_up import said_if_none
    from launchpad.cli.planning import leave_lines, warn_unprotected
    from launchpad.cli.progress import telling
    from launchpad.cli.running import interrupted_kindly, report, sentence
    from launchpad.errors import LaunchpadError
    from launchpad.fleet.model.readiness import protected
    from launchpad.operations.backups.rewrap import NoKey, rewrap
    from launchpad.operations.requests.identifiers import part_of

    session = Session.of(ctx)
    if bool(tenants) == everyone:
        raise typer.BadParameter("name tenants, or give --all", ctx=ctx)
    failures: dict[str, LaunchpadError] = {}
    for name in tenants or said_if_none(session, protected(session.workspace.fleet.load())):
        try:
            with interrupted_kindly(session), telling(session.output) as on_event:
                own = part_of(identifier, name)
                done = rewrap(session.workspace, name, identifier=own, on_event=on_event)
        except NoKey as error:
            if not everyone:
                failures[name] = error
            else:
                session.output.item(
                    {"tenant": name, "outcome": "unchanged"}, f"{name}: no backups yet, so there is no key to rewrap"
                )
        except LaunchpadError as error:
            failures[name] = error
        else:
            session.output.item(done.outcome.as_json() | {"behind": list(done.behind)}, sentence(done.outcome))
            report(session, done.outcome)
            failures |= _silent(
                dict.fromkeys(done.behind, f"the target gets {name}'s rewrapped key with the next backup")
            )
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
        str,
        typer.Option(
            metavar="N/M",
            help="The part of the data to read, such as 1/1 for all of it. Default: one of seven parts, by the day "
            "of the week.",
        ),
    ] = "",
    identifier: PartsId = "",
) -> None:
    """Verify every repository of TENANT and read back a part of its data.

    Run this command once a day: then every byte is read within a week. Damage is an error.
    """
    from launchpad.cli.backing_up import each
    from launchpad.operations.backups.backups import verify
    from launchpad.operations.requests.identifiers import part_of

    workspace = Session.of(ctx).workspace

    def work(name: str, on_event: OnEvent) -> Outcome:
        return verify(workspace, name, part=part, identifier=part_of(identifier, name), on_event=on_event)

    each(ctx, tenants, work, everyone=everyone)
