"""What is to do on this host: what should be against what is → steps. Deciding only; nothing here changes anything.

`see` reads, the `plan_…` functions are pure. An empty plan means that nothing is to do.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

from launchpad.runner import paths, slots
from launchpad.runner.apply import network, read_release
from launchpad.runner.host import Container, Failed, Host
from launchpad.runner.protocol import Refused, Release, digest_of, release_as_json
from launchpad.runner.steps import (
    AwaitProbes,
    ClearSecrets,
    Commit,
    Drain,
    DropSite,
    HoldTraffic,
    MakeData,
    MakeNetwork,
    OpenTraffic,
    PlaceRelease,
    PruneReleases,
    PullImage,
    Purge,
    PutSite,
    Record,
    RemoveNetwork,
    RemoveSide,
    StartSide,
    StopSide,
    Switch,
    TenantStep,
)

SWAP_DRAIN_SECONDS, SWAP_QUIET_SECONDS = 5, 1
"""One writer: new requests wait meanwhile, so only the ones under way are given time, and the app drains itself too."""
BESIDE_OVERLAP_SECONDS = 3
"""Two run at once: Caddy checks a side once a second, and has to have found the new one before the old one closes."""
BESIDE_DRAIN_SECONDS, BESIDE_QUIET_SECONDS = 30, 5
"""Nobody waits meanwhile, so the old one may finish its long requests."""
KEPT_RELEASES = 5

CELL_IGNORES = ("domains", "web", "probes", "actions", "start_seconds", "steady_seconds", "stop_seconds", "disk_mb")
"""What of a release changes without touching its containers."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A tenant as the host has it now."""

    record: Mapping[str, Any] | None
    containers: tuple[Container, ...]
    started: Release | None
    """The release whose containers are to run, from its folder."""
    intact: bool
    """Whether the wanted release's folder is there and is what its manifest says."""
    current: str | None
    site: str | None
    network: bool
    data: bool
    images: frozenset[str]
    """Of the wanted release's images, those on the host."""
    open: frozenset[IPv4Address]
    folders: tuple[str, ...]
    """The releases on the host, any order."""
    secrets: frozenset[str]
    """The releases whose secrets lie on tmpfs."""

    @property
    def side(self) -> slots.Side:
        return "b" if self.record and self.record["side"] == "b" else "a"

    @property
    def serving(self) -> bool:
        """Whether the tenant is meant to run now."""
        return bool(self.record and self.record["running"] and not self.record["retired"])


def read_record(host: Host, tenant: str) -> dict[str, Any] | None:
    """The tenant's record; None when it was never deployed here."""
    data = host.read(paths.record(tenant))
    return None if data is None else dict(json.loads(data))


def see(host: Host, tenant: str, wanted: Release | None = None) -> Seen:
    """Read what the plans need of the tenant."""
    record = read_record(host, tenant)
    started = None
    if record and not record["retired"]:
        try:
            started = read_release(host, tenant, record["started"])
        except Failed:
            started = None  # its folder was damaged by hand: the wanted release is started anew
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
        folders=tuple(host.names(paths.releases(tenant))),
        secrets=frozenset(host.names(f"{paths.RUN}/{tenant}")),
    )


def is_intact(host: Host, release: Release) -> bool:
    """Whether every file of the release lies on the host as its manifest says."""
    folder = paths.release(release.tenant, release.short)
    if host.read(f"{folder}/release.json") is None:
        return False
    for path, digest in release.files.items():
        data = host.read(f"{folder}/{path}")
        if data is None or digest_of(data) != digest:
            return False
    return True


def plan_deploy(seen: Seen, release: Release, *, site: str | None, record: Mapping[str, Any]) -> list[TenantStep]:
    """The steps from what is to this release running. `record` is what will be recorded, but for release and side,
    which follow from the plan; `site` is the release's site text."""
    if seen.started is None or not seen.serving or not same_cell(seen.started, release):
        return list(_replace(seen, release, site, record))
    return list(_mend(seen, release, site, record))


def same_cell(old: Release, new: Release) -> bool:
    """Whether the containers of `old` are just what `new` wants, so that nothing needs a restart."""
    return _cell(old) == _cell(new)


def _cell(release: Release) -> dict[str, Any]:
    value = release_as_json(release)
    files = {path: digest for path, digest in release.files.items() if path != "site.caddy"}
    return {key: item for key, item in value.items() if key not in CELL_IGNORES} | {"files": files}


