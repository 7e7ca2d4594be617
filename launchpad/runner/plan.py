"""Plan a tenant's steps on this host from what should be and what is. Only decides; changes nothing.

`see` reads; the `plan_…` functions are pure. An empty plan means that there is nothing to do. This module has the plans
for another release or other data; `standing_plans.py` has those for a tenant that stays as it was deployed.

A *guarded* replacement can alter data: the version changes, so the new release may migrate the data in place. The data
is kept as a generation after the old release has stopped. Until traffic opens the new release is muted and gets no
requests, so that an undo loses nothing. A *proven* release (it ran before, or was rehearsed) gets traffic as soon as it
is ready, and is watched while it serves; any other release must first be ready for its steady seconds. Both happen
before the commit: after traffic has opened, an undo keeps the new data as a separate generation before it restores the
old data.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

from launchpad.runner import generation_records, paths, slots
from launchpad.runner.cell import network, read_release
from launchpad.runner.generation_records import Generation
from launchpad.runner.hint import Next
from launchpad.runner.host import Container, Failed, Host
from launchpad.runner.protocol import Refused, Release, digest_of
from launchpad.runner.steps import (
    AwaitIdle,
    AwaitProbes,
    ClearSecrets,
    Commit,
    Drain,
    DropSite,
    HoldTraffic,
    KeepNew,
    MakeData,
    MakeNetwork,
    Mute,
    OpenTraffic,
    PlaceRelease,
    PruneGenerations,
    PruneReleases,
    PullImage,
    PutSite,
    Record,
    Rehearse,
    RemoveSide,
    RestoreData,
    Soak,
    StartSide,
    StopSide,
    Switch,
    TakeGeneration,
    TenantStep,
    Unmute,
)

LEAST_IDLE_SECONDS = 30
"""Requests under way get the app's own stop time, or at least so long, while traffic is still open."""
SWAP_DRAIN_SECONDS, SWAP_QUIET_SECONDS, SWAP_AGAIN = 2, 1, 3
"""For an app with one writer: new requests wait meanwhile, so requests under way get little time; traffic opens again
for those that take longer."""
UNDO_STOP_SECONDS = 10
"""The longest stop time in an undo, because visitors wait."""
BESIDE_OVERLAP_SECONDS = 3
"""When both sides run: Caddy checks each side once a second, and must find the new side before the old one closes."""
BESIDE_DRAIN_SECONDS, BESIDE_QUIET_SECONDS = 30, 5
"""When both sides run, no request waits, so the old side may finish long requests."""
KEPT_RELEASES = 5

CELL_IGNORES = (
    *("domains", "web", "probes", "actions", "start_seconds", "steady_seconds", "stop_seconds", "disk_mb"),
    "real_in_rehearsals",
)
"""The fields of a release that can change without new containers."""


@dataclass(frozen=True, kw_only=True)
class Replacement:
    """What should run instead, and how the change can be undone."""

    release: Release
    site: str | None
    """The release's site text."""
    record: Mapping[str, Any]
    """The new record without release, started and side, which the plan adds."""
    generation: str
    """The id for the generation of the present data, if the change may alter data."""
    why: str = "upgrade"
    data: str = ""
    """The generation whose data the release gets; empty for the present data."""
    soak: int = 0
    """Seconds for which the release must serve before the commit."""
    without: tuple[str, ...] = ()
    """The ready probes that are ignored, because they already fail before the change."""
    rehearse: bool = False
    """Whether the release is first rehearsed on a clone of the data."""
    may_shrink: tuple[str, ...] = ()
    """The tables that may have fewer rows after a rehearsal, as shell patterns."""
    replace: bool = False
    """Whether to create new containers even for an equal release, with the data guarded."""
    proven: bool = False
    """Whether the release ran here before, or was rehearsed on another host: it is watched while it serves."""
    drop: tuple[str, ...] = ()
    """The generations that nothing needs after the commit."""


