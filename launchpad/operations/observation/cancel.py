"""cancel: cancel a running operation, whose host then undoes every change."""

from __future__ import annotations

from typing import Any

from launchpad.errors import StateError
from launchpad.operations.observation.attach import whose
from launchpad.operations.requests.reaching import hosts_of
from launchpad.workspace import Workspace

OVER = frozenset({"done", "unchanged", "undone", "cancelled", "incomplete"})


def cancel(workspace: Workspace, identifier: str, *, host: str = "") -> dict[str, Any]:
    """Ask the host to undo the operation: {"host", "id", "outcome": "cancelling"}; `attach` follows the undo.
    StateError when the operation has ended or has committed."""
    owner = whose(workspace, identifier, host=host, command="cancel")
    with hosts_of(workspace).reach(owner) as runner:
        reply = runner.ask("cancel", {"id": identifier})
    outcome = str(reply.get("outcome") or "cancelling")
    if outcome in OVER:
        raise StateError(f"operation {identifier} has ended: {outcome}", hint=f"launchpad history {owner.name}")
    return {"host": str(owner.name), "id": identifier, "outcome": outcome}
