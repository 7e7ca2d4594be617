"""render: render a tenant's release from the inventory, without contacting a host."""

from __future__ import annotations

from launchpad.fleet.model.fleet import Fleet
from launchpad.fleet.model.tenant import Tenant
from launchpad.render.release import Rendered, render_release
from launchpad.render.templates import TemplateSource
from launchpad.workspace import Workspace


def render(workspace: Workspace, name: str) -> Rendered:
    """The tenant's release and its files; InventoryError when something is missing. No secret is read."""
    fleet = workspace.fleet.load()
    return rendered(workspace, fleet, fleet.tenant(name))


def rendered(workspace: Workspace, fleet: Fleet, tenant: Tenant) -> Rendered:
    """Render from a fleet that is already loaded."""
    versions = {str(name): version for name, version in workspace.secrets.versions(tenant.name).items()}
    return render_release(fleet, tenant, templates=_templates(workspace), secrets=versions)


def rendered_with_all(workspace: Workspace, fleet: Fleet, tenant: Tenant) -> Rendered:
    """Render as if every secret of the app were set: to check the release, never to send it."""
    versions = {str(spec.name): 1 for spec in fleet.app(tenant.app).secrets}
    return render_release(fleet, tenant, templates=_templates(workspace), secrets=versions)


def _templates(workspace: Workspace) -> TemplateSource:
    *own, shipped = workspace.templates
    return TemplateSource(workspace=own[0] if own else None, shipped=shipped)
