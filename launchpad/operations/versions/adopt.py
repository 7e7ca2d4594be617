"""adopt: write the version that a tenant runs into the inventory, after the edit of an upgrade or a rollback was
lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from launchpad.errors import LaunchpadError, StateError
from launchpad.operations.requests.observing import what_runs
from launchpad.operations.tenants.written_version import tell_revision, write_version
from launchpad.runner.hint import Next
from launchpad.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Adopted:
    """The version in the inventory now, and before."""

    tenant: str
    version: str
    before: str
    problem: LaunchpadError | None = None
    """Why the host did not get the new revision: it did not answer, or this inventory does not descend from the running
    revision."""

    @property
    def changed(self) -> bool:
        return self.version != self.before

    def as_json(self) -> dict[str, Any]:
        problem = self.problem.as_dict() if self.problem else None
        named = {"tenant": self.tenant, "version": self.version, "before": self.before}
        return named | {"changed": self.changed, "problem": problem}


def adopt(workspace: Workspace, name: str) -> Adopted:
    """Write the version that the tenant runs into the inventory; nothing changes on the host.

    StateError while an operation on the tenant runs, or when the tenant is not deployed; InventoryError when the app
    does not list the version.
    """
    fleet = workspace.fleet.load()
    tenant = fleet.tenant(name)
    runs = what_runs(workspace, fleet, tenant)
    if runs.operation:
        raise StateError(
            f"{name}: an operation is still running",
            code="operation-still-running",
            hint=Next("attach", runs.operation),
        )
    write_version(workspace, tenant, runs.version)
    problem = None
    if not runs.drift:
        try:
            tell_revision(workspace, name, release=runs.release)
        except LaunchpadError as error:
            problem = error
    return Adopted(tenant=name, version=runs.version, before=str(tenant.version), problem=problem)
