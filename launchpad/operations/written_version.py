"""A tenant's version in the inventory: written once its host has committed to it, and told to the host."""

from __future__ import annotations

from typing import Any

from launchpad.errors import StateError
from launchpad.events import ignore
from launchpad.fleet.names import TenantName, VersionName
from launchpad.fleet.tenant import Tenant
from launchpad.operations.deploy import deploy_operation
from launchpad.operations.following import Submission, submit
from launchpad.operations.identifiers import new_identifier
from launchpad.runner.protocol import release_from_json
from launchpad.workspace import Workspace


def write_version(workspace: Workspace, tenant: Tenant, version: str) -> bool:
    """Write the version into the tenant's file; whether that was to do. StateError when the file says another one than
    `tenant` does: somebody changed it meanwhile, and is not overruled."""
    try:
        now = workspace.fleet.load().tenant(tenant.name).version
        if now == version:
            return False
        workspace.fleet.set_tenant_version(
            TenantName(tenant.name), VersionName(version), replaces=VersionName(tenant.version)
        )
    except StateError as error:
        error.hint = f"launchpad adopt {tenant.name}"
        raise
    return True


def tell_revision(workspace: Workspace, name: str, *, release: str) -> None:
    """Let the tenant's host know which inventory says what runs there, so that a checkout without the edit is refused.

    Only where that inventory renders just the release that runs: nothing but the revision changes on the host, by a
    deploy that finds nothing to do. StateError when what runs came from an inventory that this one does not know."""
    fleet = workspace.fleet.load()
    tenant = fleet.tenant(name)
    operation: dict[str, Any] = deploy_operation(workspace, fleet, tenant, inventory=workspace.revision(name))
    if not tenant.running or release_from_json(operation["release"]).short != release:
        return
    submission = Submission(
        identifier=new_identifier(workspace.clock.now()), operation=operation | {"replaces": release}
    )
    submit(workspace, fleet.host(tenant.host), submission, on_event=ignore)
