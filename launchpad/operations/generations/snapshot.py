"""snapshot: take a generation of a tenant's data while the tenant runs."""

from __future__ import annotations

from launchpad.events import OnEvent, ignore
from launchpad.operations.requests.again import submit_for_tenant
from launchpad.operations.requests.following import Submission, submit
from launchpad.operations.requests.identifiers import new_identifier
from launchpad.operations.requests.outcome import Outcome
from launchpad.workspace import Workspace


def snapshot(workspace: Workspace, name: str, *, identifier: str = "", on_event: OnEvent = ignore) -> Outcome:
    """Take a generation of the tenant's data, which stays until an operator drops it; its id is the operation's id.
    Errors as of `submit`."""
    return submit_for_tenant(workspace, name, kind="snapshot", identifier=identifier, on_event=on_event)


def copy(workspace: Workspace, name: str, *, identifier: str = "", on_event: OnEvent = ignore) -> Outcome:
    """Take a generation to copy it to another machine; it is removed when there are newer generations of its kind. Each
    call without an id takes a new generation, because this is a part of other commands."""
    fleet = workspace.fleet.load()
    tenant = fleet.tenant(name)
    submission = Submission(
        identifier=identifier or new_identifier(workspace.clock.now()),
        operation={"kind": "snapshot", "tenant": str(tenant.name), "copy": True},
    )
    return submit(workspace, fleet.host(tenant.host), submission, on_event=on_event)
