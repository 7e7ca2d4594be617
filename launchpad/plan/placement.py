"""Where the tenants of a lost host would run: on other hosts, by free memory, free disk and slots. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from launchpad.plan.observed import HostSeen

SPARE_MB = 512
"""Disk that stays free on each host."""
UNKNOWN_MB = 1 << 40
"""For a host whose kernel does not tell its free memory."""


@dataclass(frozen=True, kw_only=True)
class PlacementNeed:
    """What a tenant takes of a host."""

    tenant: str
    slot: int
    memory_mb: int
    disk_mb: int
    moves: bool = False
    """Whether the tenant itself moves: then older data of the tenant on a host is no obstacle."""


@dataclass(frozen=True, kw_only=True)
class PlacementRoom:
    """What a host has left."""

    host: str
    memory_mb: int
    disk_mb: int
    tenants: frozenset[str]
    """The tenants that the host has something of."""
    slots: frozenset[int]

    def lacks(self, need: PlacementNeed) -> str:
        """Why the tenant has no place here; empty when the tenant fits."""
        if need.tenant in self.tenants and not need.moves:
            return f"has data of {need.tenant} already"
        if need.slot in self.slots and need.tenant not in self.tenants:
            return f"has another tenant with slot {need.slot}"
        if need.memory_mb > self.memory_mb:
            return f"has {max(0, self.memory_mb)} MiB of memory left, {need.memory_mb} MiB are needed"
        if need.disk_mb > self.disk_mb:
            return f"has {max(0, self.disk_mb)} MiB of disk left, {need.disk_mb} MiB are needed"
        return ""

    def after(self, need: PlacementNeed) -> PlacementRoom:
        return replace(
            self,
            memory_mb=self.memory_mb - need.memory_mb,
            disk_mb=self.disk_mb - need.disk_mb,
            slots=self.slots | {need.slot},
        )


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where each tenant goes, and why the others go nowhere."""

    placed: Mapping[str, str]
    """Tenant → host."""
    left: Mapping[str, str]
    """Tenant → the reason."""


def room_of(said: HostSeen) -> PlacementRoom:
    """What the host has left now."""
    return PlacementRoom(
        host=said.host,
        memory_mb=UNKNOWN_MB if said.memory_free_mb is None else said.memory_free_mb,
        disk_mb=(said.disk_free >> 20) - SPARE_MB,
        tenants=frozenset(said.tenants),
        slots=frozenset(item.slot for item in said.tenants.values()),
    )


def place(needs: Iterable[PlacementNeed], rooms: Sequence[PlacementRoom]) -> Placement:
    """Give each tenant a host, so that all of them would run there at the same time. The largest tenant first, on the
    host with the most memory left; when that leaves a tenant out, on the fullest host where the tenant still fits, if
    more tenants fit so."""
    ordered = sorted(needs, key=lambda need: (-need.memory_mb, -need.disk_mb, need.tenant))
    spread = _placed(ordered, rooms, lambda room: (-room.memory_mb, room.host))
    if not spread.left:
        return spread
    tight = _placed(ordered, rooms, lambda room: (room.memory_mb, room.host))
    return tight if len(tight.placed) > len(spread.placed) else spread


def _placed(
    needs: Sequence[PlacementNeed],
    rooms: Sequence[PlacementRoom],
    first: Callable[[PlacementRoom], tuple[int, str]],
) -> Placement:
    free, placed, left = {room.host: room for room in rooms}, dict[str, str](), dict[str, str]()
    for need in needs:
        fitting = [room for room in free.values() if not room.lacks(need)]
        if not fitting:
            why = "; ".join(f"{room.host} {room.lacks(need)}" for room in free.values())
            left[need.tenant] = why or "no other host can be asked"
            continue
        chosen = min(fitting, key=first)
        placed[need.tenant] = chosen.host
        free[chosen.host] = chosen.after(need)
    return Placement(placed=dict(sorted(placed.items())), left=dict(sorted(left.items())))
