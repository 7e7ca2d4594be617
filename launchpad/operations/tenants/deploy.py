"""deploy: render a tenant's release and run it on the tenant's host, by one exec over one connection."""

from __future__ import annotations

import dataclasses
from typing import Any

from launchpad.errors import StateError
from launchpad.events import OnEvent, ignore
from launchpad.fleet.model.fleet import Fleet
from launchpad.fleet.model.tenant import Tenant
from launchpad.operations.dns.astray import astray_told
from launchpad.operations.dns.provider import Dns
from launchpad.operations.requests.again import Wish, submit_once
from launchpad.operations.requests.following import Secrets, Submission
from launchpad.operations.requests.outcome import Outcome
from launchpad.operations.requests.render import rendered
from launchpad.runner.protocol import Inventory, release_as_json, release_from_json
from launchpad.workspace import Workspace

ANYTHING = "anything"
"""For `replaces`: replace any running release."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeployOptions:
    """The options of a deploy; the defaults are the command line's."""

    identifier: str = ""
    """The operation's id; empty: a new id. With the id of an earlier operation, that operation is followed."""
    replaces: str | None = ANYTHING
    """The release that must be running, None for none; the host rejects the deploy when another release runs."""
    after: str = ""
    """The running revision, when this inventory does not descend from it and the deploy is wanted all the same."""
    follow: bool = True
    """Whether to follow the deploy to its end; otherwise the outcome is `running`."""
    dns: Dns | None = None
    """Resolves the tenant's names, to check where they point; None: no check."""


def deploy(workspace: Workspace, name: str, *, how: DeployOptions | None = None, on_event: OnEvent = ignore) -> Outcome:
    """Deploy the tenant's release from the inventory on its host; errors as of `following.submit`."""
    fleet = workspace.fleet.load()
    tenant = fleet.tenant(name)
    if not tenant.running:
        raise StateError(
            f"{name} must not run: inventory/tenants/{name}.yaml has running: false",
            code="tenant-must-not-run",
            hint="write running: true",
        )
    operation = deploy_operation(workspace, fleet, tenant, inventory=workspace.revision(name))
    how = how or DeployOptions()
    if how.replaces != ANYTHING:
        operation["replaces"] = how.replaces
    if how.after:
        operation["after"] = how.after
    submission = Submission(
        identifier=how.identifier, operation=operation, secrets=revealing(workspace, tenant), follow=how.follow
    )
    wish = Wish(kind="deploy", tenant=str(tenant.name), words={"digest": release_from_json(operation["release"]).short})
    host = fleet.host(tenant.host)
    with astray_told(workspace, tenant, host, dns=how.dns, on_event=on_event):
        return submit_once(workspace, host, wish, submission, on_event=on_event)


def deploy_operation(workspace: Workspace, fleet: Fleet, tenant: Tenant, *, inventory: Inventory) -> dict[str, Any]:
    """The operation as data, without secret values; the host compares it with the running release."""
    made = rendered(workspace, fleet, tenant)
    return {
        "kind": "deploy",
        "tenant": str(tenant.name),
        "release": release_as_json(made.release),
        "files": dict(made.files),
        "inventory": {"revision": inventory.revision, "ancestors": list(inventory.ancestors)},
    }


def may_shrink_of(fleet: Fleet, tenant: Tenant) -> dict[str, Any]:
    """The tables that may lose rows in a rehearsal; left out when there are none, because an older runner does not know
    the field."""
    tables = [str(name) for name in fleet.app(tenant.app).may_shrink]
    return {"may_shrink": tables} if tables else {}


def revealing(workspace: Workspace, tenant: Tenant) -> Secrets:
    """Give a function that unseals the tenant's secrets each time a request with them is sent."""

    def secrets() -> dict[str, dict[str, Any]]:
        found = workspace.secrets.reveal(tenant.name)
        return {str(name): {"version": version, "value": value.reveal()} for name, (version, value) in found.items()}

    return secrets
