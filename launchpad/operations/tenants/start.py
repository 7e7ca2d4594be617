"""start: a stopped tenant runs again as it was deployed."""

from __future__ import annotations

from launchpad.events import OnEvent, ignore
from launchpad.operations.requests.again import submit_for_tenant
from launchpad.operations.requests.outcome import Outcome
from launchpad.workspace import Workspace


def start(workspace: Workspace, name: str, *, identifier: str = "", on_event: OnEvent = ignore) -> Outcome:
    """Start the tenant as it was deployed last; `unchanged` when it runs. Errors as of `submit`."""
    return submit_for_tenant(workspace, name, kind="start", identifier=identifier, on_event=on_event)
