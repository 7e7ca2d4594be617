"""launchpad history: what happened to tenants and hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from launchpad.cli.output import Table
from launchpad.cli.session import Session
from launchpad.cli.standing import Names

if TYPE_CHECKING:
    from launchpad.journal.entries import ByItself, Entry

app = typer.Typer(help="Read the history.")


@app.command("history", epilog="Example: launchpad history alice --limit 5")
def history(
    ctx: typer.Context,
    names: Names = None,
    limit: Annotated[
        int, typer.Option(min=1, max=500, metavar="NUMBER", help="The largest number of entries, up to 500.")
    ] = 20,
    steps: Annotated[bool, typer.Option("--steps", help="Also show the steps of each operation.")] = False,
) -> None:
    """Show past operations: who ran them, from which address, and their outcome; and what the hosts' watches changed.

    Read from the hosts' journals, newest first.
    """
    from launchpad.cli.planning import leave
    from launchpad.operations.requests.history import history

    session = Session.of(ctx)
    found = history(session.workspace, names or (), limit=limit)
    if steps and not session.json:
        session.output.result(None, "\n\n".join(map(_with_steps, found.newest(limit))))
    else:
        headings = ("when", "host", "tenant", "what", "who", "outcome", "operation")
        now = session.workspace.clock.now()
        rows = tuple(_history_row(entry, now) for entry in found.newest(limit))
        empty = "" if found.unreachable else "no operations yet"
        session.output.result(found.as_json(), Table(headings, rows, empty, firm=("when", "operation")))
    for name in sorted({entry.tenant for entry in found.entries if entry.kind == "arrive"} & set(names or ())):
        told = "came from another host, which has the earlier operations; to see them: launchpad history"
        session.output.say(f"{name} {told}")
    leave(session, {**session.left_out(names), **found.unreachable}, answered=found.answered)


def _history_row(entry: Entry | ByItself, now: float) -> tuple[str, ...]:
    from launchpad.cli.wording import short_moment
    from launchpad.journal.entries import ByItself

    if isinstance(entry, ByItself):
        return short_moment(entry.at, now=now), entry.host, entry.tenant, f"{entry.who}: {entry.message}"
    outcome = entry.outcome or "running"
    return short_moment(entry.at, now=now), entry.host, entry.tenant, _kind(entry), entry.by, outcome, entry.id


def _kind(entry: Entry) -> str:
    return f"{entry.kind} --after {entry.after}" if entry.after else entry.kind


def _with_steps(entry: Entry | ByItself) -> str:
    from launchpad.cli.wording import lasted, moment
    from launchpad.journal.entries import ByItself

    if isinstance(entry, ByItself):
        subject = f"{entry.tenant} on {entry.host}" if entry.tenant else entry.host
        return (
            f"{entry.message}: {subject}, {moment(entry.at)}, by {'the watch' if entry.who == 'watch' else entry.who}"
        )
    origin = f" from {entry.source}" if entry.source else ""
    subject = f"{entry.tenant} on {entry.host}" if entry.tenant else entry.host
    lines = [f"{entry.id}  {_kind(entry)} {subject}, {moment(entry.at)}, by {entry.by}{origin}"]
    for step in entry.steps:
        result = "not run" if step.result == "waiting" and entry.outcome else step.result
        lines.append(f"  {result.ljust(7)}  {step.title}  {lasted(step.seconds)}".rstrip())
    end = f"{entry.outcome or 'running'} {lasted(entry.seconds)}".rstrip()
    return "\n".join([*lines, f"  {end}{f': {entry.message}' if entry.message else ''}"])
