"""launchpad backup, drill: back up a tenant's data, and prove that the backup can be restored."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from launchpad.cli import complete
from launchpad.cli.running import PartsId
from launchpad.cli.session import Session

if TYPE_CHECKING:
    from launchpad.errors import LaunchpadError
    from launchpad.events import OnEvent
    from launchpad.operations.backups.backup import BackedUp
    from launchpad.operations.requests.outcome import Outcome

app = typer.Typer(help="Backups.")
Found = TypeVar("Found")


@app.command("backup", epilog="Example: launchpad backup alice")
def backup(
    ctx: typer.Context,
    tenants: Annotated[
        list[str] | None, typer.Argument(metavar="TENANT", autocompletion=complete.tenants, show_default=False)
    ] = None,
    everyone: Annotated[bool, typer.Option("--all", help="Every tenant whose tier has backups.")] = False,
    own: Annotated[
        bool, typer.Option("--this-workspace", help="Back up the workspace itself, with the restic of this machine.")
    ] = False,
    identifier: PartsId = "",
) -> None:
    """Back up TENANT's data, as of one instant, to every target of its tier, while TENANT runs.

    Launchpad checks TENANT's databases first and does not send a damaged database. If a target is down, Launchpad
    reports the target and continues with the others. The exit code is 8 when a target or a tenant failed.

    With --this-workspace: back up the inventory, templates, settings, sealed secrets and Git history, encrypted, to
    every target except folders on hosts. The emergency kit decrypts this backup.
    """
    from launchpad.cli.planning import leave_lines, warn_unprotected
    from launchpad.cli.progress import telling
    from launchpad.cli.running import errors_as_lines, interrupted_kindly, report
    from launchpad.errors import LaunchpadError
    from launchpad.operations.backups.backup import backup_all

    session = Session.of(ctx)
    if bool(tenants) + everyone + own != 1:
        raise typer.BadParameter("name tenants, or give --all, or --this-workspace", ctx=ctx)
    if own:
        _workspace(session)
        return
    with errors_as_lines(session), interrupted_kindly(session):
        with telling(session.output) as on_event:
            found = backup_all(session.workspace, tenants or (), identifier=identifier, on_event=on_event)
        for said in said_if_none(session, list(found.values())):
            if isinstance(said, LaunchpadError):
                report(session, getattr(said, "outcome", None))
                continue
            session.output.item(said.as_json(), sentence(said))
            report(session, said.outcome)
    if everyone:
        warn_unprotected(session)
    failures = {name: error for name, said in found.items() if (error := _failure(said)) is not None}
    leave_lines(session, {**session.left_out(tenants), **failures})


def _workspace(session: Session) -> None:
    from launchpad.cli.planning import leave
    from launchpad.cli.progress import working
    from launchpad.cli.wording import size
    from launchpad.errors import LaunchpadError
    from launchpad.operations.backups.backup_workspace import as_json, back_up_workspace
    from launchpad.operations.backups.repositories import WorkOptions

    with working(session.output, "the workspace") as progress:
        how = WorkOptions(progress=progress)
        found = back_up_workspace(session.workspace, environment=session.environment, how=how)
    good = [f"{said.target} ({size(said.bytes)})" for said in found.values() if not isinstance(said, LaunchpadError)]
    session.output.result({"targets": as_json(found)}, f"the workspace: backed up to {', '.join(good)}" if good else "")
    leave(session, {name: said for name, said in found.items() if isinstance(said, LaunchpadError)})


def sentence(done: BackedUp) -> str:
    """The outcome of the backup as a sentence."""
    from launchpad.cli.wording import lasted, size

    good = [f"{item.target} ({size(item.added)} new of {size(item.size)})" for item in done.targets if item.good]
    return f"{done.outcome.tenant}: backed up in {lasted(done.outcome.seconds)} to {', '.join(good)}"


def _failure(said: BackedUp | LaunchpadError) -> LaunchpadError | None:
    """The error to report: the tenant's own error, or the targets that failed."""
    from launchpad.errors import LaunchpadError, PartialError, StepFailed

    if isinstance(said, LaunchpadError):
        return said
    bad = {
        item.target: StepFailed(f"{item.target}: {item.message}", code="target-failed")
        for item in said.targets
        if not item.good
    }
    if not bad:
        return None
    hint = f"launchpad target show {next(iter(bad))}"
    return PartialError(
        f"{said.outcome.tenant}: not every target has the backup", code="not-every-target", hint=hint, failures=bad
    )


@app.command("drill", epilog="Example: launchpad drill alice")
def drill(
    ctx: typer.Context,
    tenants: Annotated[
        list[str] | None, typer.Argument(metavar="TENANT", autocompletion=complete.tenants, show_default=False)
    ] = None,
    everyone: Annotated[bool, typer.Option("--all", help="Every tenant whose tier has backups.")] = False,
    at: Annotated[
        str,
        typer.Option(
            metavar="TIME|ID", help="A backup's id, or a time: the newest backup before it. Default: the newest."
        ),
    ] = "",
    identifier: PartsId = "",
) -> None:
    """Prove TENANT's newest backup: restore the backup into a clone, boot the clone, and destroy the clone.

    The clone runs on TENANT's host. The clone has no network access and random secrets. TENANT itself is not touched.
    `launchpad status` shows when a backup was last proven.
    """
    from launchpad.operations.backups.fetch import drill
    from launchpad.operations.requests.identifiers import part_of

    workspace = Session.of(ctx).workspace

    def work(name: str, on_event: OnEvent) -> Outcome:
        return drill(workspace, name, at=at, identifier=part_of(identifier, name), on_event=on_event)

    each(ctx, tenants, work, everyone=everyone)


def said_if_none(session: Session, found: list[Found]) -> list[Found]:
    """Return the tenants that were found. Print a sentence when there are none."""
    if not found:
        session.output.say("nothing to do: no tenant's tier has backups")
    return found


def each(
    ctx: typer.Context, tenants: list[str] | None, work: Callable[[str, OnEvent], Outcome], *, everyone: bool
) -> None:
    """Run the work for these tenants, or for all whose tier has backups, one after the other. A failure does not stop
    the rest."""
    from launchpad.cli.planning import leave_lines, warn_unprotected
    from launchpad.cli.progress import telling
    from launchpad.cli.running import interrupted_kindly, report
    from launchpad.cli.running import sentence as how_it_ended
    from launchpad.errors import LaunchpadError
    from launchpad.fleet.model.readiness import protected

    session = Session.of(ctx)
    if bool(tenants) == everyone:
        raise typer.BadParameter("name tenants, or give --all", ctx=ctx)
    failures: dict[str, LaunchpadError] = {}
    for name in tenants or said_if_none(session, protected(session.workspace.fleet.load())):
        try:
            with interrupted_kindly(session), telling(session.output) as on_event:
                done = work(name, on_event)
        except LaunchpadError as error:
            failures[name] = error
            report(session, getattr(error, "outcome", None))
        else:
            session.output.item(done.as_json(), how_it_ended(done))
            report(session, done)
    if everyone:
        warn_unprotected(session)
    leave_lines(session, {**session.left_out(tenants), **failures})
