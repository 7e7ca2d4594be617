"""cancel: cancel a running operation, whose host then undoes every change."""

from __future__ import annotations

from typing import Any

from launchpad.errors import StateError
from launchpad.operations.observation.attach import whose
from launchpad.operations.requests.asking import ask
from launchpad.operations.requests.reaching import hosts_of
from launchpad.runner.hint import Next
from launchpad.runner.wire.operation_bodies import Cancel
from launchpad.workspace import Workspace

OVER = frozenset({"done", "unchanged", "undone", "cancelled", "incomplete"})


def cancel(workspace: Workspace, identifier: str, *, host: str = "") -> dict[str, Any]:
    """Ask the host to undo the operation: {"host", "id", "outcome": "cancelling"}; `attach` follows the undo.
    StateError when the operation has ended or has committed."""
    owner = whose(workspace, identifier, host=host, command="cancel")
    with hosts_of(workspace).reach(owner) as runner:
        outcome = ask(runner, Cancel(id=identifier)).outcome
    if outcome in OVER:
        raise StateError(
            f"operation {identifier} has ended: {outcome}", code="operation-ended", hint=Next("history", owner.name)
        )
    return {"host": str(owner.name), "id": identifier, "outcome": outcome}
