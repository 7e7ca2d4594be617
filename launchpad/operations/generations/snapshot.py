"""snapshot: keep a tenant's data as it is at this instant, while it runs."""

from __future__ import annotations

from launchpad.events import OnEvent, ignore
from launchpad.operations.requests.again import submit_for_tenant
from launchpad.operations.requests.following import Submission, submit
from launchpad.operations.requests.identifiers import new_identifier
from launchpad.operations.requests.outcome import Outcome
from launchpad.workspace import Workspace


def snapshot(workspace: Workspace, name: str, *, identifier: str = "", on_event: OnEvent = ignore) -> Outcome:
    """Take a generation of the tenant's data, which stays until somebody drops it; its id is the operation's. Errors as
    of `submit`."""
    return submit_for_tenant(workspace, name, kind="snapshot", identifier=identifier, on_event=on_event)


def copy(workspace: Workspace, name: str, *, on_event: OnEvent = ignore) -> Outcome:
    """The same, to be carried elsewhere: it goes when there are newer ones of its kind. Each time it is another one: it
    is a part of a command and no command's own."""
    fleet = workspace.fleet.load()
    tenant = fleet.tenant(name)
    submission = Submission(
        identifier=new_identifier(workspace.clock.now()),
        operation={"kind": "snapshot", "tenant": str(tenant.name), "copy": True},
    )
    return submit(workspace, fleet.host(tenant.host), submission, on_event=on_event)
