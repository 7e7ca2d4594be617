"""launchpad logs, history: what tenants wrote and what happened to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from launchpad.cli import complete
from launchpad.cli.output import Table
from launchpad.cli.session import Session
from launchpad.cli.standing import Names

if TYPE_CHECKING:
    from launchpad.errors import LaunchpadError
    from launchpad.journal.entries import ByItself, Entry
    from launchpad.operations.observation.logs import LogLine

app = typer.Typer(help="Read logs and the history.")


@app.command("logs", epilog="Example: launchpad logs alice bob --since 10m -f")
def logs(
    ctx: typer.Context,
    tenants: Annotated[list[str], typer.Argument(metavar="TENANT", autocompletion=complete.tenants)],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Follow: print new lines until Ctrl-C.")] = False,
    since: Annotated[
        str, typer.Option(metavar="TIME", help="Print lines since then, such as 10m, 2h, 1d or 2026-11-22T14:00.")
    ] = "",
    lines: Annotated[
        int | None,
        typer.Option(
            "--lines",
            "-n",
            min=0,
            metavar="NUMBER",
            help="The number of last lines of each tenant. Default: 200 without --since.",
        ),
    ] = None,
    probes: Annotated[
        bool, typer.Option("--probes", help="Also print successful requests of Launchpad's own health probes.")
    ] = False,
    edge: Annotated[
        bool,
        typer.Option(
            "--edge", help="Print Caddy's lines about the tenants' domains instead: certificates and requests."
        ),
    ] = False,
) -> None:
    """Print the logs of tenants' containers. Known secrets are printed as [secret].

    The last lines of the newest failed operation are printed too, also when its containers no longer exist.
    """
    import threading

    from launchpad.cli import wording
    from launchpad.operations.observation.logs import LogQuery, logs

    session = Session.of(ctx)
    begin, ago = wording.read("--since", wording.since, since) if since else (None, None)
    most = 200 if lines is None and not since else lines
    guard = threading.Lock()
    many = len(set(tenants)) > 1

    def show(line: LogLine) -> None:
        with guard:
            session.output.item(line.as_json(), _log_line(line, many=many))

    def lost(tenant: str, error: LaunchpadError) -> None:
        if follow and many:  # else the error itself is next
            session.output.warn(f"{tenant}: its log ended: {error.message}; the other logs continue")

    query = LogQuery(lines=most, since=begin, ago=ago, follow=follow, probes=probes, edge=edge)
    logs(session.workspace, tenants, query=query, on_line=show, on_lost=lost)


def _log_line(line: LogLine, *, many: bool) -> str:
    name = f"{line.tenant} {line.service}" if many else line.service
    text = of_caddy(line.text) if line.service == "caddy" else line.text
    return f"{line.at[:19].replace('T', ' ')} {name} | {text}"


def of_caddy(text: str) -> str:
    """Format a line of Caddy's log for people; return any other line unchanged."""
    import json

    try:
        found = json.loads(text)
        words = [f"{found['level']} {found.get('logger', '')}".rstrip() + f": {found['msg']}"]
    except (ValueError, KeyError, TypeError):
        return text
    request, problem = found.get("request") or {}, found.get("problem") or {}
    if request:
        words.append(
            f"{request.get('method')} {request.get('host')}{request.get('uri')} {found.get('status', '')}".rstrip()
        )
        words.append(f"from {request.get('client_ip') or request.get('remote_ip')}")
    words += [f"{key} {found[key]}" for key in ("identifier", "challenge_type", "issuer") if found.get(key)]
    words += [str(said) for said in (problem.get("detail"), found.get("error")) if said]
    if "retrying_in" in found:
        words.append(f"next retry in {found['retrying_in']:g} s")
    return ", ".join(words)


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
    leave(session, {**session.left_out(names), **found.unreachable})


def _history_row(entry: Entry | ByItself, now: float) -> tuple[str, ...]:
    from launchpad.cli.wording import short_moment
    from launchpad.journal.entries import ByItself

    if isinstance(entry, ByItself):
        return short_moment(entry.at, now=now), entry.host, entry.tenant, entry.message, entry.who, "", ""
    outcome = entry.outcome or "running"
    return short_moment(entry.at, now=now), entry.host, entry.tenant, _kind(entry), entry.who, outcome, entry.id


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
    lines = [f"{entry.id}  {_kind(entry)} {subject}, {moment(entry.at)}, by {entry.who}{origin}"]
    lines += [f"  {step.result.ljust(7)} {step.title}  {lasted(step.seconds)}".rstrip() for step in entry.steps]
    end = f"{entry.outcome or 'running'} {lasted(entry.seconds)}".rstrip()
    return "\n".join([*lines, f"  {end}{f': {entry.message}' if entry.message else ''}"])
