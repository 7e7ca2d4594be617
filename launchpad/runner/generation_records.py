"""Generations: a tenant's data at one instant, kept on its host as read-only snapshots with a record beside each.

The record is written after the snapshot. A snapshot without one is what a process left that died in the middle: it
counts as not taken.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence

from launchpad.runner import paths
from launchpad.runner.host import Failed, Host
from launchpad.runner.protocol import Refused, canonical, record_as_json, record_from_json
from launchpad.runner.record import Record

MOST_KEPT = 5
"""Of those that operations took: the newest. The ones that a person asked for stay."""
OF_CHANGES = ("upgrade", "rollback", "restore", "import", "soak")
COPY, MOST_COPIES = "copy", 2
"""Why one is there that only carries the data elsewhere, by an export or a move, and how many of those stay: what a
later move is the difference to. As many stay of what moves kept when they stopped it."""
MEGABYTE = 1 << 20
LEAST_ROOM = 512 << 20
"""Bytes that stay free where tenants' data lies."""
REHEARSAL = "rehearsal"
"""Why one is there that only a rehearsal wants, here or on another host."""
LEAVING = ("upgrade", "rollback", "restore", "import")
"""Taken when a release was stopped in good order: what a rollback goes back to."""


class Generation(Record):
    """What a snapshot is of. `release`, `version` and `app` are those that the data belongs to."""

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
    """Above that of every one which was there before: what is newer is told by it, for a clock can be set back."""


def kept(host: Host, tenant: str) -> list[Generation]:
    """The tenant's complete generations, the newest first."""
    there = set(host.names(paths.generations(tenant)))
    records = [read(host, tenant, name) for name in there if f"{name}.json" in there]
    return sorted((item for item in records if item), key=lambda item: (item.number, item.at, item.id), reverse=True)


def incomplete(host: Host, tenant: str) -> list[str]:
    """The ids of snapshots without a record."""
    there = set(host.names(paths.generations(tenant)))
    return sorted(name for name in there if not name.endswith(".json") and f"{name}.json" not in there)


def read(host: Host, tenant: str, identifier: str) -> Generation | None:
    """One generation's record; None when there is none, or somebody damaged it."""
    data = host.read(paths.generation_record(tenant, identifier))
    try:
        return record_from_json(Generation, json.loads(data), "generation") if data is not None else None
    except (Refused, ValueError):
        return None


def take(host: Host, wanted: Generation) -> None:
    """Take it of the tenant's data as it is now, unless it was taken. On a full disk the reserve is given up for it."""
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
    """The tenant's data is that generation's again, in one step. On a full disk the reserve is given up for it."""
    source, data = paths.generation(tenant, identifier), paths.data(tenant)
    try:
        host.restore(source, data, disk_mb=disk_mb)
    except Failed:
        host.remove(paths.RESERVE)
        host.restore(source, data, disk_mb=disk_mb)


def drop(host: Host, tenant: str, identifier: str) -> None:
    """Remove it; the record first, so that half of it counts as nothing."""
    host.remove(paths.generation_record(tenant, identifier))
    host.remove(paths.generation(tenant, identifier))


def allow(host: Host, tenant: str, *, disk_mb: int) -> None:
    """Set the quota of the live data: the tenant's own, and beside it what snapshots may come to hold of what it wrote.

    Btrfs counts what was written towards the data that it was written through, for as long as anything has it. So
    data that is overwritten while a generation has it counts twice, and a migration that rewrites more than half of
    its disk would hit the quota. The snapshots that there are can hold at most all that counts now, and at most the
    tenant's own disk each. It is bounded by the host's free room, and goes with the snapshots.
    """
    data = paths.data(tenant)
    if not host.has_data(data):
        return
    snapshots = [name for name in host.names(paths.generations(tenant)) if not name.endswith(".json")]
    count = len(snapshots) + host.has_data(paths.frozen(tenant))
    own, used = disk_mb * MEGABYTE, host.usage(data)
    may_come = min(used, count * own, max(0, host.room(paths.ROOT) - LEAST_ROOM))
    has_already = min(used - own, max(count, 1) * own)  # what snapshots had that are just going
    host.set_quota(data, disk_mb + -(-max(may_come, has_already, 0) // MEGABYTE))


def superseded(generations: Sequence[Generation], *, needed: Collection[str] = ()) -> tuple[str, ...]:
    """The ids of those (given newest first) that no rollback and no move needs any more: what operations took, but for
    the newest few and the needed ones."""
    kinds = ((OF_CHANGES, MOST_KEPT), ((COPY,), MOST_COPIES), (("move",), MOST_COPIES))
    beyond = [item for whys, most in kinds for item in [one for one in generations if one.why in whys][most:]]
    return tuple(item.id for item in beyond if item.id not in needed)


def left(generations: Sequence[Generation], release: str) -> Generation | None:
    """The newest generation (of those given, newest first) of the data as that release left it."""
    return next((item for item in generations if item.release == release and item.why in LEAVING), None)
