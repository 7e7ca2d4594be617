"""restart: stop and start a tenant; requests wait at Caddy meanwhile."""

from __future__ import annotations

from launchpad.events import OnEvent, ignore
from launchpad.operations.requests.again import submit_for_tenant
from launchpad.operations.requests.outcome import Outcome
from launchpad.workspace import Workspace


def restart(workspace: Workspace, name: str, *, identifier: str = "", on_event: OnEvent = ignore) -> Outcome:
    """Stop and start the tenant, also after repeated crashes, and wait until its health probes pass. Errors as of
    `submit`."""
    return submit_for_tenant(workspace, name, kind="restart", identifier=identifier, on_event=on_event)
