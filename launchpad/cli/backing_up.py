"""launchpad backup, drill: a tenant's data elsewhere, and the proof that it comes back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from launchpad.cli import complete
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
        bool, typer.Option("--this-workspace", help="The workspace itself, from this machine, with restic here.")
    ] = False,
) -> None:
    """Send one instant of TENANT's data to every target of its tier, while it runs.

    Its databases are checked first, and a damaged one is not sent. A target that is down is told and stops no other;
    exit code 8 then, as when some of several tenants have no backup.

    With --this-workspace: inventory, templates, settings, sealed secrets and Git history, sealed as a whole, to every
    target but folders on hosts. The emergency kit opens it.
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
            found = backup_all(session.workspace, tenants or (), on_event=on_event)
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
    """How the backup ended, for people."""
    from launchpad.cli.wording import lasted, size

    good = [f"{item.target} ({size(item.added)} new of {size(item.size)})" for item in done.targets if item.good]
    return f"{done.outcome.tenant}: backed up in {lasted(done.outcome.seconds)} to {', '.join(good)}"


def _failure(said: BackedUp | LaunchpadError) -> LaunchpadError | None:
    """What is to be told of it: an error, or the targets that did not take it."""
    from launchpad.errors import LaunchpadError, PartialError, StepFailed

    if isinstance(said, LaunchpadError):
        return said
    bad = {item.target: StepFailed(f"{item.target}: {item.message}") for item in said.targets if not item.good}
    if not bad:
        return None
    hint = f"launchpad target show {next(iter(bad))}"
    return PartialError(f"{said.outcome.tenant}: not every target has it", hint=hint, failures=bad)


@app.command("drill", epilog="Example: launchpad drill alice")
def drill(
    ctx: typer.Context,
    tenants: Annotated[
        list[str] | None, typer.Argument(metavar="TENANT", autocompletion=complete.tenants, show_default=False)
    ] = None,
    everyone: Annotated[bool, typer.Option("--all", help="Every tenant whose tier has backups.")] = False,
    at: Annotated[
        str, typer.Option(metavar="TIME|ID", help="The newest one until then, or this one; the newest when left out.")
    ] = "",
) -> None:
    """Prove TENANT's newest backup: bring it back into a clone on its host, boot it, and destroy it.

    The clone reaches nothing and has made-up secrets; what runs is not touched. `launchpad status` shows when a backup
    was last proven.
    """
    from launchpad.operations.backups.fetch import drill

    workspace = Session.of(ctx).workspace
    each(ctx, tenants, lambda name, on_event: drill(workspace, name, at=at, on_event=on_event), everyone=everyone)


def said_if_none(session: Session, found: list[Found]) -> list[Found]:
    """The same; a command that has nothing to do says so."""
    if not found:
        session.output.say("nothing to do: no tenant's tier has backups")
    return found


def each(
    ctx: typer.Context, tenants: list[str] | None, work: Callable[[str, OnEvent], Outcome], *, everyone: bool
) -> None:
    """Do it to these tenants, or to all whose tier has backups, one after the other; who fails stops no other."""
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
