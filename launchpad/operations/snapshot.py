"""snapshot: keep a tenant's data as it is at this instant, while it runs."""

from __future__ import annotations

from launchpad.events import OnEvent, ignore
from launchpad.operations.following import submit_for_tenant
from launchpad.operations.outcome import Outcome
from launchpad.workspace import Workspace


def snapshot(workspace: Workspace, name: str, *, identifier: str = "", on_event: OnEvent = ignore) -> Outcome:
    """Take a generation of the tenant's data; its id is the operation's. Errors as of `submit`."""
    return submit_for_tenant(workspace, name, kind="snapshot", identifier=identifier, on_event=on_event)
