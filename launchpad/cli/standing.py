"""launchpad status, logs, certificates, usage, history, open, trust: observe tenants and hosts, and get access to
them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from launchpad.cli import complete
from launchpad.cli.output import Table
from launchpad.cli.parsed import host_key_fingerprint
from launchpad.cli.screen import GREEN, RED, YELLOW, Styled
from launchpad.cli.session import Session

if TYPE_CHECKING:
    from launchpad.errors import LaunchpadError
    from launchpad.journal.entries import ByItself, Entry
    from launchpad.operations.observation.logs import LogLine
    from launchpad.operations.observation.news import News
    from launchpad.operations.observation.status import Status
    from launchpad.plan.observed import FindingSeen, HostSeen
    from launchpad.plan.standing import Standing

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
    leave(session, {**session.left_out(names), **found.unreachable})
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
        for drift in item.drift:
            session.output.say(f"{item.tenant}: changed by hand: {drift}")
        for finding in item.findings:
            session.output.say(f"{item.tenant}: {_finding(finding, session.workspace.clock.now())}")
    if found.kit is not None:
        session.output.say(_kit(found.kit))
    for name, said in found.hosts.items():
        if isinstance(said, HostSeen):
            for problem in said.problems:
                session.output.say(f"{name}: {problem}")
            for finding in said.findings:
                session.output.say(f"{name}: {_finding(finding, session.workspace.clock.now())}")
            for line in _firewall(said, named=name in names, now=session.workspace.clock.now()):
                session.output.say(f"{name}: {line}")
            for revert in said.reverts:
                session.output.say(f"{name}: the host will undo an unconfirmed change: {revert}")


def _finding(finding: FindingSeen, now: float) -> str:
    """`not watched (since 11-22 12:04): launchpad provision web-1`"""
    from launchpad.cli.wording import short_moment

    since = f" (since {short_moment(finding.since, now=now)})" if finding.since else ""
    return f"{finding.message}{since}{f': {finding.hint}' if finding.hint else ''}"


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
    leave(session, found.unreachable)
    if retry and any(item.why or item.until is None for item in found.found):
        raise typer.Exit(UNHEALTHY)


@app.command("usage", epilog="Example: launchpad usage web-1")
def usage(ctx: typer.Context, names: Names = None) -> None:
    """Show disk and memory use on the hosts: each tenant, each image with the tenants that run it, and the free space.

    The data of a tenant's generations counts as the tenant's disk use. A layer that several images share counts for
    each of them.
    """
    from launchpad.cli.planning import leave
    from launchpad.cli.wording import of, size
    from launchpad.errors import LaunchpadError
    from launchpad.operations.observation.usage import usage

    session = Session.of(ctx)
    found = usage(session.workspace, names or ())
    said = {host: item for host, item in found.items() if not isinstance(item, LaunchpadError)}
    rows: list[tuple[str, ...]] = []
    for host, item in said.items():
        for name, own in sorted(item["tenants"].items(), key=lambda pair: -pair[1]["used"]):
            kept = f"{own['generations']} generation{'' if own['generations'] == 1 else 's'}"
            memory = of(own["memory"], own["memory_limit"])
            rows.append((host, f"data of {name}", of(own["used"], own["quota"]), memory, kept))
        images = sorted(item["images"].items(), key=lambda pair: -pair[1]["bytes"])
        for name, own in images:
            short = name.partition("@")[0].rpartition("/")[2]
            if [other.partition("@")[0] for other, _ in images].count(name.partition("@")[0]) > 1:
                short += "@" + name.rpartition(":")[2][:12]
            if own["tenants"]:
                rows.append((host, f"image {short}", size(own["bytes"]), "", f"of {', '.join(own['tenants'])}"))
        unused = [own["bytes"] for _, own in images if not own["tenants"]]
        if unused:
            rows.append(
                (host, f"{len(unused)} other image{'' if len(unused) == 1 else 's'}", size(sum(unused)), "", "unused")
            )
        disk = item["disk"]
        rows.append((host, "free for data", of(disk["free"], disk["total"]), "", ""))
        rows.append((host, "free for images", size(item["images_free"]), "", ""))
    headings = ("host", "what", "disk", "memory", "note")
    session.output.result(said, Table(headings, tuple(rows), "no hosts to show"))
    if any(row[-1] == "unused" for row in rows):
        session.output.say("to see what is unused: launchpad prune --dry-run")
    leave(session, {host: item for host, item in found.items() if isinstance(item, LaunchpadError)})


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


@app.command("open", epilog="Example: launchpad open alice")
def open_tenant(
    ctx: typer.Context,
    tenant: Tenant,
    devices: Annotated[
        bool, typer.Option("--devices", help="List the waiting and the paired devices, with their scopes.")
    ] = False,
    approve: Annotated[str, typer.Option(metavar="DEVICE", help="Approve this waiting device.")] = "",
    revoke: Annotated[str, typer.Option(metavar="DEVICE", help="Revoke this paired device.")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """Print a login link for TENANT: a one-time link if the app makes one-time links.

    If the app answers "pairing required": --devices lists the waiting and the paired devices with their roles and
    scopes, --approve shows what a device asks for and approves the device, and --revoke ends its access.
    """
    from launchpad.cli.prompts import confirm
    from launchpad.operations.tenants import open_tenant as opening

    session = Session.of(ctx)
    if approve or revoke:
        found = opening.devices(session.workspace, tenant)
        device = opening.device_of(found, approve or revoke, waits=bool(approve))
        granted = ", ".join(device.grants) or "unknown roles and scopes"
        more = f" (new: {', '.join(device.more)})" if device.more else ""
        who = f"{device.about or device.id} of {tenant}"
        confirm(session, f"Approve {who} with {granted}{more}?" if approve else f"Revoke {who}, {granted}?", yes=yes)
        (opening.approve if approve else opening.revoke)(session.workspace, tenant, device)
        done = f"is approved with {granted}" if approve else "is revoked"
        session.output.result({"tenant": tenant} | device.as_json(), f"{tenant}: {device.id} {done}")
    elif devices:
        found = opening.devices(session.workspace, tenant)
        rows = tuple(
            ("waits" if item.waits else "paired", item.id[:12], ", ".join(item.grants), item.about)
            for item in opening.listed(found.data)
        )
        headings = ("state", "device", "roles and scopes", "about")
        session.output.result(found.as_json(), Table(headings, rows, "no waiting or paired devices", firm=("device",)))
    else:
        link = opening.open_tenant(session.workspace, tenant)
        session.output.verbatim({"tenant": tenant, "url": link}, link)


@app.command("trust", epilog="Example: launchpad trust web-1 --fingerprint SHA256:…")
def trust(
    ctx: typer.Context,
    host: Annotated[str, typer.Argument(metavar="HOST", autocompletion=complete.hosts)],
    fingerprint: Annotated[
        str,
        typer.Option(
            metavar="SHA256:…",
            callback=host_key_fingerprint,
            help="Accept the key with this fingerprint without a prompt.",
        ),
    ] = "",
) -> None:
    """Store HOST's SSH key after you compared its fingerprint with your provider's console."""
    from launchpad.cli.prompts import confirm
    from launchpad.operations.hosts.trust import offered_key, trust

    session = Session.of(ctx)
    offer = offered_key(session.workspace, host)
    if not offer.known:
        if not fingerprint:
            session.output.say(f"{host} ({offer.address}) offers {offer.key.kind} {offer.key.fingerprint}")
            confirm(session, "Is this the host's key?", yes=False, hint=f"add --fingerprint {offer.key.fingerprint}")
        trust(session.workspace, offer, confirm=fingerprint or offer.key.fingerprint)
    session.output.result(offer.as_json(), f"{host}: {offer.key.fingerprint} is stored")
