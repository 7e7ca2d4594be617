"""launchpad runner: Launchpad's own program on the hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from launchpad.cli import complete
from launchpad.cli.output import Table
from launchpad.cli.running import Yes
from launchpad.cli.session import Session

if TYPE_CHECKING:
    from launchpad.operations.hosts.upgrade_runners import Changes, RunnerChange

app = typer.Typer(help="Upgrade Launchpad's runner on hosts.", epilog="Example: launchpad runner upgrade --all")


@app.command("upgrade", epilog="Example: launchpad runner upgrade --all")
def upgrade_runner(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="HOST", autocompletion=complete.hosts, show_default=False, help="The hosts, in order."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every host of the inventory, a few at a time.")] = False,
    undo: Annotated[
        bool, typer.Option("--undo", help="Return the hosts from this Launchpad's runner to the runner before it.")
    ] = False,
    patience: Annotated[
        str, typer.Option("--patience", metavar="TIME", help="How long a host may take until all is well.")
    ] = "5m",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show each host's runner and wave, and change nothing.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Bring this Launchpad's runner, and the files that belong to it, to HOST.

    With several hosts: the hosts with the label `canary` first (without any, the first host), then a tenth of the
    others, then the rest. After each wave every host must be as well as before. A host that is worse returns to its
    earlier runner, and no further wave begins. A runner that does not answer is replaced by the earlier one within 30
    seconds, by the host itself. Tenants keep running.
    """
    from launchpad.cli.boundary import UsageError
    from launchpad.cli.progress import telling
    from launchpad.cli.prompts import confirm
    from launchpad.cli.running import errors_as_lines, interrupted_kindly
    from launchpad.cli.wording import read
    from launchpad.fleet.words.quantities import Duration
    from launchpad.operations.hosts.upgrade_runners import undo_runners, upgrade_runners

    seconds = float(read("--patience", Duration.parse, patience).seconds)
    if bool(names) == everything:
        raise UsageError("runner upgrade takes names of hosts, or --all", hint="launchpad runner upgrade --all")
    session = Session.of(ctx)
    with errors_as_lines(session), interrupted_kindly(session):
        if dry_run:
            _show(session, names or [])
            return
        which = ", ".join(names or ()) or f"all {len(session.workspace.fleet.load().hosts)} hosts"
        question = f"Return {which} to the earlier runner?" if undo else f"Upgrade the runner on {which}?"
        confirm(session, question, yes=yes)
        with telling(session.output) as on_event:
            if undo:
                found = undo_runners(session.workspace, names or (), on_event=on_event)
            else:
                found = upgrade_runners(session.workspace, names or (), patience=seconds, on_event=on_event)
        _report(session, found)


def _show(session: Session, names: list[str]) -> None:
    from launchpad.cli.planning import leave
    from launchpad.errors import LaunchpadError
    from launchpad.operations.hosts.upgrade_runners import runners

    found = runners(session.workspace, names)
    said = [item for item in found.values() if not isinstance(item, LaunchpadError)]
    rows = tuple(
        (item.host, item.version, item.state, str(item.wave or ""), "yes" if item.previous else "no") for item in said
    )
    headings = ("host", "runner", "state", "wave", "can return")
    session.output.result([item.as_json() for item in said], Table(headings, rows, "no hosts"))
    failed = {name: item for name, item in found.items() if isinstance(item, LaunchpadError)}
    leave(session, failed, answered=bool(said))


def _report(session: Session, found: Changes) -> None:
    from launchpad.cli.planning import leave_lines
    from launchpad.errors import LaunchpadError

    for item in found.values():
        if not isinstance(item, LaunchpadError):
            session.output.item(item.as_json(), sentence(item))
    leave_lines(session, {name: item for name, item in found.items() if isinstance(item, LaunchpadError)})


def sentence(done: RunnerChange) -> str:
    """What became of a host, as a sentence."""
    text = {
        "upgraded": f"runner {done.version}, all well",
        "unchanged": f"nothing to do (runner {done.version})",
        "returned": f"back on runner {done.version}",
        "left": "not begun",
    }[done.outcome]
    return f"{done.host}: {text}{f': {done.message}' if done.message else ''}"
