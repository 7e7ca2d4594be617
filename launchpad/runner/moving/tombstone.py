"""The tombstone: the lasting record on the host that a tenant has left. Light to import, because boot, the watch and
every start read it.

The file is outside the tenant's folder, so that a purge does not remove it. Its content is the receipt for the tenant's
next host.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from launchpad.runner import paths
from launchpad.runner.hint import Next
from launchpad.runner.protocol import Refused, canonical, digest_of, record_as_json, record_from_json
from launchpad.runner.record import Record
from launchpad.runner.slots import FIRST_EPOCH

if TYPE_CHECKING:
    from launchpad.runner.tenant_record import TenantRecord


class Tombstone(Record):
    """Where a tenant moved to, and with which data."""

    tenant: str
    slot: int
    epoch: int
    """The epoch with which the next host starts the tenant."""
    to: str
    """The next host; empty after the tenant came back: then receipts need an epoch higher than this one."""
    address: str
    """The address to which this host forwards requests."""
    generation: str
    """The tenant's last generation here; empty when the tenant never ran here with this epoch."""
    app: str
    version: str
    release: str
    at: float
    operation: str
    by: str
    running: bool = True
    """Whether the tenant was meant to run."""
    fenced: bool = False
    """Whether the old host was fenced: an operator confirmed that it is off, and it was not asked."""
    proof: str = ""
    """The operator's proof that the old host is off."""

    @property
    def digest(self) -> str:
        return digest_of(canonical(record_as_json(self)))


class TombstoneReading(Protocol):
    def read(self, path: str) -> bytes | None: ...


def read(host: TombstoneReading, tenant: str) -> Tombstone | None:
    """The tenant's tombstone on this host; None when the tenant never left. Refused for a damaged tombstone: then
    nothing starts."""
    data = host.read(paths.tombstone(tenant))
    if data is None:
        return None
    try:
        return record_from_json(Tombstone, json.loads(data), "tombstone")
    except ValueError as error:
        raise Refused(f"{paths.tombstone(tenant)} cannot be read", code="tombstone-unreadable", kind="state") from error


def epoch_of(record: Mapping[str, Any] | None) -> int:
    """The epoch of the deployed tenant; 0 when nothing is deployed."""
    return 0 if record is None else int(record.get("epoch", FIRST_EPOCH))


def in_force(
    host: TombstoneReading, record: Mapping[str, Any] | None, *, tenant: str, slot: int, epoch: int = 0
) -> Tombstone | None:
    """The tombstone that forbids the tenant to run here; None when the tenant never left or has come back. `epoch`: the
    epoch of the tenant's release. A tombstone with another slot, or below that epoch, belongs to an earlier tenant of
    the same name."""
    found = read(host, tenant)
    if found is None or found.slot != slot or not found.to or found.epoch <= max(epoch_of(record), epoch):
        return None
    return found


def known_epoch(host: TombstoneReading, record: Mapping[str, Any] | None, *, tenant: str, slot: int) -> int:
    """The tenant's highest epoch that this host has seen."""
    found = read(host, tenant)
    mine = record if record is not None and record["slot"] == slot else None
    return max(epoch_of(mine), found.epoch if found is not None and found.slot == slot else 0)


def refuse_earlier(record: Mapping[str, Any] | None, *, tenant: str, epoch: int) -> None:
    """Refused while this host has an earlier tenant of the same name and slot: its data must not become another
    customer's. `epoch`: the epoch of the tenant's release, which no record of this tenant is below."""
    if record is not None and epoch_of(record) < epoch:
        raise Refused(
            f"{tenant}: this host still has an earlier tenant of that name and slot (epoch {epoch_of(record)})",
            code="earlier-tenant-left",
            kind="state",
            hint="to delete the earlier tenant's data: " + Next("retire", tenant, "--purge"),
        )


def may_run(host: TombstoneReading, record: TenantRecord) -> bool:
    """Whether the deployed tenant may be started: not after it left, and not with an unreadable tombstone."""
    try:
        return in_force(host, None, tenant=record.tenant, slot=record.slot, epoch=record.epoch) is None
    except Refused:
        return False


def refuse_if_gone(
    host: TombstoneReading, record: Mapping[str, Any] | None, *, tenant: str, slot: int, epoch: int, kind: str
) -> None:
    """Refused when the tenant has moved from this host."""
    found = in_force(host, record, tenant=tenant, slot=slot, epoch=epoch)
    if found is None:
        return
    raise Refused(
        f"{tenant} moved from this host to {found.to}: {kind} is not possible here",
        code="moved-away",
        kind="state",
        hint="git pull; to move the tenant back: " + Next("move", tenant, "--to", "HOST"),
    )
