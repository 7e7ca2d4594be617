"""drop: let go of what is kept of a tenant's data."""

from __future__ import annotations

from collections.abc import Sequence

from launchpad.events import OnEvent, ignore
from launchpad.operations.following import Submission, submit
from launchpad.operations.generations import generations
from launchpad.operations.identifiers import new_identifier
from launchpad.operations.outcome import Outcome
from launchpad.workspace import Workspace


def drop(workspace: Workspace, name: str, identifiers: Sequence[str], *, on_event: OnEvent = ignore) -> Outcome:
    """Remove these of the tenant's generations, for good. StateError, and nothing removed, when one is not there or is
    what a rollback brings back."""
    past = generations(workspace, name)
    for identifier in identifiers:
        past.generation(identifier)
    fleet = workspace.fleet.load()
    operation = {"kind": "drop", "tenant": name, "generations": list(identifiers)}
    submission = Submission(identifier=new_identifier(workspace.clock.now()), operation=operation)
    return submit(workspace, fleet.host(fleet.tenant(name).host), submission, on_event=on_event)