@dataclass(frozen=True, kw_only=True)
class Keeping:
    """What a prune keeps and removes of earlier releases and data."""

    drop: tuple[str, ...]
    """The generations to remove."""
    releases: tuple[str, ...]
    """The release folders to keep."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A tenant's state on the host now."""

    record: Mapping[str, Any] | None
    containers: tuple[Container, ...]
    started: Release | None
    """The release whose containers should run, from its folder."""
    intact: bool
    """Whether the wanted release's folder exists and matches its manifest."""
    current: str | None
    site: str | None
    network: bool
    data: bool
    images: frozenset[str]
    """Those of the wanted release's images that are on the host."""
    open: frozenset[IPv4Address]
    muted: frozenset[IPv4Address]
    folders: tuple[str, ...]
    """The releases on the host, any order."""
    secrets: frozenset[str]
    """The releases with secrets on tmpfs."""
    generations: tuple[Generation, ...]
    """Newest first."""
    incomplete: tuple[str, ...]
    """Snapshots without a record."""

    @property
    def side(self) -> slots.Side:
        return "b" if self.record and self.record["side"] == "b" else "a"

    @property
    def serving(self) -> bool:
        """Whether the tenant should run now."""
        return bool(self.record and self.record["running"] and not self.record["retired"])


def read_record(host: Host, tenant: str) -> dict[str, Any] | None:
    """The tenant's record; None when it was never deployed here. Failed when it was damaged."""
    data = host.read(paths.record(tenant))
    try:
        found = None if data is None else dict(json.loads(data))
    except (ValueError, TypeError) as error:
        raise Failed(f"{paths.record(tenant)} cannot be read: {error}", code="tenant-file-unreadable") from error
    if found is not None and not found.keys() >= paths.RECORDED:
        raise Failed(f"{paths.record(tenant)} cannot be read: not a tenant's record", code="tenant-record-unreadable")
    return found


def see(host: Host, tenant: str, wanted: Release | None = None) -> Seen:
    """Read what the plans need of the tenant."""
    record = read_record(host, tenant)
    started = None
    if record and not record["retired"]:
        try:
            started = read_release(host, tenant, record["started"])
        except Failed:
            started = None  # its folder was damaged: the wanted release gets new containers
    images = {service.image for service in wanted.services} if wanted else set()
    site = host.read(paths.site(tenant))
    return Seen(
        record=record,
        containers=tuple(host.containers(tenant)),
        started=started,
        intact=wanted is not None and is_intact(host, wanted),
        current=host.target(paths.current(tenant)),
        site=None if site is None else site.decode(errors="replace"),
        network=host.has_network(network(tenant)),
        data=host.has_data(paths.data(tenant)),
        images=frozenset(image for image in images if host.has_image(image)),
        open=host.open_addresses(),
        muted=host.muted_addresses(),
        folders=tuple(host.names(paths.releases(tenant))),
        secrets=frozenset(host.names(f"{paths.RUN}/{tenant}")),
        generations=tuple(generation_records.kept(host, tenant)),
        incomplete=tuple(generation_records.incomplete(host, tenant)),
    )


def is_intact(host: Host, release: Release) -> bool:
    """Whether the release's manifest and all its files are on the host, unchanged."""
    folder = paths.release(release.tenant, release.short)
    try:
        read_release(host, release.tenant, release.short)
    except Failed:
        return False
    for path, digest in release.files.items():
        data = host.read(f"{folder}/{path}")
        if data is None or digest_of(data) != digest:
            return False
    return True


def plan_change(seen: Seen, change: Replacement) -> list[TenantStep]:
    """The steps from the present state to the change's release running."""
    if change.replace or seen.started is None or not seen.serving or not same_cell(seen.started, change.release):
        return list(_replace(seen, change))
    return list(_mend(seen, change.release, change.site, change.record))


def same_cell(old: Release, new: Release) -> bool:
    """Whether the containers of `old` also fit `new`, so that nothing has to restart."""
    return _cell(old) == _cell(new)


