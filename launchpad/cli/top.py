"""launchpad top: a live view of the fleet."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from launchpad.cli.session import Session
from launchpad.cli.standing import Names
from launchpad.errors import StateError

if TYPE_CHECKING:
    from launchpad.operations.observation.live_fleet import LiveFleet
    from launchpad.workspace import Workspace

app = typer.Typer(help="Watch the fleet.")
INTERRUPTED = 130


@app.command("top", epilog="Example: launchpad top web-1")
def top(ctx: typer.Context, names: Names = None) -> None:
    """Show the fleet live in the terminal: hosts, tenants, operations under way and alerts, the worst first.

    Each host is asked every 5 seconds, as by `launchpad health`. A row shows the age of what is known: an age over 90
    seconds is marked as old, and the rows of a host that does not answer stay.

    Keys: arrows choose a row, / searches, r restarts the tenant, l shows its logs, d diagnoses, o makes a login link, q
    quits. A key that changes something asks first. Each key runs the command of the same name.
    """
    session = Session.of(ctx)
    _refuse_without_terminal(session)
    from launchpad.operations.observation.live_fleet import LiveFleet
    from launchpad.operations.requests.reaching import kept_open

    with kept_open(_quiet(session.workspace)) as workspace:
        fleet = LiveFleet(workspace, names or ())
        session.left_out(names)
        fleet.start()
        try:
            code = _watch(session, fleet)
        finally:
            fleet.stop()
    raise KeyboardInterrupt if code == INTERRUPTED else typer.Exit(code)


def _refuse_without_terminal(session: Session) -> None:
    if session.json:
        raise StateError("top prints no JSON", code="top-has-no-json", hint="launchpad status --json")
    if not (sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()):
        raise StateError("top needs a terminal", code="top-needs-terminal", hint="launchpad status")
    if not session.output.err.live:
        raise StateError(
            "top needs a terminal that can move the cursor, and TERM is dumb",
            code="top-needs-cursor",
            hint="launchpad status",
        )


def _quiet(workspace: Workspace) -> Workspace:
    """The workspace whose connections print nothing onto the view: the age of a row shows a long wait."""
    from dataclasses import replace

    from launchpad.ssh.hosts import SshHosts

    hosts = workspace.hosts
    return replace(workspace, hosts=hosts.silent()) if isinstance(hosts, SshHosts) else workspace


def _watch(session: Session, fleet: LiveFleet) -> int:
    """Show the view until a person leaves it; return the exit code."""
    from launchpad.cli.redrawing import TopApp

    view = TopApp(
        fleet,
        carry_out=lambda words: _carry_out(session, words),
        now=session.workspace.clock.now,
        shown=session.output.err.shown,
        color=session.colored,
    )
    code = view.run(mouse=False)
    if view.bug is not None:
        raise view.bug
    return code or 0


def _carry_out(session: Session, words: tuple[str, ...]) -> None:
    """Run the command as if it were typed, and wait until a person has read what it printed."""
    from launchpad.cli.boundary import run

    beside = Session(named=session.named, color=session.color, environment=session.environment)
    beside.workspace = session.workspace
    session.output.say(f"$ launchpad {' '.join(words)}")
    if run(words, session=beside) == INTERRUPTED and words[0] == "logs":
        return  # which are read as they come
    try:
        with session.output.asking("Enter returns to launchpad top"):
            sys.stdin.readline()
    except KeyboardInterrupt:
        session.output.err.raw("")  # the end of the line
