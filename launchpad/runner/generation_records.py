"""Generations: read-only snapshots of a tenant's data on its host, each with a record beside it.

The record is written after the snapshot. A snapshot without a record was left by a process that died; it does not
count.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence

from launchpad.runner import paths
from launchpad.runner.host import Failed, Host
from launchpad.runner.protocol import Refused, canonical, record_as_json, record_from_json
from launchpad.runner.record import Record

MOST_KEPT = 5
"""How many generations by operations are kept. Generations that an operator asked for stay."""
OF_CHANGES = ("upgrade", "rollback", "restore", "import", "soak")
COPY, MOST_COPIES = "copy", 2
"""The reason of generations by an export or a move, and how many of them stay, as a base for a later move's
differences. The same number of generations by a move's stop stays."""
MEGABYTE = 1 << 20
LEAST_ROOM = 512 << 20
"""Bytes that stay free in the tenants' storage."""
REHEARSAL = "rehearsal"
"""The reason of a generation for a rehearsal, here or on another host."""
LEAVING = ("upgrade", "rollback", "restore", "import")
"""The reasons of generations that were taken after a release had stopped: a rollback restores these."""


class Generation(Record):
    """The record of a snapshot. `release`, `version` and `app` are those that the data belongs to."""

    id: str
    tenant: str
    release: str
    version: str
    app: str
    at: float
    why: str
    """upgrade | rollback | restore | import | soak | manual | copy | move | rehearsal | backup | received."""
    operation: str
    disk_mb: int
    number: int = 0
    """Higher than the number of every earlier generation; it decides which one is newer, because a clock can be set
    back."""


def kept(host: Host, tenant: str) -> list[Generation]:
    """The tenant's complete generations, newest first."""
    there = set(host.names(paths.generations(tenant)))
    records = [read(host, tenant, name) for name in there if f"{name}.json" in there]
    return sorted((item for item in records if item), key=lambda item: (item.number, item.at, item.id), reverse=True)


def incomplete(host: Host, tenant: str) -> list[str]:
    """The ids of snapshots without a record."""
    there = set(host.names(paths.generations(tenant)))
    return sorted(name for name in there if not name.endswith(".json") and f"{name}.json" not in there)


def read(host: Host, tenant: str, identifier: str) -> Generation | None:
    """One generation's record; None when it is missing or damaged."""
    data = host.read(paths.generation_record(tenant, identifier))
    try:
        return record_from_json(Generation, json.loads(data), "generation") if data is not None else None
    except (Refused, ValueError):
        return None


def take(host: Host, wanted: Generation) -> None:
    """Take the generation of the tenant's present data, unless it exists. On a full disk this uses up the reserve."""
    path = paths.generation_record(wanted.tenant, wanted.id)
    if host.read(path) is not None:
        return
    snapshot = paths.generation(wanted.tenant, wanted.id)
    host.folder(paths.generations(wanted.tenant), mode=0o700)
    host.remove(snapshot)
    host.snapshot(paths.data(wanted.tenant), snapshot)
    number = 1 + max((item.number for item in kept(host, wanted.tenant)), default=0)
    record = canonical(record_as_json(wanted.but(number=number)))
    try:
        host.write(path, record, mode=0o600)
    except Failed:
        host.remove(paths.RESERVE)
        host.write(path, record, mode=0o600)


def put_back(host: Host, tenant: str, identifier: str, *, disk_mb: int) -> None:
    """Restore the generation as the tenant's data, in one step. On a full disk this uses up the reserve."""
    source, data = paths.generation(tenant, identifier), paths.data(tenant)
    try:
        host.restore(source, data, disk_mb=disk_mb)
    except Failed:
        host.remove(paths.RESERVE)
        host.restore(source, data, disk_mb=disk_mb)


def drop(host: Host, tenant: str, identifier: str) -> None:
    """Remove the generation; the record first, so that a half-removed generation does not count."""
    host.remove(paths.generation_record(tenant, identifier))
    host.remove(paths.generation(tenant, identifier))


def allow(host: Host, tenant: str, *, disk_mb: int) -> None:
    """Set the quota of the live data: the tenant's own disk plus what snapshots may hold of its older data.

    Btrfs counts written data against the subvolume that wrote it, as long as any snapshot holds it. So data that is
    overwritten while a generation holds it counts twice, and a migration that rewrites more than half of the disk would
    hit the quota. The existing snapshots can hold at most everything that counts now, and at most the tenant's own disk
    each. The addition is limited by the host's free space, and ends with the snapshots.
    """
    data = paths.data(tenant)
    if not host.has_data(data):
        return
    snapshots = [name for name in host.names(paths.generations(tenant)) if not name.endswith(".json")]
    count = len(snapshots) + host.has_data(paths.frozen(tenant))
    own, used = disk_mb * MEGABYTE, host.usage(data)
    may_come = min(used, count * own, max(0, host.room(paths.ROOT) - LEAST_ROOM))
    has_already = min(used - own, max(count, 1) * own)  # the share of snapshots that are being removed
    host.set_quota(data, disk_mb + -(-max(may_come, has_already, 0) // MEGABYTE))


def superseded(generations: Sequence[Generation], *, needed: Collection[str] = ()) -> tuple[str, ...]:
    """The ids of the generations (given newest first) that no rollback and no move needs: those taken by operations,
    except the newest few and the needed ones."""
    kinds = ((OF_CHANGES, MOST_KEPT), ((COPY,), MOST_COPIES), (("move",), MOST_COPIES))
    beyond = [item for whys, most in kinds for item in [one for one in generations if one.why in whys][most:]]
    return tuple(item.id for item in beyond if item.id not in needed)


def left(generations: Sequence[Generation], release: str) -> Generation | None:
    """The newest generation (of those given, newest first) with the data as that release left it."""
    return next((item for item in generations if item.release == release and item.why in LEAVING), None)
