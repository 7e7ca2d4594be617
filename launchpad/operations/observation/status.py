"""status: the state of tenants, hosts or the whole fleet; one exec for each host, all hosts in parallel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from launchpad.errors import LaunchpadError
from launchpad.fleet.model.fleet import Fleet
from launchpad.fleet.model.recovery import kit_test
from launchpad.operations.observation.expecting import send_expected
from launchpad.operations.requests.observing import knows, observe, wanted
from launchpad.operations.requests.scope import scope_of
from launchpad.plan.fleet_plan import Seen
from launchpad.plan.loss import losses
from launchpad.plan.observed import HostSeen
from launchpad.plan.standing import Standing, standings
from launchpad.plan.wanted import Wanted
from launchpad.runner.facts import Fact, Grade
from launchpad.runner.protocol import record_as_json
from launchpad.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Status:
    """The state of every named tenant, of everything else on the named hosts, and of each host, or its error."""

    tenants: tuple[Standing, ...]
    hosts: Mapping[str, HostSeen | LaunchpadError]
    kit: Mapping[str, Any] | None = None
    """The last `kit test`: {"at", "good", "age_seconds"}, empty when there was none of this kit; None when there is no
    kit, or not the whole fleet was asked for."""

    losses: Mapping[str, Fact] = field(default_factory=dict)
    """Host → whether its loss is proven by a game day."""

    @property
    def unreachable(self) -> dict[str, LaunchpadError]:
        return {host: said for host, said in self.hosts.items() if isinstance(said, LaunchpadError)}

    @property
    def good(self) -> bool:
        """Whether nothing needs attention."""
        return all(map(_is_sound, self.hosts.values())) and all(tenant.good for tenant in self.tenants)

    def as_json(self) -> dict[str, Any]:
        return {
            "good": self.good,
            "tenants": [tenant.as_json() for tenant in self.tenants],
            "hosts": {host: _host_as_json(said) for host, said in self.hosts.items()},
            "losses": {host: fact.plain() for host, fact in self.losses.items()},
            "kit": None if self.kit is None else dict(self.kit),
        }


def status(workspace: Workspace, names: Sequence[str] = (), *, probes: bool = True) -> Status:
    """The state of the named tenants and hosts, or of all. A host that does not answer is in the result with its
    error."""
    fleet = workspace.fleet.load()
    scope = scope_of(fleet, names)
    seen = observe(workspace, scope, probes=probes)
    send_expected(workspace, fleet, seen)
    want = [_compared(workspace, item, seen) for item in wanted(workspace, fleet, scope.tenants, on=seen)]
    unreadable = {name: str(item.mistakes[0]) for name, item in fleet.unreadable.items()}
    found = standings(want, seen, inventory=fleet.known, unreadable=unreadable, whole=not names)
    proven = {host: fact for host, fact in losses(fleet, seen).items() if host in scope.whole_hosts}
    kit = None if names else last_kit_test(workspace, fleet)
    return Status(tenants=tuple(found), hosts=seen, kit=kit, losses=proven)


def last_kit_test(workspace: Workspace, fleet: Fleet) -> dict[str, Any] | None:
    """The last test of the kit, see `Status.kit`."""
    if fleet.defaults.recovery is None:
        return None
    return kit_test(workspace.root, fleet.defaults.recovery, now=workspace.clock.now())


def _compared(workspace: Workspace, want: Wanted, seen: Seen) -> Wanted:
    """Compare the running release's revision with the inventory's. Git is asked only when the two differ."""
    said = seen.get(want.host)
    has = said.tenants.get(want.tenant) if isinstance(said, HostSeen) else None
    if has is None or not want.release or want.release == has.release or knows(workspace, has):
        return want
    return replace(want, descends=False)


def _is_sound(said: HostSeen | LaunchpadError) -> bool:
    if isinstance(said, LaunchpadError) or said.problems or said.findings:
        return False
    return not any(fact.grade is Grade.critical for fact in said.health)


def _host_as_json(said: HostSeen | LaunchpadError) -> dict[str, Any]:
    if isinstance(said, LaunchpadError):
        return said.as_dict()
    plain = asdict(said)
    del plain["tenants"]
    plain["health"] = [fact.plain() for fact in said.health]
    plain["outside"] = [fact.plain() for fact in said.outside]
    plain["gameday"] = None if said.gameday is None else record_as_json(said.gameday)
    return plain | {"reverts": list(said.reverts), "problems": list(said.problems), "findings": list(plain["findings"])}
