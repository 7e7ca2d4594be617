"""launchpad smoke: test tenants and hosts from outside."""

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

app = typer.Typer(help="Test tenants and hosts from outside.")

STYLES = {"passed": GREEN, "failed": RED, "skipped": YELLOW}
FAILED = 4


@app.command("smoke", epilog="Example: launchpad smoke alice --junit smoke.xml")
def smoke(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TENANT|HOST|DOMAIN",
            autocompletion=complete.tenants_and_hosts,
            help="Tenants, hosts or domains. A host includes all its tenants. A domain is tested from outside alone.",
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="The whole fleet.")] = False,
    outside_only: Annotated[
        bool,
        typer.Option(
            "--outside-only", help="Contact no host over SSH: no SSH key is needed, and the case `ready` is skipped."
        ),
    ] = False,
    restart: Annotated[
        bool,
        typer.Option(
            "--restart", help="Restart each tenant whose cases passed, and test the tenant again after the restart."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation before a restart.")] = False,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Also write the cases to FILE, as JUnit XML.")
    ] = None,
    requests: Annotated[
        int,
        typer.Option(
            "--requests", min=1, max=1000, metavar="NUMBER", help="The number of requests in the latency case."
        ),
    ] = 20,
    slowest: Annotated[
        float,
        typer.Option(
            "--slowest",
            min=1,
            metavar="MS",
            help="The limit in milliseconds for 95 % of the requests in the latency case.",
        ),
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
            help="Send every request to this IP address and skip DNS. Use this option to test a new host before DNS "
            "points to the host.",
        ),
    ] = "",
) -> None:
    """Test tenants and hosts from this machine, as visitors reach them: for CI, and after a change.

    A tenant has these cases for each of its domains: DNS, port 443, certificate, HTTP, headers, WebSocket, latency; and
    for the tenant: ready (the health probes on its host) and restart. A host has these cases: ports of SSH, HTTP and
    HTTPS are open, other ports are closed, the SSH host key is the known key. A case is skipped when an earlier case
    that it depends on failed.

    The exit code is 0 when no case failed, and 4 when a case failed. The case `ready` fails when the host does not
    answer over SSH.
    """
    from launchpad.cli.junit import junit as as_junit
    from launchpad.cli.planning import leave
    from launchpad.cli.progress import telling
    from launchpad.cli.prompts import confirm
    from launchpad.cli.wording import read
    from launchpad.events import ignore
    from launchpad.fleet.keeping.workspace_files import refuse_no_folder, replace_file
    from launchpad.operations.dns.resolver import Resolver
    from launchpad.operations.tenants.smoke import HTTPS, SmokeOptions, meant, smoke

    session = Session.of(ctx)
    if everything == bool(names):
        raise typer.BadParameter("name tenants, hosts or domains, or --all", ctx=ctx)
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
            str(item.name) for item in meant(session.workspace.fleet.load(), names or ())[0].tenants if item.running
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
    """Parse an IP address and an optional port; port 0 without one."""
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
        rest = f"  {item.subject:<{width}}  {item.title}: {item.message.removeprefix('skipped: ')}{hint}"
        lines.append(Line(f"{item.verdict:<8}", STYLES[item.verdict], rest))
    counts = [f"{count} {verdict}" for verdict in STYLES if (count := found.count(verdict))]
    several = "1 case" if len(found.cases) == 1 else f"{len(found.cases)} cases"
    lines.append(Line(f"{several}: {', '.join(counts) or 'nothing to test'}; {lasted(found.seconds)}"))
    return lines