def _cell(release: Release) -> dict[str, Any]:
    files = {path: digest for path, digest in release.files.items() if path != "site.caddy"}
    return {key: item for key, item in release.plain().items() if key not in CELL_IGNORES} | {"files": files}


def _replace(seen: Seen, change: Replacement) -> Iterator[TenantStep]:
    """New containers on the other side; the old containers are removed."""
    release = change.release
    tenant, slot, old = release.tenant, release.slot, seen.side
    old_there = [item for item in seen.containers if item.side == old]
    side: slots.Side = other(old) if old_there else "a"
    old_runs = any(item.state == "running" for item in old_there)
    swap = release.strategy == "swap" or not seen.serving
    guarded = swap and may_alter_data(seen, change)
    proven = swap and is_proven(seen, change)
    old_stop = int(seen.record["stop_seconds"]) if seen.record else release.stop_seconds
    yield from _ground(seen, release)
    if change.rehearse and (seen.data or change.data):
        yield _rehearsal(seen, change)
    if old_runs and swap:
        yield from close_door(seen, tenant, slot, stop_seconds=old_stop)
        yield StopSide(tenant=tenant, side=old, seconds=old_stop)
    if guarded:
        yield from _keep_data(seen, change)
        yield Mute(tenant=tenant, slot=slot, side=side)
    yield StartSide(tenant=tenant, slot=slot, release=release.short, side=side)
    without = change.without
    yield AwaitProbes(tenant=tenant, slot=slot, release=release.short, side=side, without=without, steady=not proven)
    if seen.current != f"releases/{release.short}":
        yield Switch(tenant=tenant, release=release.short)
    yield from site_steps(seen, release, change.site)
    final = dict(change.record) | {"release": release.short, "started": release.short, "side": side}
    yield Record(tenant=tenant, record=final)
    if seconds := max(change.soak, release.steady_seconds if proven else 0):
        yield from _soak(change, side, seconds, guarded=guarded)
    yield Commit()
    yield OpenTraffic(tenant=tenant, slot=slot, side=side)
    if guarded:
        yield Unmute(tenant=tenant, slot=slot, side=side)
    if old_runs and not swap:
        yield HoldTraffic(tenant=tenant, slot=slot, side=old, after=BESIDE_OVERLAP_SECONDS)
        yield Drain(tenant=tenant, slot=slot, side=old, seconds=BESIDE_DRAIN_SECONDS, quiet=BESIDE_QUIET_SECONDS)
    if old_there and old != side:
        yield RemoveSide(tenant=tenant, side=old, seconds=old_stop)
    yield ClearSecrets(tenant=tenant, keep=release.short)
    yield from _prune(seen, final, change.generation if guarded else "", also=change.drop)


def close_door(seen: Seen, tenant: str, slot: int, *, stop_seconds: int) -> Iterator[TenantStep]:
    """Close the traffic: first wait for open requests while new ones are accepted, then hold new requests and wait for
    the last ones."""
    side = seen.side
    is_open = not seen.open.isdisjoint(slots.address(slot, index, side) for index in range(slots.MOST_SERVICES))
    seconds = max(LEAST_IDLE_SECONDS, stop_seconds)
    release = seen.started.short if seen.started else ""
    whose: dict[str, Any] = {"tenant": tenant, "slot": slot, "side": side, "release": release}
    if is_open:
        yield AwaitIdle(**whose, seconds=seconds, quiet=SWAP_QUIET_SECONDS)
    yield HoldTraffic(tenant=tenant, slot=slot, side=side)
    yield Drain(
        **whose,
        seconds=SWAP_DRAIN_SECONDS,
        quiet=SWAP_QUIET_SECONDS,
        again=SWAP_AGAIN if is_open else 0,
        idle_seconds=seconds,
    )


