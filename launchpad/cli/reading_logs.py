"""launchpad logs: what tenants' containers wrote."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from launchpad.cli import complete
from launchpad.cli.session import Session

if TYPE_CHECKING:
    from launchpad.errors import LaunchpadError
    from launchpad.operations.observation.log_order import LogLine

app = typer.Typer(help="Read logs.")


class Level(StrEnum):
    """The levels of log lines."""

    debug = "debug"
    info = "info"
    warning = "warning"
    error = "error"


@app.command("logs", epilog="Example: launchpad logs alice bob --since 10m -f")
def logs(
    ctx: typer.Context,
    tenants: Annotated[
        list[str] | None, typer.Argument(metavar="TENANT", autocompletion=complete.tenants, show_default=False)
    ] = None,
    hosts: Annotated[
        list[str] | None,
        typer.Option(
            "--host", metavar="HOST", autocompletion=complete.hosts, help="Every tenant of this host. Repeatable."
        ),
    ] = None,
    everyone: Annotated[bool, typer.Option("--all", help="Every tenant of the fleet.")] = False,
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
    grep: Annotated[
        str, typer.Option(metavar="EXPRESSION", help="Print only lines that match this regular expression.")
    ] = "",
    level: Annotated[
        Level | None,
        typer.Option(
            metavar="LEVEL",
            help="Print only lines of this level or a higher one: debug, info, warning, error. A line without a level "
            "counts as info.",
        ),
    ] = None,
    services: Annotated[
        list[str] | None,
        typer.Option("--service", metavar="SERVICE", help="Print only lines of this service. Repeatable."),
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
    """Print the logs of tenants' containers, on one or many hosts. Known secrets are printed as [secret].

    The last lines of the newest failed operation are printed too, also when its containers no longer exist.

    A follower continues after a lost connection and after a reboot of a host: no line is lost or printed twice. Where
    Docker removed old lines before they were read, one line names the times before and after the gap.
    """
    from launchpad.cli import wording
    from launchpad.operations.observation.host_log import LogQuery
    from launchpad.operations.observation.logs import LogListeners, logs

    session = Session.of(ctx)
    if everyone == bool(tenants or hosts):
        raise typer.BadParameter("name tenants, or give --host, or --all", ctx=ctx)
    begin, ago = wording.read("--since", wording.since, since) if since else (None, None)
    most = 200 if lines is None and not since else lines
    many = everyone or bool(hosts) or len(set(tenants or ())) > 1

    def show(line: LogLine) -> None:
        session.output.item(line.as_json(), _log_line(line, many=many))

    def lost(name: str, error: LaunchpadError) -> None:
        if many:  # else the error itself is next
            session.output.warn(f"{name}: its log ended: {error.message}; the other logs continue")

    def skewed(host: str, seconds: float) -> None:
        way = f"{abs(seconds):.1f} s {'ahead of' if seconds > 0 else 'behind'}"
        session.output.warn(f"{host}: its clock is {way} this machine's; the order of the lines is corrected")

    query = LogQuery(
        lines=most,
        since=begin,
        ago=ago,
        follow=follow,
        probes=probes,
        edge=edge,
        grep=wording.read("--grep", wording.expression, grep),
        level=level.value if level else "",
        services=tuple(services or ()),
    )
    tell = LogListeners(on_lost=lost, on_skew=skewed)
    logs(session.workspace, tenants or (), hosts=hosts or (), query=query, on_line=show, tell=tell)
    if everyone:
        session.left_out()


def _log_line(line: LogLine, *, many: bool) -> str:
    name = f"{line.tenant} {line.service}" if many else line.service
    text = of_caddy(line.text) if line.service == "caddy" else line.text
    if line.after:
        times = f"{line.after[:23].replace('T', ' ')} and {line.at[:23].replace('T', ' ')}"
        text = f"--- gap: between {times} {line.text} ---"
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