def _replace(seen: Seen, release: Release, site: str | None, record: Mapping[str, Any]) -> Iterator[TenantStep]:
    """New containers on the other side, and the old ones go."""
    tenant, slot, old = release.tenant, release.slot, seen.side
    old_there = [item for item in seen.containers if item.side == old]
    side: slots.Side = other(old) if old_there else "a"
    old_runs = any(item.state == "running" for item in old_there)
    swap = release.strategy == "swap" or not seen.serving
    old_stop = int(seen.record["stop_seconds"]) if seen.record else release.stop_seconds
    yield from _ground(seen, release)
    if old_runs and swap:
        yield HoldTraffic(tenant=tenant, slot=slot, side=old)
        yield Drain(tenant=tenant, slot=slot, side=old, seconds=SWAP_DRAIN_SECONDS, quiet=SWAP_QUIET_SECONDS)
        yield StopSide(tenant=tenant, side=old, seconds=old_stop)
    yield StartSide(tenant=tenant, slot=slot, release=release.short, side=side)
    yield AwaitProbes(tenant=tenant, slot=slot, release=release.short, side=side)
    if seen.current != f"releases/{release.short}":
        yield Switch(tenant=tenant, release=release.short)
    yield from _site(seen, release, site)
    final = dict(record) | {"release": release.short, "started": release.short, "side": side}
    yield Record(tenant=tenant, record=final)
    yield Commit()
    yield OpenTraffic(tenant=tenant, slot=slot, side=side)
    if old_runs and not swap:
        yield HoldTraffic(tenant=tenant, slot=slot, side=old, after=BESIDE_OVERLAP_SECONDS)
        yield Drain(tenant=tenant, slot=slot, side=old, seconds=BESIDE_DRAIN_SECONDS, quiet=BESIDE_QUIET_SECONDS)
    if old_there and old != side:
        yield RemoveSide(tenant=tenant, side=old, seconds=old_stop)
    yield ClearSecrets(tenant=tenant, keep=release.short)
    yield from _prune(seen, final)


def _mend(seen: Seen, release: Release, site: str | None, record: Mapping[str, Any]) -> Iterator[TenantStep]:
    """The right containers were started: mend only what is not as it should be."""
    assert seen.record is not None and seen.started is not None
    tenant, slot, side = release.tenant, release.slot, seen.side
    started = seen.started.short
    final = dict(record) | {"release": release.short, "started": started, "side": side}
    opened = set(seen.open) >= {slots.address(slot, index, side) for index in range(slots.MOST_SERVICES)}
    down = not runs(seen, seen.started, side)
    steps: list[TenantStep] = list(_ground(seen, release))
    if down:
        steps += [
            StartSide(tenant=tenant, slot=slot, release=started, side=side),
            AwaitProbes(tenant=tenant, slot=slot, release=release.short, side=side),
        ]
    if seen.current != f"releases/{release.short}":
        steps.append(Switch(tenant=tenant, release=release.short))
    steps += _site(seen, release, site)
    if any(seen.record.get(key) != final[key] for key in ("release", "domains", "running", "stop_seconds")):
        steps.append(Record(tenant=tenant, record=final))
    behind: list[TenantStep] = []
    if not opened:
        behind.append(OpenTraffic(tenant=tenant, slot=slot, side=side))
    if any(item.side != side for item in seen.containers):
        behind.append(RemoveSide(tenant=tenant, side=other(side), seconds=release.stop_seconds))
    if seen.secrets - {started}:
        behind.append(ClearSecrets(tenant=tenant, keep=started))
    if steps or behind:
        yield from steps
        yield Commit()
        yield from behind


def _ground(seen: Seen, release: Release) -> Iterator[TenantStep]:
    """What has to be on the host before anything starts."""
    tenant, slot = release.tenant, release.slot
    if not seen.intact:
        yield PlaceRelease(tenant=tenant, release=release.short)
    if not seen.data or (seen.record or {}).get("disk_mb") != release.disk_mb or _new_volumes(seen, release):
        yield MakeData(tenant=tenant, slot=slot, volumes=release.volumes, disk_mb=release.disk_mb)
    if not seen.network:
        yield MakeNetwork(tenant=tenant, slot=slot, internal=release.egress == "none")
    for image in sorted({service.image for service in release.services} - seen.images):
        yield PullImage(image=image)


def _new_volumes(seen: Seen, release: Release) -> bool:
    return seen.started is None or not set(release.volumes) <= set(seen.started.volumes)


def _site(seen: Seen, release: Release, site: str | None) -> list[TenantStep]:
    if site is None:
        return [DropSite(tenant=release.tenant)] if seen.site is not None else []
    return [PutSite(tenant=release.tenant, release=release.short)] if seen.site != site else []


