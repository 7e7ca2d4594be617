"""The meter: adds up what each tenant uses, and writes each finished hour to the usage log.

The kernel's counters begin again with each container, bridge and boot, so the meter keeps the last value of each
counter with what it counts: a counter of something new counts from 0. The state is written at each look; after a crash
the meter continues from the state, and a finished hour that is written twice counts once (`usage_log`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from launchpad.runner import paths, slots
from launchpad.runner.account import Finding
from launchpad.runner.hint import HERE, Next
from launchpad.runner.host import Failed
from launchpad.runner.metering.counters import bridge_bytes, cpu_seconds
from launchpad.runner.metering.usage_log import Amounts, UsedIn, added, append_hour, hour_of, read_month
from launchpad.runner.protocol import Refused, record_as_json, record_from_json
from launchpad.runner.record import Record

if TYPE_CHECKING:
    from launchpad.runner.account import Account
    from launchpad.runner.host import Container, Host
    from launchpad.runner.view import View

LOOK_SECONDS = 55.0
"""The check of the room looks every 30 s; the meter at every other of its looks."""
LONGEST_SECONDS = 180.0
"""After a longer pause nobody knows how much memory and disk was used meanwhile: the pause does not count."""
HOUR, GIB = 3600.0, float(1 << 30)


class Room(Record):
    """What a tenant occupies now."""

    slot: int
    disk: int
    """Bytes."""
    memory: int
    """Bytes."""
    memory_limit: int


class CounterReading(Record):
    """The last values of counters."""

    who: str
    """What they count: the start of a container, or a boot and the kernel's number of a bridge."""
    values: tuple[float, ...]


class MeterState(Record):
    """What the meter keeps between looks, and over a restart."""

    hour: str = ""
    opened: float = 0.0
    """When the count of this hour began, by the host's clock."""
    boot_id: str = ""
    elapsed: float = 0.0
    counters: Mapping[str, CounterReading] = MappingProxyType({})
    """A container's name → CPU seconds; a bridge's name → bytes to the tenant, bytes from the tenant."""
    open: Mapping[str, Amounts] = MappingProxyType({})
    """Tenant → its use in this hour."""
    totals: Mapping[str, Amounts] = MappingProxyType({})
    """Tenant → its use since it came to the host."""
    rooms: Mapping[str, Room] = MappingProxyType({})
    """Tenant → what it occupied at the last look."""


class Meter:
    """Used by the check of the room, which knows the containers, disk and memory already."""

    def __init__(self, host: View, account: Account) -> None:
        self._host, self._account = host, account
        self._state = read_state(host)
        self._restarts: dict[str, int] = {}
        """Tenant → the watch's restarts up to the last look."""
        self.findings: list[Finding] = []
        """Whether the usage could not be written at the last look. Nothing is lost by that while the watch runs."""

    def is_due(self) -> bool:
        state = self._state
        return state.boot_id != self._host.boot_id() or self._host.elapsed() - state.elapsed >= LOOK_SECONDS

    def look(self, containers: Sequence[Container], rooms: Mapping[str, Room]) -> None:
        """Count what was used since the last look."""
        host, before = self._host, self._state
        passed = host.elapsed() - before.elapsed if before.boot_id == host.boot_id() else 0.0
        seconds = passed if passed <= LONGEST_SECONDS else 0.0
        # Also the bridges of tenants whose records cannot be read now.
        counters = {name: last for name, last in before.counters.items() if last.who.startswith(host.boot_id())}
        for name, counted in _seen(host, containers, rooms):
            if known := counted or before.counters.get(name):
                counters[name] = known
        restarts = self._watch_restarts()
        used = {}
        for tenant, room in rooms.items():
            gained = _gained(before, counters, [item.name for item in containers if item.tenant == tenant], room)
            most = max(gained.restarts, restarts.get(tenant, 0))
            used[tenant] = _occupied(room, seconds).plus(gained.but(restarts=most))
        problem = self._turn_hour(host.now())
        self._state = self._state.but(
            boot_id=host.boot_id(),
            elapsed=host.elapsed(),
            counters=counters,
            open=_summed(self._state.open, used),
            totals={tenant: before.totals.get(tenant, Amounts()).plus(own) for tenant, own in used.items()},
            rooms=rooms,
        )
        try:
            host.write(paths.METER, json.dumps(record_as_json(self._state)).encode(), mode=0o600)
        except Failed as failed:
            problem = failed.message
        message = f"the usage of tenants cannot be written: {problem}"
        self.findings = [Finding("usage", message, Next("usage", HERE))] if problem else []

    def _turn_hour(self, now: float) -> str:
        """Write the last hour's lines when another hour has begun. When that fails, the hour stays open; the reason is
        returned."""
        state, hour = self._state, hour_of(now)
        if state.hour == hour:
            return ""
        try:
            if state.open:
                append_hour(self._host, state.hour, state.opened, state.open)
        except Failed as failed:
            return failed.message
        self._state = state.but(hour=hour, opened=now, open={})
        return ""

    def _watch_restarts(self) -> dict[str, int]:
        """Tenant → how often the watch started it again since the last look."""
        now = self._account.restarts()
        gained = {tenant: count - self._restarts.get(tenant, 0) for tenant, count in now.items()}
        self._restarts = now
        return gained


