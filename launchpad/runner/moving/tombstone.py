"""The tombstone: what a host that a tenant left has to remember, for as long as the host lives. Light: boot, the
watcher and every start ask for it.

It lies outside of the tenant's folder, so that a purge does not take it. Its content is the receipt that the tenant's
next host wants to see.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

from launchpad.runner import paths
from launchpad.runner.protocol import Refused, canonical, digest_of, record_as_json, record_from_json
from launchpad.runner.record import Record

FIRST_EPOCH = 1


class Tombstone(Record):
    """Where a tenant went, and what it left with."""

    tenant: str
    slot: int
    epoch: int
    """Which its next host starts it with."""
    to: str
    """That host; empty when it came back since: then only the epoch counts, below which no receipt is taken."""
    address: str
    """Where requests that still come here are passed on to."""
    generation: str
    """The last one of its data; empty when it never ran here with this epoch."""
    app: str
    version: str
    release: str
    at: float
    operation: str
    by: str
    running: bool = True
    """Whether it ran."""
    fenced: bool = False
    """Whether nobody asked the host that it left: somebody saw its power off."""
    proof: str = ""
    """How that is known."""

    @property
    def digest(self) -> str:
        return digest_of(canonical(record_as_json(self)))


class TombstoneReading(Protocol):
    def read(self, path: str) -> bytes | None: ...


def read(host: TombstoneReading, tenant: str) -> Tombstone | None:
    """The tenant's tombstone on this host; None when it never left. A damaged one is Refused: nothing is started
    then."""
    data = host.read(paths.tombstone(tenant))
    if data is None:
        return None
    try:
        return record_from_json(Tombstone, json.loads(data), "tombstone")
    except ValueError as error:
        raise Refused(f"{paths.tombstone(tenant)} cannot be read", kind="state") from error


def epoch_of(record: Mapping[str, Any] | None) -> int:
    """The epoch of what is deployed; 0 when nothing is."""
    return 0 if record is None else int(record.get("epoch", FIRST_EPOCH))


def in_force(host: TombstoneReading, record: Mapping[str, Any] | None, *, tenant: str, slot: int) -> Tombstone | None:
    """The tombstone that forbids the tenant to run here; None when it never left, or came back since. A slot is never
    given again, so one with another slot is an earlier tenant's of the same name."""
    found = read(host, tenant)
    if found is None or found.slot != slot or not found.to or found.epoch <= epoch_of(record):
        return None
    return found


def known_epoch(host: TombstoneReading, record: Mapping[str, Any] | None, *, tenant: str, slot: int) -> int:
    """The highest epoch of the tenant that this host has heard of."""
    found = read(host, tenant)
    mine = record if record is not None and record["slot"] == slot else None
    return max(epoch_of(mine), found.epoch if found is not None and found.slot == slot else 0)


def may_run(host: TombstoneReading, record: Mapping[str, Any]) -> bool:
    """Whether what is deployed may be started: not when it left, and not when nobody can tell."""
    try:
        return in_force(host, record, tenant=record["tenant"], slot=record["slot"]) is None
    except Refused:
        return False


def refuse_if_gone(
    host: TombstoneReading, record: Mapping[str, Any] | None, *, tenant: str, slot: int, kind: str
) -> None:
    """Refused when the tenant left this host."""
    found = in_force(host, record, tenant=tenant, slot=slot)
    if found is None:
        return
    raise Refused(
        f"{tenant} moved from this host to {found.to}: {kind} is not possible here",
        kind="state",
        hint=f"git pull; to move the tenant back: launchpad move {tenant} --to HOST",
    )