def is_proven(seen: Seen, change: Replacement) -> bool:
    """Whether the change's release is known to work: it ran before, a release with the same version and images ran
    before, or it is rehearsed."""
    if change.proven or (change.rehearse and (seen.data or change.data)):
        return True
    return seen.started is not None and _same_version(seen, change.release)


def may_alter_data(seen: Seen, change: Replacement) -> bool:
    """Whether there is data that the change's release may make unreadable for the release before."""
    if change.data:
        return True
    if not seen.data or seen.record is None:
        return False
    return change.replace or not _same_version(seen, change.release)


def _same_version(seen: Seen, release: Release) -> bool:
    if seen.record is None or seen.started is None:
        return False
    known = seen.record["app"], seen.record["version"]
    return known == (release.app, release.version) and _images(seen.started) == _images(release)


def _images(release: Release) -> dict[str, str]:
    return {service.name: service.image for service in release.services}


def plan_rehearsal(seen: Seen, change: Replacement) -> list[TenantStep]:
    """Only rehearse the change's release on a clone of the data."""
    steps = [item for item in _ground(seen, change.release) if isinstance(item, PlaceRelease | PullImage)]
    return [*steps, _rehearsal(seen, change), Commit()]


def _rehearsal(seen: Seen, change: Replacement) -> Rehearse:
    record = _record_before(seen, change)
    return Rehearse(
        tenant=change.release.tenant,
        release=change.release.short,
        generation=f"{change.generation}-rehearsal",
        before=record["release"],
        version=record["version"],
        app=record["app"],
        disk_mb=record["disk_mb"],
        without=change.without,
        data=change.data,
        may_shrink=change.may_shrink,
    )


def _record_before(seen: Seen, change: Replacement) -> Mapping[str, Any]:
    """The record that the present data belongs to: of the deployed release, or the new record when nothing ever ran."""
    return seen.record or dict(change.record) | {"release": change.release.short}


def _keep_data(seen: Seen, change: Replacement) -> Iterator[TenantStep]:
    """Keep the present data as a generation, and restore another generation if the change names one."""
    taking = _generation(_record_before(seen, change), change.generation, change.why, guards=True)
    yield taking.but(quota_mb=change.release.disk_mb)
    if change.data:
        release = change.release
        yield RestoreData(
            tenant=release.tenant,
            slot=release.slot,
            generation=change.data,
            volumes=release.volumes,
            disk_mb=release.disk_mb,
        )


def _generation(record: Mapping[str, Any], identifier: str, why: str, *, guards: bool) -> TakeGeneration:
    """The step that takes a generation of the record's data."""
    return TakeGeneration(
        tenant=record["tenant"],
        generation=identifier,
        why=why,
        release=record["release"],
        version=record["version"],
        app=record["app"],
        disk_mb=record["disk_mb"],
        guards=guards,
    )


def _soak(change: Replacement, side: slots.Side, seconds: int, *, guarded: bool) -> Iterator[TenantStep]:
    """Open traffic and channels while the old release can still be restored."""
    release = change.release
    tenant, slot = release.tenant, release.slot
    if guarded:
        yield KeepNew(
            tenant=tenant,
            side=side,
            generation=f"{change.generation}-new",
            release=release.short,
            version=release.version,
            app=release.app,
            disk_mb=release.disk_mb,
            seconds=min(release.stop_seconds, UNDO_STOP_SECONDS),
        )
    yield OpenTraffic(tenant=tenant, slot=slot, side=side)
    if guarded:
        yield Unmute(tenant=tenant, slot=slot, side=side)
    yield Soak(tenant=tenant, slot=slot, release=release.short, side=side, seconds=seconds, without=change.without)


