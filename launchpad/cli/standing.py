"""launchpad status, certificates: the state of tenants and hosts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from launchpad.cli import complete
from launchpad.cli.output import Table
from launchpad.cli.screen import GREEN, RED, YELLOW, Styled
from launchpad.cli.session import Session

if TYPE_CHECKING:
    from launchpad.operations.observation.news import News
    from launchpad.operations.observation.status import Status
    from launchpad.plan.observed import FindingSeen, HostSeen
    from launchpad.plan.standing import Standing
    from launchpad.runner.facts import Fact

app = typer.Typer(help="Observe tenants and hosts.")

Tenant = Annotated[str, typer.Argument(metavar="TENANT", autocompletion=complete.tenants)]
Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="TENANT|HOST",
        autocompletion=complete.tenants_and_hosts,
        help="Tenants or hosts. Default: the whole fleet.",
    ),
]
UNHEALTHY = 4
DAY = 86400


@app.command("status", epilog="Example: launchpad status web-1 --check")
def status(
    ctx: typer.Context,
    names: Names = None,
    check: Annotated[
        bool, typer.Option("--check", help="Exit with 4 when something needs attention, for cron and monitoring.")
    ] = False,
    no_probes: Annotated[bool, typer.Option("--no-probes", help="Do not run the apps' health probes.")] = False,
    long: Annotated[
        bool,
        typer.Option(
            "--long", help="Show each tenant's disk, memory and certificate instead, measured within the last minute."
        ),
    ] = False,
    only_news: Annotated[
        bool,
        typer.Option(
            "--news",
            help="Print only problems that are new or resolved since the last --news on this machine. Exit codes as "
            "for --check.",
        ),
    ] = False,
) -> None:
    """Show the state of tenants and hosts: versions, health probes, backups, problems, changes by hand.

    The exit code is 0 when every host answered, 6 when the only host did not answer, and 8 when one of several hosts
    did not answer.
    """
    from launchpad.cli.planning import leave
    from launchpad.operations.observation.status import status

    session = Session.of(ctx)
    if only_news:
        _news(session, names or [], probes=not no_probes)
    found = status(session.workspace, names or (), probes=not no_probes)
    session.output.result(found.as_json(), _long_table(found, session) if long else _table(found))
    if not session.json:
        _explain(session, found, names or ())
    leave(session, {**session.left_out(names), **found.unreachable}, answered=len(found.hosts) > len(found.unreachable))
    if check and not found.good:
        raise typer.Exit(UNHEALTHY)


def _news(session: Session, names: list[str], *, probes: bool) -> NoReturn:
    """Print changes for cron, which mails the output: each problem once when it begins, and once when it is
    resolved."""
    from launchpad.operations.observation.news import news

    raise typer.Exit(print_news(session, news(session.workspace, names, probes=probes)))


def print_news(session: Session, found: News) -> int:
    """Print what changed, remember it, and return the exit code."""
    from launchpad.operations.observation.news import remember

    lines = [f"problem: {text}" for text in found.wrong] + [f"resolved: {text}" for text in found.ended]
    if found.ended and not found.now:
        lines.append("all problems are resolved")
    session.output.result(found.as_json(), "\n".join(lines))
    session.left_out()
    remember(session.workspace, found)
    return found.exit_code


def _table(found: Status) -> Table:
    from launchpad.cli.wording import age

    rows: list[tuple[str | Styled, ...]] = []
    for item in found.tenants:
        version = item.version or item.wanted_version
        holding = f"{sum(bool(probe['ok']) for probe in item.probes)}/{len(item.probes)}" if item.probes else ""
        ages = [age(item.age_seconds), age(item.backup_age_seconds) or "none", age(item.proven_age_seconds) or "never"]
        if item.state == "unreachable":
            ages = ["", "unknown", "unknown"]
        rows.append((item.tenant, item.host, _state(item), version, holding, *ages))
    headings = ("tenant", "host", "state", "version", "probes", "age", "backup", "proven")
    return Table(headings, tuple(rows), "no tenants")


def _state(item: Standing) -> Styled:
    """The tenant's state: red when something needs attention."""
    return item.state, RED if not item.good else GREEN if item.state == "healthy" else YELLOW


def _long_table(found: Status, session: Session) -> Table:
    from launchpad.cli.wording import of, short_moment

    now, rows = session.workspace.clock.now(), []
    for item in found.tenants:
        room = item.room
        disk = of(room.disk, room.quota) if room else ""
        memory = of(room.memory, room.memory_limit) if room else ""
        ends = [seen.until for seen in item.certificates.values()]
        until = [moment for moment in ends if moment is not None]
        certificate = f"until {short_moment(min(until), now=now)}" if until else ""
        if missing := len(ends) - len(until):
            certificate = ", ".join(filter(None, (f"{missing} missing", certificate)))
        rows.append((item.tenant, item.host, _state(item), disk, memory, certificate))
    return Table(("tenant", "host", "state", "disk", "memory", "certificate"), tuple(rows), "no tenants")


