"""The rows of a live view of the fleet: hosts and tenants, the worst first, with the age of what is known. Pure.

The rows say what `status` and `health` say, by the same facts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from launchpad.errors import LaunchpadError
from launchpad.plan.going_on import Alerted, AlertSeen, OperationSeen
from launchpad.plan.health import Health, host_health, tenant_health
from launchpad.plan.observed import HostSeen
from launchpad.plan.standing import Standing, standings
from launchpad.plan.wanted import Wanted
from launchpad.runner.facts import WORSE, Fact, Grade, Layer

OLD_SECONDS = 90.0
"""An older row is marked as old: a watch renews its account at least once a minute."""
PROBED = (Layer.process, Layer.ready, Layer.edge, Layer.provider, Layer.channel)
"""The layers of a tenant that are asked again and again."""
RUNNING = (Layer.process, Layer.ready)
HOST, SILENT, ASKED = "host", "no answer", "asked"
"""The states of a host's own row."""


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What the inventory says of the hosts' tenants."""

    wanted: Mapping[str, Wanted]
    known: frozenset[str]
    unreadable: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class OverviewRow:
    """One host, or one tenant on a host."""

    host: str
    tenant: str
    """Empty for the host itself."""
    state: str
    """Of the tenant, as in `status`; of a host: whether it answers."""
    health: Health
    at: float
    """When the host's watch looked last, by this machine's clock; 0 when the host never answered."""
    version: str = ""
    standing: Standing | None = None
    operations: tuple[OperationSeen, ...] = ()
    alerts: tuple[AlertSeen, ...] = ()
    silenced: float = 0.0
    """Until when no alert is sent; 0 for no silence."""
    grade: Grade = Grade.ok
    """That of `health`, kept because rows are sorted by it all the time."""
    words: str = ""
    """Every word of the row in lower case, for a search."""

    @property
    def key(self) -> tuple[str, str]:
        return self.host, self.tenant

    @property
    def name(self) -> str:
        return self.tenant or self.host

    @property
    def problem(self) -> str:
        """The worst fact in one line, or the operation under way; empty when all is well."""
        told = [f"{item.kind} by {item.who}" for item in self.operations]
        return "; ".join([*told, *(f"{fact.layer}: {fact.message}" for fact in self.health.wrong)])

    @property
    def checks(self) -> tuple[int, int]:
        """How many of the watch's checks pass, of how many; (0, 0) for a host, and for a tenant whose host never
        answered."""
        asked = [fact for fact in self.health.facts if fact.layer in PROBED] if self.tenant and self.at else []
        return sum(fact.grade is Grade.ok for fact in asked), len(asked)

    def age(self, now: float) -> float | None:
        """Seconds since the host's watch looked; None when the host never answered."""
        return max(0.0, now - self.at) if self.at else None

    def is_old(self, now: float) -> bool:
        return (self.age(now) or 0.0) > OLD_SECONDS


def host_rows(
    said: HostSeen, expected: Expected, *, others: Mapping[str, HostSeen], heard: float, alerted: Alerted
) -> tuple[OverviewRow, ...]:
    """The rows of one host that answered at `heard`, by this machine's clock. `others` are the last answers of the
    other hosts, which show a tenant that runs twice."""
    own = [want for want in expected.wanted.values() if want.host == said.host]
    strangers = [expected.wanted[name] for name in said.tenants if name in expected.wanted]
    strangers = [want for want in strangers if want.host != said.host]
    seen: dict[str, HostSeen | LaunchpadError] = {said.host: said}
    seen |= {want.host: others[want.host] for want in strangers if want.host in others}
    found = standings([*own, *strangers], seen, inventory=expected.known, unreadable=expected.unreadable, whole=False)
    rows = [_host_row(said, heard)]
    rows += [_tenant_row(item, said, heard) for item in found if item.host == said.host]
    return tuple(_alerted(row, alerted) for row in rows)