def _mend(seen: Seen, release: Release, site: str | None, record: Mapping[str, Any]) -> Iterator[TenantStep]:
    """The right containers run: repair only what differs."""
    assert seen.record is not None and seen.started is not None
    tenant, slot, side = release.tenant, release.slot, seen.side
    started = seen.started.short
    final = dict(record) | {"release": release.short, "started": started, "side": side}
    mine = {slots.address(slot, index, side) for index in range(slots.MOST_SERVICES)}
    opened = seen.open >= mine
    down = not runs(seen, seen.started, side)
    start, watch = start_and_watch(seen.started, side, release.short) if down else ([], [])
    steps: list[TenantStep] = [*_ground(seen, release), *start]
    if seen.current != f"releases/{release.short}":
        steps.append(Switch(tenant=tenant, release=release.short))
    steps += site_steps(seen, release, site)
    if any(seen.record.get(key) != final[key] for key in ("release", "domains", "running", "stop_seconds")):
        steps.append(Record(tenant=tenant, record=final))
    steps += watch
    behind: list[TenantStep] = []
    if not opened:
        behind.append(OpenTraffic(tenant=tenant, slot=slot, side=side))
    if not seen.muted.isdisjoint(mine):
        behind.append(Unmute(tenant=tenant, slot=slot, side=side))
    if any(item.side != side for item in seen.containers):
        behind.append(RemoveSide(tenant=tenant, side=other(side), seconds=release.stop_seconds))
    if seen.secrets - {started}:
        behind.append(ClearSecrets(tenant=tenant, keep=started))
    if steps or behind:
        yield from steps
        yield Commit()
        yield from behind


def start_and_watch(started: Release, side: slots.Side, release: str) -> tuple[list[TenantStep], list[TenantStep]]:
    """The steps that start an earlier release until its probes pass, and the steps that watch it after traffic has
    opened."""
    tenant, slot = started.tenant, started.slot
    watch = Soak(tenant=tenant, slot=slot, release=release, side=side, seconds=started.steady_seconds)
    return [
        StartSide(tenant=tenant, slot=slot, release=started.short, side=side),
        AwaitProbes(tenant=tenant, slot=slot, release=release, side=side, steady=False),
    ], [OpenTraffic(tenant=tenant, slot=slot, side=side), *([watch] if started.steady_seconds else [])]


def _ground(seen: Seen, release: Release) -> Iterator[TenantStep]:
    """What must be on the host before anything starts."""
    tenant, slot = release.tenant, release.slot
    if not seen.intact:
        yield PlaceRelease(tenant=tenant, release=release.short)
    if not seen.data or (seen.record or {}).get("disk_mb") != release.disk_mb or _new_volumes(seen, release):
        yield MakeData(tenant=tenant, slot=slot, volumes=release.volumes, disk_mb=release.disk_mb)
    if seen.network and seen.started is not None and seen.started.egress != release.egress:
        raise Refused(
            f"{tenant}: its app's egress changes from {seen.started.egress} to {release.egress}, which needs another "
            "network",
            code="egress-changes",
            kind="state",
            hint=Next("retire", tenant) + "; " + Next("deploy", tenant) + " (the data stays, visitors wait)",
        )
    if not seen.network:
        yield MakeNetwork(tenant=tenant, slot=slot, internal=release.egress == "none")
    for image in sorted({service.image for service in release.services} - seen.images):
        yield PullImage(image=image)


def _new_volumes(seen: Seen, release: Release) -> bool:
    return seen.started is None or not set(release.volumes) <= set(seen.started.volumes)


def site_steps(seen: Seen, release: Release, site: str | None) -> list[TenantStep]:
    """The steps that load this text of the release's site into Caddy."""
    if site is None:
        return [DropSite(tenant=release.tenant)] if seen.site is not None else []
    return [PutSite(tenant=release.tenant, release=release.short)] if seen.site != site else []


def _prune(seen: Seen, final: Mapping[str, Any], taken: str, *, also: tuple[str, ...] = ()) -> Iterator[TenantStep]:
    """Remove the generations that the new one supersedes, and, when there are many, the release folders that do not
    run, did not run recently, and have no generation."""
    tenant = final["tenant"]
    new = (_placeholder(seen.record, taken),) if taken and seen.record else ()
    keep = keeping(final, (*new, *seen.generations), drops=bool(taken))
    if gone := (*keep.drop, *also, *(name for name in seen.incomplete if taken)):
        yield PruneGenerations(tenant=tenant, drop=gone, disk_mb=final["disk_mb"])
    if set(seen.folders) - set(keep.releases):
        yield PruneReleases(tenant=tenant, keep=keep.releases)


