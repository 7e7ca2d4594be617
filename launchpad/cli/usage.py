"""launchpad usage, metrics: what tenants use, now and over a month, and numbers for Prometheus."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from launchpad.cli.output import Table
from launchpad.cli.session import Session
from launchpad.cli.standing import Names

if TYPE_CHECKING:
    from launchpad.operations.observation.metered import MeteredUse

app = typer.Typer(help="Show what tenants use.")
Everything = Annotated[bool, typer.Option("--all", help="The whole fleet.")]


@app.command("usage", epilog="Example: launchpad usage alice --month 2026-11 --csv")
def usage(
    ctx: typer.Context,
    names: Names = None,
    everything: Everything = False,
    month: Annotated[
        str, typer.Option("--month", metavar="YYYY-MM", help="What each tenant used in this month, in UTC.")
    ] = "",
    hours: Annotated[bool, typer.Option("--hours", help="With --month: one row for each tenant and hour.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="With --month: print CSV.")] = False,
    said_costs: Annotated[
        bool, typer.Option("--costs", help="With --month: what each tenant's app says its models cost, by day.")
    ] = False,
) -> None:
    """Show disk and memory use on the hosts: each tenant, each image with the tenants that run it, and the free space.
    With --month, show what each tenant used in a month.

    The data of a tenant's generations counts as the tenant's disk use. A layer that several images share counts for
    each of them.

    The month has CPU time, memory and disk over time, traffic and restarts, as the hosts' watches measured them every
    minute. A tenant that moved has the sum of its hosts. The column "observed" shows for how long memory and disk were
    measured: time without a watch counts as 0 there.

    With --costs, the numbers are the app's own, asked by the host's watch once a day. Launchpad cannot verify these
    numbers: bill by them only when you trust the tenant.
    """
    session = Session.of(ctx)
    if everything and names:
        raise typer.BadParameter("give names or --all, not both", ctx=ctx)
    if not month:
        if hours or as_csv or said_costs:
            raise typer.BadParameter("--hours, --csv and --costs need --month", ctx=ctx)
        _now(session, names or [])
        return
    if re.fullmatch(r"[0-9]{4}-(?:0[1-9]|1[0-2])", month) is None:
        raise typer.BadParameter(f"--month {month}: expected a year and a month, such as 2026-11", ctx=ctx)
    if said_costs:
        if hours:
            raise typer.BadParameter("give --hours or --costs, not both", ctx=ctx)
        _costs(session, names or [], month, as_csv=as_csv)
        return
    from launchpad.cli.planning import leave
    from launchpad.operations.observation.metered import metered

    found = metered(session.workspace, month, names or (), hourly=hours)
    data = [item.as_json() for item in found.uses]
    if as_csv:
        from launchpad.operations.observation.metered import COLUMNS

        session.output.verbatim(data, _csv(COLUMNS, data))
    else:
        session.output.result(data, _table(found.uses, month))
        moved = {item.tenant: item.hosts for item in found.uses if len(item.hosts) > 1}
        for tenant, hosts in moved.items():
            session.output.say(f"{tenant}: summed over {' and '.join(hosts)}")
    leave(session, found.unreachable, answered=found.answered)


@app.command(
    "metrics", epilog="Example: launchpad metrics --all --output /var/lib/prometheus/node-exporter/launchpad.prom"
)
def metrics(
    ctx: typer.Context,
    names: Names = None,
    everything: Everything = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="FILE",
            help="Replace this file in one step instead of printing, for a node exporter on this machine. An "
            "unreachable host is no error then: the file has launchpad_up 0 for the host.",
        ),
    ] = None,
) -> None:
    """Print the metrics of hosts and their tenants in the text format of Prometheus.

    The numbers come from the hosts' watches, are at most one minute old, and have no secrets. A tenant's name stands
    for its host. docs/metrics.md explains each metric, alert rules and a dashboard.
    """
    from launchpad.cli.planning import leave
    from launchpad.operations.observation import metrics as asking

    session = Session.of(ctx)
    if everything and names:
        raise typer.BadParameter("give names or --all, not both", ctx=ctx)
    found = asking.metrics(session.workspace, names or ())
    if output is not None:
        found.save(output)
        session.left_out()
        return
    session.output.verbatim({"metrics": found.text}, found.text.removesuffix("\n"))
    leave(session, found.unreachable, answered=found.answered)


def _table(uses: Sequence[MeteredUse], month: str) -> Table:
    from launchpad.cli.wording import size

    by_hour = any(item.period != month for item in uses)
    rows = tuple(
        (
            *((item.period,) if by_hour else ()),
            item.tenant,
            f"{item.cpu_seconds / 3600:.2f} h",
            f"{item.memory_gib_hours:.1f}",
            f"{item.disk_gib_hours:.1f}",
            size(item.received_bytes),
            size(item.sent_bytes),
            str(item.restarts),
            f"{item.observed_hours:.1f} h",
        )
        for item in uses
    )
    headings = ("tenant", "cpu", "mem GiB h", "disk GiB h", "in", "out", "restarts", "observed")
    return Table((("hour", *headings) if by_hour else headings), rows, f"no usage was recorded in {month}")


def _csv(columns: Sequence[str], data: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(columns)
    for item in data:
        rows.writerow([" ".join(item[name]) if name == "hosts" else item[name] for name in columns])
    return text.getvalue().removesuffix("\n")


def _costs(session: Session, names: Sequence[str], month: str, *, as_csv: bool) -> None:
    """What the tenants' apps say."""
    from launchpad.cli.planning import leave
    from launchpad.operations.observation.costs import COLUMNS, costs

    found = costs(session.workspace, month, names)
    data = [vars(item) for item in found.days]
    if as_csv:
        session.output.verbatim(data, _csv(COLUMNS, data))
    else:
        rows = tuple(
            (item.day, item.tenant, f"{item.app_cost_usd:.2f}", f"{item.app_tokens:,}", str(item.app_unpriced or ""))
            for item in found.days
        )
        headings = ("day", "tenant", "USD, says the app", "tokens, says the app", "without price")
        session.output.result(data, Table(headings, rows, f"no app reported costs in {month}"))
        sums: dict[str, float] = {}
        for item in found.days:
            sums[item.tenant] = sums.get(item.tenant, 0.0) + item.app_cost_usd
        for tenant, total in sums.items():
            session.output.say(
                f"{tenant}: {total:.2f} USD in {month} according to its app, which Launchpad cannot verify"
            )
    for tenant, problem in found.problems.items():
        session.output.say(f"{tenant}: its app's last answer is missing: usage-cost {problem}")
    leave(session, found.unreachable, answered=found.answered)


