"""plan: what would bring tenants, hosts or the whole fleet to what the inventory says; nothing is changed."""

from __future__ import annotations

from collections.abc import Sequence

from launchpad.operations.observing import observe, wanted
from launchpad.operations.scope import scope_of
from launchpad.plan import FleetPlan, plan_changes
from launchpad.workspace import Workspace


def plan_fleet(workspace: Workspace, names: Sequence[str] = ()) -> FleetPlan:
    """The plan for the named tenants and hosts, or for all. A host that does not answer is in it, with its error."""
    fleet = workspace.fleet.load()
    scope = scope_of(fleet, names)
    seen = observe(workspace, scope, probes=False)
    return plan_changes(wanted(workspace, fleet, scope.tenants), seen, inventory=frozenset(map(str, fleet.tenants)))