def read_state(host: Host) -> MeterState:
    """A missing or damaged state counts as none: then counters count from now."""
    try:
        return record_from_json(MeterState, json.loads(host.read(paths.METER) or b"{}"), paths.METER)
    except (Failed, ValueError, Refused):
        return MeterState()


def usage_of(host: Host, month: str, *, hourly: bool) -> Iterator[UsedIn]:
    """What each tenant used in the month, or in each of its hours; with the hour that is not over."""
    counts, state = read_month(host, month), read_state(host)
    if state.hour.startswith(month):
        counts |= {(tenant, state.hour, state.opened): used for tenant, used in state.open.items()}
    uses = (UsedIn(tenant, hour if hourly else month, used) for (tenant, hour, _), used in counts.items())
    return added(uses)


def _seen(
    host: View, containers: Iterable[Container], rooms: Mapping[str, Room]
) -> Iterator[tuple[str, CounterReading | None]]:
    """The name of each counter, and its values now; None where it cannot be read, as of a container that has ended, or
    belongs to nobody who is metered now."""
    for item in containers:
        seconds = cpu_seconds(host, item.process) if item.process and item.tenant in rooms else None
        yield item.name, None if seconds is None else CounterReading(item.started_at, (seconds,))
    for room in rooms.values():
        counted = bridge_bytes(host, slots.bridge(room.slot))
        yield (
            slots.bridge(room.slot),
            counted and CounterReading(f"{host.boot_id()} {counted[0]}", (*map(float, counted[1:]),)),
        )


def _occupied(room: Room, seconds: float) -> Amounts:
    return Amounts(
        memory_gib_hours=room.memory / GIB * seconds / HOUR,
        disk_gib_hours=room.disk / GIB * seconds / HOUR,
        observed_seconds=seconds,
    )


def _gained(before: MeterState, now: Mapping[str, CounterReading], mine: Sequence[str], room: Room) -> Amounts:
    """What the tenant's counters gained since the last look, and how many of its known containers were started."""
    cpu = sum(sum(_gain(before, now, name)) for name in mine)
    received, sent = _gain(before, now, slots.bridge(room.slot)) or (0.0, 0.0)
    known = [name for name in mine if name in now and name in before.counters]
    started = sum(now[name].who != before.counters[name].who for name in known)
    return Amounts(cpu_seconds=cpu, received_bytes=int(received), sent_bytes=int(sent), restarts=started)


def _gain(before: MeterState, now: Mapping[str, CounterReading], name: str) -> tuple[float, ...]:
    """What the counters of that name gained; empty without them. The first look of a new meter counts from now."""
    if name not in now or not before.hour:
        return ()
    found, last = now[name], before.counters.get(name)
    if last is None or last.who != found.who:
        return found.values
    pairs = zip(found.values, last.values, strict=True)
    return tuple(value - then if value >= then else value for value, then in pairs)


def _summed(before: Mapping[str, Amounts], used: Mapping[str, Amounts]) -> dict[str, Amounts]:
    return {tenant: before.get(tenant, Amounts()).plus(used.get(tenant, Amounts())) for tenant in {**before, **used}}