def keeping(record: Mapping[str, Any], kept: Sequence[Generation], *, drops: bool = True) -> Keeping:
    """What stays of a tenant with this record and these generations (newest first): the running release, the releases
    that ran recently, and the releases of the generations that stay."""
    drop = generation_records.superseded(kept) if drops else ()
    used = dict.fromkeys([record["release"], record["started"], *record.get("before", ())])
    named = [item.release for item in kept if item.id not in drop]
    return Keeping(drop=drop, releases=tuple(dict.fromkeys([*tuple(used)[:KEPT_RELEASES], *named])))


def _placeholder(record: Mapping[str, Any], identifier: str) -> Generation:
    """The generation that the plan takes, as if it existed."""
    step = _generation(record, identifier, "upgrade", guards=True)
    own = {key: getattr(step, key) for key in ("tenant", "release", "version", "app", "why", "disk_mb")}
    return Generation(id=identifier, at=0, operation=identifier, **own)


def runs(seen: Seen, release: Release, side: str) -> bool:
    """Whether every service of the release runs on the side, from this release and its image."""
    mine = {item.service: item for item in seen.containers if item.side == side}
    wanted = {service.name for service in release.services}
    good = {name for name, item in mine.items() if item.state == "running" and item.release == release.short}
    return wanted == good == set(mine)


def other(side: slots.Side) -> slots.Side:
    return "b" if side == "a" else "a"


# --- data alone -------------------------------------------------------------------------------------------------------


def plan_snapshot(record: Mapping[str, Any], generation: str) -> list[TenantStep]:
    """Take a generation of the running tenant's data for an operator."""
    return [_generation(record, generation, "manual", guards=False), Commit()]


def plan_copy(seen: Seen, generation: str) -> list[TenantStep]:
    """Take a generation for a transfer, and remove earlier copies that no move needs as a base."""
    assert seen.record is not None
    tenant, disk_mb = seen.record["tenant"], seen.record["disk_mb"]
    copies = [item.id for item in seen.generations if item.why == generation_records.COPY]
    old = tuple(copies[generation_records.MOST_COPIES - 1 :])
    steps: list[TenantStep] = [_generation(seen.record, generation, generation_records.COPY, guards=False), Commit()]
    return [*steps, PruneGenerations(tenant=tenant, drop=old, disk_mb=disk_mb)] if old else steps


def plan_drop(record: Mapping[str, Any], drop: tuple[str, ...]) -> list[TenantStep]:
    """Remove generations for an operator; cannot be undone."""
    return [Commit(), PruneGenerations(tenant=record["tenant"], drop=drop, disk_mb=record["disk_mb"])]


def plan_rehearsed(seen: Seen, generation: str, *, take: bool) -> list[TenantStep]:
    """Take a generation for a rehearsal on another host, and remove those of earlier rehearsals."""
    assert seen.record is not None
    tenant, disk_mb = seen.record["tenant"], seen.record["disk_mb"]
    old = tuple(item.id for item in seen.generations if item.why == generation_records.REHEARSAL)
    steps: list[TenantStep] = [Commit(), *([PruneGenerations(tenant=tenant, drop=old, disk_mb=disk_mb)] if old else [])]
    if take:
        return [_generation(seen.record, generation, generation_records.REHEARSAL, guards=False), *steps]
    return steps if old else []


def plan_restore_stopped(seen: Seen, change: Replacement) -> list[TenantStep]:
    """Restore a generation's data for a tenant that stays stopped."""
    assert seen.record is not None
    steps = [*_keep_data(seen, change), Commit()]
    return [*steps, *_prune(seen, seen.record, change.generation)]
