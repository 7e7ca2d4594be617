"""Rows as `top` gets them: good and bad, few or two thousand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from launchpad.errors import HostError, LaunchpadError
from launchpad.plan.going_on import Alerted, AlertSeen, OperationSeen
from launchpad.plan.observed import HostSeen
from launchpad.plan.overview import Expected, OverviewRow, host_rows, silent_rows
from launchpad.plan.wanted import Wanted
from launchpad.runner.facts import Fact, Grade, Layer
from tests.plan.examples import has, host, want

NOW = 1_764_528_000.0
"""2025-11-30 18:40 UTC, by this machine's clock."""
CLOCK = NOW - 3600
"""The host's."""
LONG = "a-customer-with-a-name-of-some-length"
SILENT = HostError("web-2: cannot connect to launchpad@192.0.2.2: no route to host", hint="ssh -v launchpad@192.0.2.2")


def fact(layer: Layer, grade: Grade = Grade.ok, message: str = "answers", **more: object) -> Fact:
    return Fact(**({"layer": layer, "grade": grade, "message": message, "at": CLOCK - 5} | more))  # type: ignore[arg-type]


def well(tenant: str) -> tuple[Fact, ...]:
    return tuple(fact(layer, tenant=tenant) for layer in (Layer.process, Layer.ready, Layer.edge, Layer.provider))


def few_rows() -> list[OverviewRow]:
    """Two hosts, of which one went silent; an app that does not answer, a refused key, an upgrade, a long name."""
    dead = fact(
        Layer.ready, Grade.critical, "web:8080/startupz does not answer", hint="launchpad logs alice", since=CLOCK - 300
    )
    key = fact(Layer.provider, Grade.warning, "the provider refuses the key\x1b[2J", hint=f"launchpad act {LONG} check")
    tenants = (has(health=(dead, *well("alice")[2:])), has("bob", health=well("bob")), has(LONG, health=(key,)))
    going = OperationSeen(id="0mhcq2k3a-7f3k9", kind="upgrade", tenant="bob", who="ben", at=CLOCK - 40)
    (said,) = host(*tenants).values()
    said = replace(said, operations=(going,))
    silent = [*_rows(host(has("carol", health=well("carol")), name="web-2")["web-2"], heard=NOW - 400)]
    alerted = Alerted(alerts=(AlertSeen(tenant="alice", layer="ready", told=NOW - 120),))
    return [*_rows(said, alerted=alerted), *silent_rows("web-2", SILENT, silent, _expected(silent))]


def _rows(said: HostSeen, *, heard: float = NOW, alerted: Alerted | None = None) -> tuple[OverviewRow, ...]:
    wanted = [want(name, host=said.host) for name in said.tenants]
    said = replace(said, clock=CLOCK)
    return host_rows(said, _of(wanted), others={}, heard=heard, alerted=alerted or Alerted())


def _expected(rows: Iterable[OverviewRow]) -> Expected:
    return _of([want(row.tenant, host=row.host) for row in rows if row.tenant])


def _of(wanted: list[Wanted]) -> Expected:
    names = {item.tenant: item for item in wanted}
    return Expected(wanted=names, known=frozenset(names), unreadable={})


class Source:
    """What `LiveFleet` is to the view."""

    def __init__(self, rows: list[OverviewRow] | None = None) -> None:
        self.problem: LaunchpadError | None = None
        self.bug: BaseException | None = None
        self.changes = 0
        self._rows = few_rows() if rows is None else rows

    def rows(self) -> list[OverviewRow]:
        return self._rows

    def say(self, rows: list[OverviewRow]) -> None:
        self._rows = rows
        self.changes += 1


def many_rows(*, hosts: int, tenants: int, bad: int = 0) -> list[OverviewRow]:
    """So many hosts with so many tenants each; every tenth tenant is not well, from number `bad` on."""
    rows: list[OverviewRow] = []
    for place in range(hosts):
        name = f"web-{place + 1}"
        own = []
        for number in range(tenants):
            tenant = f"customer-{place * tenants + number + 1}"
            dead = (fact(Layer.ready, Grade.critical, "web:8080/startupz does not answer", tenant=tenant),)
            own.append(has(tenant, health=dead if number % 10 == bad else well(tenant)))
        rows += _rows(host(*own, name=name)[name])
    return rows