def _explain(session: Session, found: Status, names: Sequence[str]) -> None:
    """Print the remarks and findings of single tenants and hosts, below the table."""
    from launchpad.plan.observed import HostSeen

    for item in found.tenants:
        for remark in item.remarks if item.state != "unreachable" else ():
            session.output.say(f"{item.tenant}: {remark}")
        if item.state in ("broken", "unhealthy"):
            session.output.say(f"{item.tenant}: to see the cause: launchpad diagnose {item.tenant}")
        for drift in item.drift:
            session.output.say(f"{item.tenant}: changed by hand: {drift}")
        for finding in item.findings:
            session.output.say(f"{item.tenant}: {_finding(finding, session.workspace.clock.now())}")
    if found.kit is not None:
        session.output.say(_kit(found.kit))
    for line in _losses(found.losses):
        session.output.say(line)
    for name, said in found.hosts.items():
        if isinstance(said, HostSeen):
            for problem in said.problems:
                session.output.say(f"{name}: {problem}")
            for finding in said.findings:
                session.output.say(f"{name}: {_finding(finding, session.workspace.clock.now())}")
            if warned := _warnings(name, said):
                session.output.say(f"{name}: {warned}")
            for line in _firewall(said, named=name in names, now=session.workspace.clock.now()):
                session.output.say(f"{name}: {line}")
            for revert in said.reverts:
                session.output.say(f"{name}: the host will undo an unconfirmed change: {revert}")


def _finding(finding: FindingSeen, now: float) -> str:
    """`not watched (since 11-22 12:04): launchpad provision web-1`"""
    from launchpad.cli.wording import short_moment

    since = f" (since {short_moment(finding.since, now=now)})" if finding.since else ""
    return f"{finding.message}{since}{f': {finding.hint}' if finding.hint else ''}"


def _warnings(name: str, said: HostSeen) -> str:
    """`warning: clock: chrony has no time server that answers: launchpad health web-1`; what is printed anyway is left
    out."""
    from launchpad.plan.health import host_health
    from launchpad.runner.facts import Grade

    printed = {finding.message for finding in said.findings} | set(said.problems)
    facts = [fact for fact in host_health(name, said).facts if fact.grade is Grade.warning]
    texts = [f"{fact.layer}: {fact.message}" for fact in facts if fact.message not in printed]
    return f"warning: {'; '.join(texts)}: launchpad health {name}" if texts else ""


def _firewall(host: HostSeen, *, named: bool, now: float) -> Iterator[str]:
    """The state of the firewall: whether the watch owns the table (only for a named host), and what the watch restored
    today."""
    from launchpad.cli.wording import short_moment

    facts = host.facts.get("firewall", {})
    if facts.get("owned") and named:
        yield "firewall: the watch owns Launchpad's nftables table, and no other process can change the table"
    if facts.get("owned") is False:
        yield (
            "firewall: the watch checks Launchpad's nftables table and restores it after a change; this kernel has "
            "no owned tables"
        )
    if (last := facts.get("last")) and now - last["at"] < DAY:
        yield f"{short_moment(last['at'], now=now)}: {last['message']}"


def _kit(last: Mapping[str, Any]) -> str:
    from launchpad.cli.wording import age

    if not last:
        return "the emergency kit was never tested: launchpad kit test FILE"
    went = "" if last["good"] else " and did not open everything; to see what failed: launchpad kit test FILE"
    return f"the emergency kit was tested {age(last['age_seconds'])} ago{went}"


def _losses(losses: Mapping[str, Fact]) -> Iterator[str]:
    """`loss of web-1: 12 of 12 back in 14 min, proven 3 days ago`; one line for all hosts without a game day."""
    never = [host for host, fact in losses.items() if fact.value is None]
    for host, fact in losses.items():
        if host not in never:
            yield f"loss of {host}: {fact.message}{f': {fact.hint}' if fact.hint else ''}"
    if never:
        yield f"loss of {', '.join(never)}: never proven: {losses[never[0]].hint}"


@app.command("certificates", epilog="Example: launchpad certificates alice --retry")
def certificates(
    ctx: typer.Context,
    names: Names = None,
    retry: Annotated[
        bool,
        typer.Option("--retry", help="Request TENANT's missing certificates now instead of at Caddy's next retry."),
    ] = False,
) -> None:
    """Show the TLS certificate of each domain: how long the certificate is valid, or since when it is missing, and why.

    A failed request counts against the certificate authority's limits: use --retry only after the cause is fixed.
    """
    from launchpad.cli.planning import leave
    from launchpad.cli.wording import moment, short_moment
    from launchpad.operations.observation import certificates as asking

    session = Session.of(ctx)
    if retry and len(names or ()) != 1:
        raise typer.BadParameter("--retry needs the name of one tenant", ctx=ctx)
    found = (
        asking.retry(session.workspace, (names or [""])[0])
        if retry
        else asking.certificates(session.workspace, names or ())
    )
    now, rows = session.workspace.clock.now(), []
    for item in found.found:
        stands = f"until {moment(item.until)}" if item.until else "missing"
        since = f" since {short_moment(item.since, now=now)}" if item.since else ""
        rows.append((item.tenant, item.name, stands + since))
    records = [item.as_json() for item in found.found]
    session.output.result(
        records, Table(("tenant", "name", "certificate"), tuple(rows), "no certificates to show", firm=("name",))
    )
    for item in found.found:
        if item.why:
            after = "" if retry else f"; after the cause is fixed: launchpad certificates {item.tenant} --retry"
            session.output.say(f"{item.name}: {item.why}{after}")
    leave(session, found.unreachable, answered=found.answered)
    if retry and any(item.why or item.until is None for item in found.found):
        raise typer.Exit(UNHEALTHY)
