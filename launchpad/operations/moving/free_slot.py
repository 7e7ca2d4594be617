"""free_slot: let the slot of a removed tenant be given again, after every host's receipt that it has nothing of the
tenant.

A host that does not answer may still run the tenant, or keep its data under the slot's uid: then the slot stays taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from launchpad.errors import LaunchpadError
from launchpad.fleet.words.names import TenantName
from launchpad.operations.moving.whereabouts import Whereabouts, look
from launchpad.runner.hint import Next
from launchpad.ssh.fanout import fanout
from launchpad.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class SlotReceipts:
    """What the hosts answered about a removed tenant."""

    tenant: TenantName
    slot: int
    missing: Mapping[str, str]
    """Host → why the host gives no receipt; empty when the slot is free now."""


def slot_of_removed(workspace: Workspace, name: str) -> int | None:
    """The slot of a tenant that was removed from the inventory, while the slot waits for receipts."""
    fleet = workspace.fleet.load()
    waiting = [slot for slot, tenant in sorted(fleet.gone_slots.items()) if tenant == name]
    return waiting[0] if waiting and name not in fleet.known else None


def free_slot(workspace: Workspace, name: TenantName, slot: int) -> SlotReceipts:
    """Ask every host of the inventory, and free the slot when no host has anything of the tenant. The slot's next
    tenant gets an epoch above every epoch that a host knows, so that no tombstone and no old receipt fits it."""
    fleet = workspace.fleet.load()

    def ask(host: str) -> Whereabouts | None:
        return look(workspace, fleet.host(host), name, slot)

    said = fanout([str(host) for host in fleet.hosts], ask, threads=workspace.settings.parallel)
    missing = {host: why for host, found in said.items() if (why := _why_not(name, host, found))}
    if not missing:
        known = [found.known for found in said.values() if isinstance(found, Whereabouts)]
        workspace.fleet.free_slot(slot, above=max(known, default=0), replaces=str(name))
    return SlotReceipts(tenant=name, slot=slot, missing=missing)


def _why_not(name: str, host: str, found: Whereabouts | LaunchpadError | None) -> str:
    """Why the host gives no receipt; empty for a receipt."""
    if isinstance(found, LaunchpadError):
        return found.message
    if found is None:
        return f"{host}: an operation on {name} is running"
    if found.record is not None or found.generations or found.volumes or found.forwards or found.waits:
        return f"{host} still has {name}: " + Next("retire", name, "--host", host, "--purge")
    return ""