def _prune(seen: Seen, final: Mapping[str, Any]) -> Iterator[TenantStep]:
    """Once there are many release folders: keep the running ones and those before them."""
    used = [final["release"], final["started"], *(seen.record or {}).get("before", [])]
    keep = tuple(dict.fromkeys(used))[:KEPT_RELEASES]
    if set(seen.folders) - set(keep):
        yield PruneReleases(tenant=final["tenant"], keep=keep)


def runs(seen: Seen, release: Release, side: str) -> bool:
    """Whether every service of the release runs on the side, started from this release and its image."""
    mine = {item.service: item for item in seen.containers if item.side == side}
    wanted = {service.name for service in release.services}
    good = {name for name, item in mine.items() if item.state == "running" and item.release == release.short}
    return wanted == good == set(mine)


def other(side: slots.Side) -> slots.Side:
    return "b" if side == "a" else "a"


# --- stop, start, restart, retire -------------------------------------------------------------------------------------


def plan_stop(seen: Seen, tenant: str) -> list[TenantStep]:
    """Stop the tenant and keep it stopped, also over a reboot."""
    record = deployed(seen, tenant)
    running = any(item.state == "running" for item in seen.containers)
    if not record["running"] and not running:
        return []
    return [*_halt(record), Record(tenant=tenant, record=dict(record) | {"running": False}), Commit()]


def plan_start(seen: Seen, tenant: str) -> list[TenantStep]:
    """Start the tenant as it was deployed."""
    record = deployed(seen, tenant)
    wanted = {slots.address(record["slot"], index, seen.side) for index in range(slots.MOST_SERVICES)}
    if record["running"] and seen.started and runs(seen, seen.started, seen.side) and wanted <= seen.open:
        return []
    return [*_run(record), Record(tenant=tenant, record=dict(record) | {"running": True}), Commit(), _opened(record)]


def plan_restart(seen: Seen, tenant: str) -> list[TenantStep]:
    """Stop and start; requests wait at Caddy meanwhile."""
    record = deployed(seen, tenant)
    return [
        *_halt(record),
        *_run(record),
        Record(tenant=tenant, record=dict(record) | {"running": True}),
        Commit(),
        _opened(record),
    ]


def plan_retire(seen: Seen, tenant: str, *, purge: bool) -> list[TenantStep]:
    """Take the tenant off the host. Its data, secrets and record stay until a purge; its domains are free at once."""
    record = seen.record
    if record is None:
        if seen.data and purge:
            return [Commit(), Purge(tenant=tenant)]
        raise Refused(f"{tenant}: nothing of it is on this host", kind="state", hint="see `launchpad status`")
    final = dict(record) | {"running": False, "retired": True, "domains": []}
    before = [] if record["retired"] else [*_halt(record), Record(tenant=tenant, record=final)]
    behind: list[TenantStep] = []
    if seen.site is not None:
        behind.append(DropSite(tenant=tenant))
    for side in sorted({item.side for item in seen.containers}):
        behind.append(RemoveSide(tenant=tenant, side="b" if side == "b" else "a", seconds=record["stop_seconds"]))
    if seen.network:
        behind.append(RemoveNetwork(tenant=tenant))
    if seen.secrets:
        behind.append(ClearSecrets(tenant=tenant))
    if purge:
        behind.append(Purge(tenant=tenant))
    return [*before, Commit(), *behind] if before or behind else []


def deployed(seen: Seen, tenant: str) -> Mapping[str, Any]:
    """The record of a tenant that is deployed here; Refused otherwise."""
    if seen.record is None or seen.record["retired"]:
        raise Refused(f"{tenant} is not deployed on this host", kind="state", hint=f"launchpad deploy {tenant}")
    return seen.record


def _halt(record: Mapping[str, Any]) -> list[TenantStep]:
    tenant, slot, side = record["tenant"], record["slot"], record["side"]
    return [
        HoldTraffic(tenant=tenant, slot=slot, side=side),
        Drain(tenant=tenant, slot=slot, side=side, seconds=SWAP_DRAIN_SECONDS, quiet=SWAP_QUIET_SECONDS),
        StopSide(tenant=tenant, side=side, seconds=record["stop_seconds"]),
    ]


def _run(record: Mapping[str, Any]) -> list[TenantStep]:
    tenant, slot, side = record["tenant"], record["slot"], record["side"]
    return [
        StartSide(tenant=tenant, slot=slot, release=record["started"], side=side),
        AwaitProbes(tenant=tenant, slot=slot, release=record["release"], side=side),
    ]


def _opened(record: Mapping[str, Any]) -> TenantStep:
    return OpenTraffic(tenant=record["tenant"], slot=record["slot"], side=record["side"])
