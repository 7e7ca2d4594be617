"""adopt: write the version that a tenant runs into the inventory, where an upgrade's or a rollback's edit was lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from launchpad.errors import LaunchpadError, StateError
from launchpad.operations.requests.observing import what_runs
from launchpad.operations.tenants.written_version import tell_revision, write_version
from launchpad.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Adopted:
    """What the inventory says now, and said before."""

    tenant: str
    version: str
    before: str
    problem: LaunchpadError | None = None
    """Why the host was not told: it went silent, or what runs came from an inventory that is not known here."""

    @property
    def changed(self) -> bool:
        return self.version != self.before

    def as_json(self) -> dict[str, Any]:
        problem = self.problem.as_dict() if self.problem else None
        named = {"tenant": self.tenant, "version": self.version, "before": self.before}
        return named | {"changed": self.changed, "problem": problem}


def adopt(workspace: Workspace, name: str) -> Adopted:
    """Make the inventory say the version that the tenant's host runs; nothing on the host changes.

    StateError when an operation is going on there, or nothing of the tenant is; InventoryError when the app does not
    list that version."""
    fleet = workspace.fleet.load()
    tenant = fleet.tenant(name)
    runs = what_runs(workspace, fleet, tenant)
    if runs.operation:
        raise StateError(f"{name}: an operation is going on", hint=f"launchpad attach {runs.operation}")
    write_version(workspace, tenant, runs.version)
    problem = None
    if not runs.drift:
        try:
            tell_revision(workspace, name, release=runs.release)
        except LaunchpadError as error:
            problem = error
    return Adopted(tenant=name, version=runs.version, before=str(tenant.version), problem=problem)
