"""deploy: render a tenant's release and have its host run it, by one exec over one connection."""

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
"""For `replaces`: whatever runs may be replaced."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeployOptions:
    """How a deploy is asked for; the defaults are a person's at the command line."""

    identifier: str = ""
    """The operation's id; a new one when empty. The same one attaches."""
    replaces: str | None = ANYTHING
    """The release that must be running, None for none; the host refuses when another one does."""
    after: str = ""
    """The revision that runs, as the host has shown it, where this inventory does not descend from it."""
    follow: bool = True
    """Whether to wait for the end; otherwise the outcome is `running`."""
    dns: Dns | None = None
    """Who tells where the tenant's names lead; they are not looked at when there is nobody."""


def deploy(workspace: Workspace, name: str, *, how: DeployOptions | None = None, on_event: OnEvent = ignore) -> Outcome:
    """Bring the tenant's host to the release that the inventory says; errors as of `following.submit`."""
    fleet = workspace.fleet.load()
    tenant = fleet.tenant(name)
    if not tenant.running:
        raise StateError(
            f"{name} is not to run: inventory/tenants/{name}.yaml says running: false", hint="write running: true"
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
    """The operation as data, without any secret's value: the host compares it with what runs."""
    made = rendered(workspace, fleet, tenant)
    return {
        "kind": "deploy",
        "tenant": str(tenant.name),
        "release": release_as_json(made.release),
        "files": dict(made.files),
        "inventory": {"revision": inventory.revision, "ancestors": list(inventory.ancestors)},
    }


def may_shrink_of(fleet: Fleet, tenant: Tenant) -> dict[str, Any]:
    """What a rehearsal is told of the tables that may lose rows; nothing where there are none, for an older runner
    knows nothing of it."""
    tables = [str(name) for name in fleet.app(tenant.app).may_shrink]
    return {"may_shrink": tables} if tables else {}


def revealing(workspace: Workspace, tenant: Tenant) -> Secrets:
    """Opens the tenant's secrets each time when a request with them is about to be sent."""

    def secrets() -> dict[str, dict[str, Any]]:
        found = workspace.secrets.reveal(tenant.name)
        return {str(name): {"version": version, "value": value.reveal()} for name, (version, value) in found.items()}

    return secrets
