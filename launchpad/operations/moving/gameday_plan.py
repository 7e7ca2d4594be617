"""Plan a game day: on which host each tenant of a host comes back. Asks the other hosts and starts nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from launchpad.errors import LaunchpadError, StateError
from launchpad.fleet.model.fleet import Fleet, remote_targets
from launchpad.fleet.model.tenant import Tenant
from launchpad.operations.requests.confirmation import plan_digest
from launchpad.operations.requests.observing import observe
from launchpad.operations.requests.render import rendered
from launchpad.operations.requests.scope import scope_of
from launchpad.plan.observed import HostSeen
from launchpad.plan.placement import PlacementNeed, PlacementRoom, place, room_of
from launchpad.runner.hint import Next
from launchpad.workspace import Workspace

KIND = "drill-here"
"""The kind of the operation that brings one tenant back."""


@dataclass(frozen=True, kw_only=True)
class GameDayPlan:
    """Where each tenant of the host comes back."""

    host: str
    placed: Mapping[str, str]
    """Tenant → host."""
    left: Mapping[str, str]
    """Tenant → why it comes back nowhere."""
    unasked: Mapping[str, str]
    """Host → why it was not considered."""

    @property
    def digest(self) -> str:
        """12 hex digits; what a confirmation names."""
        return plan_digest(self.as_json())

    def as_json(self) -> dict[str, Any]:
        return {key: dict(value) if isinstance(value, Mapping) else value for key, value in vars(self).items()}


def plan_gameday(workspace: Workspace, name: str, *, to: Sequence[str] = ()) -> GameDayPlan:
    """Place the host's tenants on the other hosts, or on those named. StateError when there is no other host; a host
    that does not answer is not considered."""
    fleet = workspace.fleet.load()
    lost = fleet.host(name)
    others = [str(fleet.host(item).name) for item in dict.fromkeys(to or sorted(fleet.hosts)) if item != lost.name]
    if not others:
        hint = Next("host add") if len(fleet.hosts) < 2 else "name other hosts after --to"
        raise StateError(f"{name}: no other host for its tenants", code="no-other-host-tenants", hint=hint)
    rooms, unasked = rooms_of(workspace, fleet, others)
    needs, left = list[PlacementNeed](), dict[str, str]()
    under_way = {tenant: host for tenant, host in _under_way(workspace, name).items() if host in fleet.hosts}
    for tenant in fleet.tenants_of(name):
        if str(tenant.name) in under_way:
            continue
        try:
            needs.append(_need(workspace, fleet, tenant))
        except LaunchpadError as error:
            left[str(tenant.name)] = error.message.removeprefix(f"{tenant.name}: ")
    made = place(needs, rooms)
    return GameDayPlan(
        host=name,
        placed=dict(sorted({**made.placed, **under_way}.items())),
        left=dict(sorted({**made.left, **left}.items())),
        unasked=unasked,
    )


def rooms_of(workspace: Workspace, fleet: Fleet, hosts: Sequence[str]) -> tuple[list[PlacementRoom], Mapping[str, str]]:
    """What the hosts have left, and host → why it did not say."""
    seen = observe(workspace, scope_of(fleet, hosts), probes=False)
    said = {host: seen[host] for host in hosts}
    rooms = [room_of(item) for item in said.values() if isinstance(item, HostSeen)]
    return rooms, {host: item.message for host, item in said.items() if isinstance(item, LaunchpadError)}


def need_of(workspace: Workspace, fleet: Fleet, tenant: Tenant, *, moves: bool = False) -> PlacementNeed:
    """What the tenant needs of a host."""
    release = rendered(workspace, fleet, tenant).release
    memory = sum(service.memory_mb for service in release.services)
    name = str(tenant.name)
    return PlacementNeed(tenant=name, slot=tenant.slot, memory_mb=memory, disk_mb=release.disk_mb, moves=moves)


def _need(workspace: Workspace, fleet: Fleet, tenant: Tenant) -> PlacementNeed:
    """What the tenant needs of a host. StateError when nothing of the tenant outlives its own host."""
    if not fleet.backup_targets(tenant):
        raise StateError(f"tier {tenant.tier} has no backups", code="gameday-without-backups")
    if not remote_targets(fleet, tenant):
        raise StateError("its backups are only in a folder on its own host", code="backups-folder-own-host")
    return need_of(workspace, fleet, tenant)


def _under_way(workspace: Workspace, host: str) -> dict[str, str]:
    """Tenant → where an unreported operation of this game day began: there the same command follows it."""
    begun = workspace.begun.all() if workspace.begun else []
    return {item.tenant: item.host for item in begun if item.kind == KIND and item.words == {"gameday": host}}
