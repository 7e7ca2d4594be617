"""Each tenant's standing: a state in one word, from what should run and what runs, with reasons."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from launchpad.errors import LaunchpadError
from launchpad.plan.fleet_plan import Seen, differences, unknown
from launchpad.plan.observed import CertificateSeen, FindingSeen, HostSeen, RoomSeen, TenantSeen
from launchpad.plan.wanted import Wanted
from launchpad.runner.facts import Fact, Grade, Layer
from launchpad.runner.hint import Next

STATES: Mapping[str, str] = {
    "healthy": "runs, every probe passes, and its host found no problem of the tenant",
    "warning": "runs; a provider, a channel or a name from outside does not answer, or its host found a problem, such "
    "as a full quota or a missing certificate",
    "unhealthy": "should run, but a deciding probe fails",
    "broken": "died so often that the host no longer restarts it",
    "doubled": "also runs on a host that the inventory does not name: both copies write their own data",
    "starting": "its host has booted and has not started it yet",
    "changing": "an operation is running",
    "stopped": "was stopped",
    "moved": "moved to another host; its old data is kept, and its requests are forwarded",
    "retired": "was removed from the host; its data is kept",
    "absent": "is in the inventory and not on the host",
    "unreadable": "its file in the inventory is wrong, and no host has it",
    "unreachable": "its host does not answer",
}
"""Every state of a tenant, with its meaning."""

TROUBLE = frozenset({"unhealthy", "broken", "starting", "doubled", "absent", "unreadable", "unreachable"})
STILL = frozenset({"stopped", "moved", "retired"})
"""States that are a problem when the inventory says running: true."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One tenant's standing. Unknown texts are empty, unknown numbers None."""

    tenant: str
    host: str
    state: str
    wanted_version: str = ""
    wanted_release: str = ""
    wanted_running: bool = False
    """Whether the inventory wants the tenant to run here."""
    version: str = ""
    release: str = ""
    age_seconds: float | None = None
    """Seconds since the deploy."""
    backup_age_seconds: float | None = None
    """The age of the newest backup's data in seconds."""
    backup_every: float | None = None
    """Seconds between two backups by its tier; None without backups."""
    proven_age_seconds: float | None = None
    """Seconds since a backup was last proven."""
    probes: tuple[dict[str, Any], ...] = ()
    drift: tuple[str, ...] = ()
    """Manual changes on the host."""
    findings: tuple[FindingSeen, ...] = ()
    """The findings of the host's watch."""
    health: tuple[Fact, ...] = ()
    """The tenant's facts from the host's watch."""
    certificates: Mapping[str, CertificateSeen] = field(default_factory=dict)
    """Certificates by name, from the host's watch."""
    room: RoomSeen | None = None
    remarks: tuple[str, ...] = ()
    """Differences from the inventory, failing probes, and why a breaker tripped."""

    readable: bool = True
    """Whether the tenant's file in the inventory can be read."""

    @property
    def good(self) -> bool:
        """Whether the tenant needs no attention: its state is as wanted, without manual changes and without
        findings."""
        trouble = TROUBLE | STILL if self.wanted_running else TROUBLE
        # What `status` has just seen itself counts, and not what the watch saw some seconds ago.
        seen = (Layer.process, Layer.ready) if self.probes else ()
        critical = any(fact.grade is Grade.critical and fact.layer not in seen for fact in self.health)
        sound = not self.drift and not self.findings and not critical
        return self.state not in trouble and self.readable and sound

    def as_json(self) -> dict[str, Any]:
        plain = dataclasses.asdict(self) | {"good": self.good, "health": [fact.plain() for fact in self.health]}
        return {key: list(value) if isinstance(value, tuple) else value for key, value in plain.items()}


def standings(
    wanted: Sequence[Wanted],
    seen: Seen,
    *,
    inventory: frozenset[str],
    unreadable: Mapping[str, str] = MappingProxyType({}),
    whole: bool = True,
) -> list[Standing]:
    """The standings of every wanted tenant and of other tenants on the hosts, by host and tenant. `unreadable`: tenant
    → its file's problem; includes tenants on no host when the `whole` fleet is requested."""
    found = [_wanted(want, seen[want.host]) for want in wanted if want.host in seen]
    known = {(item.host, item.tenant) for item in found}
    for host, said in seen.items():
        if isinstance(said, HostSeen):
            found += (item for item in _others(said, inventory, unreadable) if (host, item.tenant) not in known)
    at = {want.tenant: want.host for want in wanted}
    running = {(host, name) for host, said in seen.items() for name in _running(said)}
    doubled = {(host, name) for host, name in running if at.get(name, host) != host and (at[name], name) in running}
    found = [_doubled(item, at[item.tenant]) if (item.host, item.tenant) in doubled else item for item in found]
    seen_somewhere = {item.tenant for item in found}
    for name, problem in unreadable.items():
        if whole and name not in seen_somewhere:
            found.append(Standing(tenant=name, host="", state="unreadable", remarks=(problem,), readable=False))
    return sorted(found, key=lambda item: (item.host, item.tenant))


def _running(said: HostSeen | LaunchpadError) -> Iterator[str]:
    if isinstance(said, HostSeen):
        yield from (name for name, has in said.tenants.items() if has.running and not has.gone and not has.retired)


