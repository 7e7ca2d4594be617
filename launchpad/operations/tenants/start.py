"""start: start a stopped tenant with its deployed release."""

from __future__ import annotations

from launchpad.events import OnEvent, ignore
from launchpad.operations.requests.again import submit_for_tenant
from launchpad.operations.requests.outcome import Outcome
from launchpad.workspace import Workspace


def start(workspace: Workspace, name: str, *, identifier: str = "", on_event: OnEvent = ignore) -> Outcome:
    """Start the tenant with its last deployed release; `unchanged` when the tenant runs. Errors as of `submit`."""
    return submit_for_tenant(workspace, name, kind="start", identifier=identifier, on_event=on_event)
