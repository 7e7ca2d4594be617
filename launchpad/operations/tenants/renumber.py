"""tenant renumber: give a tenant another slot, after two clones of an inventory gave the same slot to two tenants."""

from __future__ import annotations

from launchpad.errors import StateError
from launchpad.fleet.model.fleet import Fleet
from launchpad.fleet.model.tenant import Tenant
from launchpad.fleet.words.names import TenantName
from launchpad.operations.requests.observing import OBSERVE_SECONDS
from launchpad.operations.requests.reaching import hosts_of
from launchpad.plan.observed import host_from_reply
from launchpad.runner.hint import Next
from launchpad.workspace import Workspace


def renumber(workspace: Workspace, name: str) -> Tenant:
    """Give the tenant the next slot. StateError when no other tenant has its slot, and when its host has the tenant or
    the tenant's data, which belongs to the slot. HostError when the host does not answer."""
    fleet = workspace.fleet.load()
    found = fleet.unreadable.get(name)
    if found is not None and found.tenant is not None:
        _judge(workspace, fleet, found.tenant)
    return workspace.fleet.renumber_tenant(TenantName(name))


def _judge(workspace: Workspace, fleet: Fleet, tenant: Tenant) -> None:
    name, host = str(tenant.name), fleet.host(tenant.host)
    with hosts_of(workspace).reach(host) as runner:
        body = {"tenants": [name], "probes": False}
        said = host_from_reply(runner.ask("observe", body, seconds=OBSERVE_SECONDS), host=str(host.name))
    has = said.tenants.get(name)
    if has is None:
        return
    others = [other for other, item in fleet.unreadable.items() if item.tenant and item.tenant.slot == tenant.slot]
    rest = ", ".join(other for other in others if other != name)
    kept = "its data is kept" if has.retired else "it is deployed"
    raise StateError(
        f"{name}: {kept} on {host.name} in slot {tenant.slot}",
        code="slot-in-use-on-host",
        hint=Next("tenant renumber", rest) if rest else f"to delete {name} there: " + Next("retire", name, "--purge"),
    )