def _doubled(found: Standing, elsewhere: str) -> Standing:
    ends = f"also runs on {elsewhere}: stop this copy with " + Next("retire", found.tenant, "--host", found.host)
    return dataclasses.replace(found, state="doubled", remarks=(*found.remarks[:-1], ends))


def _wanted(want: Wanted, said: HostSeen | LaunchpadError) -> Standing:
    has = said.tenants.get(want.tenant) if isinstance(said, HostSeen) else None
    if isinstance(said, LaunchpadError):
        remarks = (said.message.removeprefix(f"{want.host}: "),)
        found = Standing(tenant=want.tenant, host=want.host, state="unreachable", remarks=remarks)
    elif has is None:
        found = Standing(tenant=want.tenant, host=want.host, state="absent" if want.running else "stopped")
    else:
        found = _observed_standing(said, has, tuple(_differing(want, has)))
    return dataclasses.replace(
        found,
        wanted_version=want.version,
        wanted_release=want.release,
        wanted_running=want.running,
        backup_every=want.backup_every,
    )


def _others(said: HostSeen, inventory: frozenset[str], unreadable: Mapping[str, str]) -> Iterator[Standing]:
    for name, has in said.tenants.items():
        if name in unreadable:
            yield dataclasses.replace(_observed_standing(said, has, (unreadable[name],)), readable=False)
            continue
        remark = "the inventory names another host" if name in inventory else "not in the inventory"
        if has.gone and name in inventory:
            remark = f"moved to {has.gone}; when DNS points to {has.gone}: " + Next("move", name, "--finish")
        yield _observed_standing(said, has, () if has.retired else (remark,))


def _observed_standing(said: HostSeen, has: TenantSeen, remarks: tuple[str, ...]) -> Standing:
    failing = tuple(
        f"{probe.kind}{f' {probe.service}' if probe.service else ''}: {probe.detail or 'fails'}"
        for probe in has.probes
        if not probe.ok
    )
    outside = tuple(f"{fact.message}{f': {fact.hint}' if fact.hint else ''}" for fact in _outside(has))
    return Standing(
        tenant=has.tenant,
        host=said.host,
        state=_state(has),
        version=has.version,
        release=has.release,
        age_seconds=max(0.0, said.clock - has.at),
        proven_age_seconds=None if has.proven is None else max(0.0, said.clock - has.proven),
        backup_age_seconds=None if has.backed_up is None else max(0.0, said.clock - has.backed_up),
        probes=tuple(dataclasses.asdict(probe) for probe in has.probes),
        drift=has.drift,
        findings=has.findings,
        health=has.health,
        certificates=has.certificates,
        room=has.room,
        remarks=(
            *([has.breaker] if has.breaker else ()),
            *((*failing, *outside) if has.running and not has.starting else ()),
            *remarks,
        ),
    )


def _state(has: TenantSeen) -> str:
    if has.operation:
        return "changing"
    if has.retired:
        return "retired"
    if has.gone:
        return "moved"
    if not has.running:
        return "stopped"
    if has.breaker:
        return "broken"
    if has.starting:
        return "starting"
    if not has.ready or not has.traffic_open:
        return "unhealthy"
    well = all(probe.ok for probe in has.probes) and not any(_outside(has)) and not has.findings
    return "healthy" if well else "warning"


def _outside(has: TenantSeen) -> Iterator[Fact]:
    """The problems of keys and bots from the app's own check, because probes are run again instead; and of names that
    another host asks for."""
    for fact in has.health:
        if fact.host and fact.grade is not Grade.ok:
            yield fact
        if fact.layer in (Layer.provider, Layer.channel) and fact.grade is Grade.warning and "/" not in fact.subject:
            yield fact


def _differing(want: Wanted, has: TenantSeen) -> Iterator[str]:
    if has.gone:
        ends = Next("move", want.tenant, "--to", has.gone)
        yield f"moved to {has.gone}: git pull; if the move was interrupted: {ends}"
        return
    if want.problem is not None:
        yield f"cannot be rendered: {want.problem.message}"
    elif has.retired:
        yield "still in the inventory"
    elif want.is_older_than(has.version):
        yield f"ahead of the inventory, which names {want.version}: " + Next("adopt", want.tenant)
    elif has.was_rolled_back_from(want.version):
        yield f"rolled back from {want.version}, which the inventory still names: " + Next("adopt", want.tenant)
    elif not want.descends:
        yield f"{unknown(has)}: git pull; " + Next("plan", want.tenant) + " shows more"
    elif want.release and want.release != has.release:
        yield "behind the inventory: " + "; ".join(differences(want, has))
    if want.wrapped_for and has.wrapped_for is not None and has.wrapped_for != want.wrapped_for:
        whom = "for earlier recipients" if has.wrapped_for else "for recipients that the host does not know"
        yield f"the key of its backups is wrapped {whom}: " + Next("backups rewrap", want.tenant)
    if has.running and not want.running:
        yield "the inventory says running: false (" + Next("stop", want.tenant) + ")"
    if not has.running and not has.retired and want.running:
        yield "the inventory says running: true (" + Next("start", want.tenant) + ")"
