"""receive: store data from elsewhere as a generation of a tenant, which may not be on this host yet.

The data is a tar after the request; the tenant's own uid unpacks it into a subvolume with the tenant's quota. The
record is written last: a transfer that dies before does not count, and the next one starts again.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext, suppress
from hashlib import sha256
from typing import Any

from launchpad.runner import generation_records, paths, slots
from launchpad.runner.backups import inside, work
from launchpad.runner.caller import Caller
from launchpad.runner.deploy_plan import neighbours
from launchpad.runner.generation_records import Generation
from launchpad.runner.guests.plan import refuse_unawaited
from launchpad.runner.hint import HERE, Next
from launchpad.runner.host import Busy, Confined, Failed, Host
from launchpad.runner.journal import IDENTIFIER
from launchpad.runner.judge import release_names
from launchpad.runner.plan import read_record
from launchpad.runner.protocol import Refused, canonical, record_as_json, record_from_json
from launchpad.runner.record import Record
from launchpad.runner.verbs import reply
from launchpad.runner.wire.streams import ReceivedReply

RECEIVED = "received"
"""The reason of a received generation."""
SECONDS = 24 * 3600
LOCK_SECONDS = 300
"""Seconds to wait for another operation on the tenant."""
LOOK_SECONDS = 10
"""Seconds to wait for the operation that waits for this data, which briefly locks the tenant to check for it."""
LOOK_BYTES = 16 << 20
"""Bytes between two checks of the free space."""
MAKE_ROOM = Next("prune", HERE) + ", or choose another host"
MOST_VOLUMES = 16
MOST_DISK_MB = 16 * 1024 * 1024
_SHORT = re.compile(r"[0-9a-f]{12}")


class Receiving(Record):
    """The received data: its tenant, release and size."""

    tenant: str
    slot: int
    generation: str
    """The id of the new generation."""
    app: str
    version: str
    volumes: tuple[str, ...]
    disk_mb: int
    """The quota of the data."""
    release: str = ""
    """The release that the data belongs to, if any."""
    base: str = ""
    """The generation on this host to which only the differences are sent."""
    awaited_by: str = ""
    """The operation on this host that waits for the data and removes it later; empty for data that stays."""


def receive(host: Host, body: Mapping[str, Any], caller: Caller) -> Iterator[dict[str, Any]]:
    """ReceivedReply; body Receiving, then lines of {"data": base64} and, last, {"end": {"bytes", "digest"}}."""
    wanted = record_from_json(Receiving, body, "receive")
    judge(host, wanted)
    owner = {"who": caller.operator, "kind": "receive", "operation": wanted.generation, "since": host.now()}
    try:
        with host.lock(f"receive-{wanted.tenant}", owner, seconds=LOOK_SECONDS if wanted.awaited_by else 0):
            if wanted.awaited_by:
                refuse_unawaited(host, wanted.awaited_by, tenant=wanted.tenant, generation=wanted.generation)
            known = generation_records.read(host, wanted.tenant, wanted.generation)
            if known is not None:
                yield reply(ReceivedReply(generation=known, files=0, bytes=0, outcome="unchanged"))
                return
            found = _taken(host, wanted, caller)
    except Busy as busy:
        raise Refused(
            f"{wanted.tenant}: locked by {busy.holder(host.now())}", code="tenant-locked-in-transfer", kind="locked"
        ) from busy
    except Failed as failed:
        raise Refused(f"{wanted.tenant}: {failed.message}", code=failed.code, kind="step") from failed
    yield reply(found)


def judge(host: Host, wanted: Receiving) -> None:
    """Refused unless every field is valid, the slot is free or the tenant's own, and the disk has space."""
    for name, value, good in (
        ("tenant", wanted.tenant, slots.is_tenant_name(wanted.tenant)),
        ("generation", wanted.generation, bool(IDENTIFIER.fullmatch(wanted.generation))),
        ("base", wanted.base, not wanted.base or bool(IDENTIFIER.fullmatch(wanted.base))),
        ("release", wanted.release, not wanted.release or bool(_SHORT.fullmatch(wanted.release))),
        ("awaited_by", wanted.awaited_by, not wanted.awaited_by or bool(IDENTIFIER.fullmatch(wanted.awaited_by))),
        ("app", wanted.app, release_names.is_part(wanted.app)),
        ("version", wanted.version, bool(release_names.VERSION.fullmatch(wanted.version))),
        ("slot", wanted.slot, slots.FIRST_SLOT <= wanted.slot <= slots.LAST_SLOT),
        ("disk_mb", wanted.disk_mb, 0 < wanted.disk_mb <= MOST_DISK_MB),
        ("volumes", wanted.volumes, 0 < len(set(wanted.volumes)) == len(wanted.volumes) <= MOST_VOLUMES),
        *(("volumes", item, release_names.is_part(item)) for item in wanted.volumes),
    ):
        if not good:
            raise Refused(f"receive.{name}: not valid: {str(value)[:60]!r}")
    for name, neighbour in neighbours(host).items():
        if (name == wanted.tenant) != (neighbour.slot == wanted.slot):
            raise Refused(
                f"{wanted.tenant}: slot {neighbour.slot} belongs to {name} on this host",
                code="slot-taken-on-host",
                kind="state",
            )
    if wanted.base and generation_records.read(host, wanted.tenant, wanted.base) is None:
        raise Refused(
            f"{wanted.tenant}: the base generation {wanted.base} is not on this host",
            code="base-generation-missing",
            kind="state",
        )
    room = max(0, host.room(paths.ROOT) - generation_records.LEAST_ROOM) >> 20
    if wanted.disk_mb > room:
        message = f"{wanted.tenant}: its data can take {wanted.disk_mb} MiB, but only {room} MiB are free for it"
        raise Refused(message, code="no-room-to-receive", kind="state", hint=MAKE_ROOM)


