"""stop: stop a tenant, which stays stopped after a reboot; its site shows visitors that it is not available."""

from __future__ import annotations

from launchpad.events import OnEvent, ignore
from launchpad.operations.requests.again import submit_for_tenant
from launchpad.operations.requests.outcome import Outcome
from launchpad.workspace import Workspace


def stop(workspace: Workspace, name: str, *, identifier: str = "", on_event: OnEvent = ignore) -> Outcome:
    """Stop the tenant until it is started or deployed; `unchanged` when it is already stopped. Errors as of
    `submit`."""
    return submit_for_tenant(workspace, name, kind="stop", identifier=identifier, on_event=on_event)
