"""whereabouts: what this host knows about a tenant's place, for a move.

A tombstone is a receipt, so it is sent only when no operation can remove it any more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from launchpad.runner import generation_records, paths
from launchpad.runner.caller import Caller
from launchpad.runner.host import Busy, Host
from launchpad.runner.journal import open_journals, subject
from launchpad.runner.moving import tombstone
from launchpad.runner.plan import read_record
from launchpad.runner.protocol import Refused, record_as_json
from launchpad.runner.slots import is_tenant_name
from launchpad.runner.verbs import reply
from launchpad.runner.wire.body import body_from_json
from launchpad.runner.wire.move_bodies import AskWhereabouts, WhereaboutsReply

LOCK_SECONDS = 5


def whereabouts(host: Host, body: Mapping[str, Any], caller: Caller) -> Iterator[dict[str, Any]]:
    """WhereaboutsReply; body AskWhereabouts."""
    given = body_from_json(AskWhereabouts, body)
    tenant, slot, epoch = given.tenant, given.slot, given.epoch
    if not is_tenant_name(tenant):
        raise Refused(f"not a tenant's name: {tenant[:60]!r}")
    owner = {"who": caller.operator, "kind": "look", "operation": "", "since": host.now()}
    try:
        with host.lock(f"tenant-{tenant}", owner, seconds=LOCK_SECONDS):
            going = _open(host, tenant)
            yield reply(WhereaboutsReply(operation=going) if going else _known(host, tenant, slot, epoch))
    except Busy as busy:
        going = str(busy.owner.get("operation") or "")
        if not going:
            raise Refused(
                f"{tenant}: locked by {busy.holder(host.now())}", code="tenant-locked-in-transfer", kind="locked"
            ) from busy
        yield reply(WhereaboutsReply(operation=going))


def _open(host: Host, tenant: str) -> str:
    """The tenant's open operation."""
    for journal in open_journals(host):
        asked = journal.asked()
        if asked is not None and subject(asked["operation"]) == f"tenant-{tenant}":
            return journal.identifier
    return ""


def _known(host: Host, tenant: str, slot: int, epoch: int) -> WhereaboutsReply:
    record = read_record(host, tenant)
    stone = tombstone.in_force(host, record, tenant=tenant, slot=slot, epoch=epoch)
    site = host.read(paths.site(tenant)) or b""
    forwards = b"reverse_proxy https://" in site
    return WhereaboutsReply(
        record=record,
        tombstone=record_as_json(stone) if stone else None,
        known=tombstone.known_epoch(host, record, tenant=tenant, slot=slot),
        generations=tuple(generation_records.kept(host, tenant)),
        volumes=tuple(host.names(paths.data(tenant))),
        clock=host.now(),
        forwards=forwards,
        waits=bool(site) and not forwards and (record is None or record["retired"]),
    )