def _taken(host: Host, wanted: Receiving, caller: Caller) -> ReceivedReply:
    tenant, folder = wanted.tenant, paths.received(wanted.tenant)
    fresh = read_record(host, tenant) is None and not host.names(paths.tenant(tenant))
    uid, unit = slots.host_uid(wanted.slot), work.unit(tenant, "receive")
    host.end_confined(unit)
    host.remove(folder)  # left by a transfer that died
    host.folder(paths.tenant(tenant), mode=0o711)
    try:
        if wanted.base:
            host.clone(paths.generation(tenant, wanted.base), folder, disk_mb=wanted.disk_mb)
        host.make_data(folder, volumes=wanted.volumes, disk_mb=wanted.disk_mb, uid=uid)
        task = {"do": "unpack", "uid": uid, "volumes": list(wanted.volumes)}
        writes = {f"{inside.ROOT}/{name}": f"{folder}/{name}" for name in wanted.volumes}
        incoming = _while_there_is_room(host, tenant, caller.incoming)
        unpacked = _unpacked(host, Confined(unit=unit, task=task, writes=writes, seconds=SECONDS), incoming)
        record = _record(host, wanted)
        _keep(host, record, caller, awaited_by=wanted.awaited_by)
    except Exception:
        host.remove(folder)
        if fresh and not wanted.awaited_by:  # the waiting operation removes the rest
            _leave(host, tenant, caller)
        raise
    host.remove(folder)
    return ReceivedReply(generation=record, **unpacked, outcome="done")


def _leave(host: Host, tenant: str, caller: Caller) -> None:
    """Remove the folder of a failed transfer, unless an operation deploys the tenant meanwhile."""
    owner = {"who": caller.operator, "kind": "receive", "operation": "", "since": host.now()}
    with suppress(Busy), host.lock(f"tenant-{tenant}", owner):
        there = set(host.names(paths.tenant(tenant)))
        if there <= {"generations"} and not generation_records.kept(host, tenant):
            host.remove(paths.tenant(tenant))


def _unpacked(host: Host, asked: Confined, incoming: Iterable[bytes]) -> dict[str, int]:
    lines = host.streamed(asked, pieces(incoming))
    while True:
        try:
            next(lines)
        except StopIteration as end:
            return {"files": int(end.value["files"]), "bytes": int(end.value["bytes"])}


def _while_there_is_room(host: Host, tenant: str, lines: Iterable[bytes]) -> Iterator[bytes]:
    """The lines; Refused when the free space falls below what undos and journals need."""
    come = LOOK_BYTES
    for line in lines:
        come += len(line)
        if come >= LOOK_BYTES:
            come = 0
            if (room := host.room(paths.ROOT)) < generation_records.LEAST_ROOM:
                least = generation_records.LEAST_ROOM >> 20
                message = f"{tenant}: only {room >> 20} MiB are free on this host, and {least} MiB must stay free"
                raise Refused(message, code="disk-reserve", kind="state", hint=MAKE_ROOM)
        yield line


def pieces(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The data in the lines. Refused for a malformed line, a missing end line, or a wrong digest in the end line."""
    digest, size = sha256(), 0
    for line in lines:
        try:
            item = json.loads(line)
            data = base64.b64decode(item["data"], validate=True) if set(item) == {"data"} else None
            end = item["end"] if set(item) == {"end"} else None
        except (ValueError, TypeError, binascii.Error) as error:
            raise Refused("receive: a line that is neither data nor the end") from error
        if data is not None:
            digest.update(data)
            size += len(data)
            yield data
        elif end == {"bytes": size, "digest": f"sha256:{digest.hexdigest()}"}:
            return
        else:
            raise Refused(
                "receive: the received data differs from what was sent",
                code="received-data-differs",
                hint="run the same command again",
            )
    raise Refused(
        "receive: the transfer ended early; nothing was kept",
        code="transfer-ended-early",
        hint="run the same command again",
    )


def _record(host: Host, wanted: Receiving) -> Generation:
    return Generation(
        id=wanted.generation,
        tenant=wanted.tenant,
        release=wanted.release,
        version=wanted.version,
        app=wanted.app,
        at=host.now(),
        why=RECEIVED,
        operation=wanted.generation,
        disk_mb=wanted.disk_mb,
    )


def _keep(host: Host, record: Generation, caller: Caller, *, awaited_by: str) -> None:
    """Keep the data as a generation, under the tenant's lock, because a prune removes snapshots without a record. An
    operation that waits for the data already holds that lock."""
    tenant = record.tenant
    owner = {"who": caller.operator, "kind": "receive", "operation": "", "since": host.now()}
    if awaited_by:
        refuse_unawaited(host, awaited_by, tenant=tenant, generation=record.id)
    with nullcontext() if awaited_by else host.lock(f"tenant-{tenant}", owner, seconds=LOCK_SECONDS):
        host.folder(paths.generations(tenant), mode=0o700)
        host.remove(paths.generation(tenant, record.id))
        host.snapshot(paths.received(tenant), paths.generation(tenant, record.id))
        host.write(paths.generation_record(tenant, record.id), canonical(record_as_json(record)), mode=0o600)