def silent_rows(
    name: str, error: LaunchpadError, before: Sequence[OverviewRow], expected: Expected
) -> tuple[OverviewRow, ...]:
    """The rows of a host that does not answer: the host's own, and those that were known before, or the tenants that
    the inventory has there."""
    own = _row(name, "", SILENT, host_health(name, error), at=before[0].at if before else 0.0)
    if not before:
        wanted = [want for want in expected.wanted.values() if want.host == name]
        found = [replace(item, remarks=()) for item in standings(wanted, {name: error}, inventory=expected.known)]
        return (own, *(_row(name, item.tenant, item.state, tenant_health(item, error), at=0.0) for item in found))
    return (replace(own, alerts=before[0].alerts, silenced=before[0].silenced), *before[1:])


def waiting_row(name: str) -> OverviewRow:
    """The row of a host that was not heard of yet."""
    yet = Fact(layer=Layer.watch, grade=Grade.unknown, message="no answer yet", subject="unreachable")
    return _row(name, "", ASKED, Health(host=name, tenant="", facts=(yet,), clock=0.0), at=0.0)


def arranged(rows: Iterable[OverviewRow], *, search: str = "") -> list[OverviewRow]:
    """The rows that have every word of the search, the worst first; of one grade those with an operation first, then
    hosts, then tenants, by name."""
    wanted = search.lower().split()
    meant = [row for row in rows if all(word in row.words for word in wanted)] if wanted else rows
    return sorted(meant, key=_order)


def counted(rows: Iterable[OverviewRow]) -> dict[Grade, int]:
    """The number of rows with each grade, the worst first."""
    numbers = dict.fromkeys(reversed(WORSE), 0)
    for row in rows:
        numbers[row.grade] += 1
    return numbers


_RANK = {grade: -number for number, grade in enumerate(WORSE)}


def _order(row: OverviewRow) -> tuple[int, bool, bool, str, str]:
    return _RANK[row.grade], not row.operations, bool(row.tenant), row.tenant, row.host


def _host_row(said: HostSeen, heard: float) -> OverviewRow:
    operations = tuple(item for item in said.operations if not item.tenant)
    health = host_health(said.host, said)
    return _row(said.host, "", HOST, health, at=_looked(said.health, said, heard), operations=operations)


def _tenant_row(item: Standing, said: HostSeen, heard: float) -> OverviewRow:
    health = tenant_health(item, said)
    state = item.state
    if state in ("healthy", "warning") and health.grade is not Grade.ok:  # no probe was asked: the watch's facts decide
        critical = {fact.layer for fact in health.facts if fact.grade is Grade.critical}
        if critical.intersection(RUNNING):
            state = "unhealthy"
        elif critical or state == "healthy":
            state = "running"
    return _row(
        said.host,
        item.tenant,
        state,
        health,
        at=_looked(item.health or said.health, said, heard),
        standing=item,
        operations=tuple(one for one in said.operations if one.tenant == item.tenant),
    )


def _row(
    host: str,
    tenant: str,
    state: str,
    health: Health,
    *,
    at: float,
    standing: Standing | None = None,
    operations: tuple[OperationSeen, ...] = (),
) -> OverviewRow:
    version = (standing.version or standing.wanted_version) if standing else ""
    row = OverviewRow(
        host=host, tenant=tenant, state=state, health=health, at=at, version=version, standing=standing,
        operations=operations, grade=health.grade,
    )  # fmt: skip
    return replace(row, words=" ".join((host, tenant, state, row.grade, version, row.problem)).lower())


def _looked(facts: Sequence[Fact], said: HostSeen, heard: float) -> float:
    """When the watch looked last, by this machine's clock. Without a watch's fact: when the host answered."""
    newest = max((fact.at for fact in facts), default=0.0)
    return heard - max(0.0, said.clock - newest) if newest else heard


def _alerted(row: OverviewRow, alerted: Alerted) -> OverviewRow:
    mine = tuple(item for item in alerted.alerts if item.tenant == row.tenant)
    until = max(_silences(row, alerted), default=0.0)
    return replace(row, alerts=mine, silenced=until) if mine or until else row


def _silences(row: OverviewRow, alerted: Alerted) -> Iterator[float]:
    yield from (until for tenant, until in alerted.silenced.items() if tenant in ("", row.tenant))
