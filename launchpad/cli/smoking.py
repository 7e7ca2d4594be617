"""launchpad smoke: tenants and hosts judged from outside."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from launchpad.cli import complete
from launchpad.cli.output import Line
from launchpad.cli.screen import GREEN, RED, YELLOW
from launchpad.cli.session import Session

if TYPE_CHECKING:
    from launchpad.operations.tenants.smoke import Smoked

app = typer.Typer(help="Judged from outside.")

STYLES = {"passed": GREEN, "failed": RED, "skipped": YELLOW}
FAILED = 4


@app.command("smoke", epilog="Example: launchpad smoke alice --junit smoke.xml")
def smoke(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TENANT|HOST", autocompletion=complete.tenants_and_hosts, help="A host: with all of its tenants."
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="The whole fleet.")] = False,
    outside_only: Annotated[
        bool, typer.Option("--outside-only", help="Ask no host over SSH: no key is needed, and `ready` is skipped.")
    ] = False,
    restart: Annotated[
        bool,
        typer.Option(
            "--restart", help="Restart each tenant whose cases passed, and judge what visitors meet afterwards."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before a restart.")] = False,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Also write the cases to FILE, as JUnit XML.")
    ] = None,
    requests: Annotated[
        int, typer.Option("--requests", min=1, max=1000, metavar="NUMBER", help="So many requests for the latency.")
    ] = 20,
    slowest: Annotated[
        float, typer.Option("--slowest", min=1, metavar="MS", help="Milliseconds that 95 % of the requests may take.")
    ] = 1000,
    cacert: Annotated[
        Path | None,
        typer.Option("--cacert", metavar="FILE", help="Trust the certificate authority in FILE (PEM) instead."),
    ] = None,
    at: Annotated[
        str,
        typer.Option(
            "--at",
            metavar="ADDRESS[:PORT]",
            help="Ask at this IP address wherever the names lead; DNS is skipped. For a host that has no names yet.",
        ),
    ] = "",
) -> None:
    """Test tenants and hosts from outside, from where the command runs: for CI, and after a change.

    A tenant's cases, for each of its names: DNS, port 443, certificate, HTTP, headers, WebSocket, latency; then ready,
    as its host's probes say, and restart. A host's cases: SSH, HTTP and HTTPS are open, other ports are closed, the SSH
    host key is the known one. A case that needs one that failed is skipped: what failed is the cause.

    Exits 0 when no case failed, and 4 when a case failed, as `ready` does when the host does not answer over SSH.
    """
    from launchpad.cli.junit import junit as as_junit
    from launchpad.cli.planning import leave
    from launchpad.cli.progress import telling
    from launchpad.cli.prompts import confirm
    from launchpad.cli.wording import read
    from launchpad.events import ignore
    from launchpad.fleet.keeping.workspace_files import refuse_no_folder, replace_file
    from launchpad.operations.dns.resolver import Resolver
    from launchpad.operations.requests.scope import scope_of
    from launchpad.operations.tenants.smoke import HTTPS, SmokeOptions, smoke

    session = Session.of(ctx)
    if everything == bool(names):
        raise typer.BadParameter("name tenants and hosts, or --all", ctx=ctx)
    if junit:
        refuse_no_folder(junit)
    address, port = read("--at", _place, at) if at else ("", HTTPS)
    options = SmokeOptions(
        outside_only=outside_only,
        restart=restart,
        requests=requests,
        slowest_ms=slowest,
        authority=cacert,
        at=address,
        port=port or HTTPS,
    )
    if restart and not outside_only:
        tenants = [
            str(item.name) for item in scope_of(session.workspace.fleet.load(), names or ()).tenants if item.running
        ]
        confirm(session, f"Restart {', '.join(tenants)}? New requests wait meanwhile.", yes=yes or not tenants)
    with nullcontext(ignore) if session.json else telling(session.output) as on_event:
        found = smoke(session.workspace, names or (), options=options, dns=Resolver(), on_event=on_event)
    if junit:
        replace_file(junit, as_junit(found.cases, seconds=found.seconds))
    session.output.result(found.as_json(), _lines(found))
    leave(session, session.left_out(names))
    if not found.good:
        raise typer.Exit(FAILED)


def _place(text: str) -> tuple[str, int]:
    """An IP address, and the port behind it, or 0."""
    from ipaddress import ip_address

    from launchpad.fleet.words.malformed import Malformed

    alone, _, port = text.rpartition(":") if text.count(":") == 1 or "]:" in text else (text, "", "")
    try:
        return str(ip_address(alone.strip("[]"))), int(port or 0)
    except ValueError as error:
        raise Malformed(
            f"bad address {text[:60]!r}", expected="203.0.113.7, 203.0.113.7:8443 or [2001:db8::7]:443"
        ) from error


def _lines(found: Smoked) -> list[Line]:
    from launchpad.cli.wording import lasted

    width = max((len(item.subject) for item in found.cases), default=0)
    lines = []
    for item in found.cases:
        hint = f"\n          hint: {item.hint}" if item.hint else ""
        rest = f"  {item.subject:<{width}}  {item.title}: {item.message}{hint}"
        lines.append(Line(f"{item.verdict:<8}", STYLES[item.verdict], rest))
    counts = [f"{count} {verdict}" for verdict in STYLES if (count := found.count(verdict))]
    several = "1 case" if len(found.cases) == 1 else f"{len(found.cases)} cases"
    lines.append(Line(f"{several}: {', '.join(counts) or 'nothing to judge'}; {lasted(found.seconds)}"))
    return lines
