"""health: the health of tenants, hosts or the whole fleet, from the hosts' watches; one exec for each host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from launchpad.operations.observation.expecting import send_expected
from launchpad.operations.requests.observing import observe, wanted
from launchpad.operations.requests.scope import scope_of
from launchpad.plan.health import Health, healths
from launchpad.plan.loss import losses
from launchpad.plan.standing import standings
from launchpad.runner.facts import WORSE, Fact, Grade, worst
from launchpad.workspace import Workspace

EXIT_CODES: Mapping[Grade, int] = {Grade.ok: 0, Grade.warning: 1, Grade.critical: 2, Grade.unknown: 3}
"""The exit codes of monitoring plugins."""


@dataclass(frozen=True, kw_only=True)
class FleetHealth:
    """The health of each selected host and tenant."""

    each: tuple[Health, ...]

    @property
    def grade(self) -> Grade:
        return worst(item.grade for item in self.each)

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.grade]

    def wrong(self) -> list[tuple[Health, Fact]]:
        """Every fact that is not ok with its owner, worst first. A host that does not answer is reported once, not for
        each of its tenants."""
        found = [(item, fact) for item in self.each for fact in item.wrong if not self._is_silent(item, fact)]
        return sorted(found, key=lambda pair: -WORSE.index(pair[1].grade))

    def counted(self) -> dict[Grade, int]:
        """The number of tenants and hosts with each grade."""
        return {grade: sum(item.grade is grade for item in self.each) for grade in Grade}

    def as_json(self) -> dict[str, Any]:
        parts = {
            "tenants": [item.as_json() for item in self.each if item.tenant],
            "hosts": [item.as_json() for item in self.each if not item.tenant],
        }
        return {"grade": self.grade, "exit_code": self.exit_code, **parts}

    def _is_silent(self, item: Health, fact: Fact) -> bool:
        return bool(item.tenant) and fact.subject == "unreachable" and item.host in set(self._hosts())

    def _hosts(self) -> Iterator[str]:
        return (item.host for item in self.each if not item.tenant)


def fleet_health(workspace: Workspace, names: Sequence[str] = ()) -> FleetHealth:
    """The health of the named tenants and hosts, or of all. No probe runs: the hosts' watches have the results. Nothing
    is rendered: a tenant that differs from the inventory can be healthy."""
    fleet = workspace.fleet.load()
    scope = scope_of(fleet, names)
    seen = observe(workspace, scope, probes=False)
    send_expected(workspace, fleet, seen)
    unreadable = {name: str(item.mistakes[0]) for name, item in fleet.unreadable.items()}
    want = wanted(workspace, fleet, scope.tenants, on={})
    found = standings(want, seen, inventory=fleet.known, unreadable=unreadable, whole=not names)
    meant = {str(tenant.name) for tenant in scope.tenants}
    each = healths(found, seen, losses(fleet, seen))
    if names:  # the host of a named tenant also reports its other tenants
        whole = scope.whole_hosts
        each = tuple(item for item in each if item.host in whole or item.tenant in meant)
    return FleetHealth(each=each)