def _now(session: Session, names: Sequence[str]) -> None:
    """The present disk and memory use of hosts."""
    from launchpad.cli.planning import leave
    from launchpad.cli.wording import of, size
    from launchpad.errors import LaunchpadError
    from launchpad.operations.observation.usage import usage
    from launchpad.runner.protocol import record_as_json

    found = usage(session.workspace, names)
    said = {host: item for host, item in found.items() if not isinstance(item, LaunchpadError)}
    rows: list[tuple[str, ...]] = []
    for host, item in said.items():
        for name, own in sorted(item.tenants.items(), key=lambda pair: -pair[1].used):
            kept = f"{own.generations} generation{'' if own.generations == 1 else 's'}"
            memory = of(own.memory, own.memory_limit)
            rows.append((host, f"data of {name}", of(own.used, own.quota), memory, kept))
        images = sorted(item.images.items(), key=lambda pair: -pair[1].bytes)
        for name, image in images:
            short = name.partition("@")[0].rpartition("/")[2]
            if [other.partition("@")[0] for other, _ in images].count(name.partition("@")[0]) > 1:
                short += "@" + name.rpartition(":")[2][:12]
            if image.tenants:
                rows.append((host, f"image {short}", size(image.bytes), "", f"of {', '.join(image.tenants)}"))
        unused = [image.bytes for _, image in images if not image.tenants]
        if unused:
            rows.append(
                (host, f"{len(unused)} other image{'' if len(unused) == 1 else 's'}", size(sum(unused)), "", "unused")
            )
        rows.append((host, "free for data", of(item.disk.free, item.disk.total), "", ""))
        rows.append((host, "free for images", size(item.images_free), "", ""))
    headings = ("host", "what", "disk", "memory", "note")
    data = {host: record_as_json(item) for host, item in said.items()}
    session.output.result(data, Table(headings, tuple(rows), "no hosts to show"))
    if any(row[-1] == "unused" for row in rows):
        session.output.say("to see what is unused: launchpad prune --dry-run")
    failed = {host: item for host, item in found.items() if isinstance(item, LaunchpadError)}
    leave(session, failed, answered=bool(said))
