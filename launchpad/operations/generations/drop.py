"""drop: let go of what is kept of a tenant's data."""

from __future__ import annotations

from collections.abc import Sequence

from launchpad.events import OnEvent, ignore
from launchpad.operations.generations.generations import generations
from launchpad.operations.requests.again import Wish, submit_once
from launchpad.operations.requests.following import Submission
from launchpad.operations.requests.outcome import Outcome
from launchpad.workspace import Workspace


def drop(workspace: Workspace, name: str, identifiers: Sequence[str], *, on_event: OnEvent = ignore) -> Outcome:
    """Remove these of the tenant's generations, for good. StateError, and nothing removed, when one is not there or is
    what a rollback brings back."""
    past = generations(workspace, name)
    for identifier in identifiers:
        past.generation(identifier)
    fleet = workspace.fleet.load()
    operation = {"kind": "drop", "tenant": name, "generations": list(identifiers)}
    host = fleet.host(fleet.tenant(name).host)
    return submit_once(
        workspace, host, wish_to_drop(name, identifiers), Submission(operation=operation), on_event=on_event
    )


def wish_to_drop(name: str, identifiers: Sequence[str]) -> Wish:
    """What `generations --drop` asks for, to find it again by."""
    return Wish(kind="drop", tenant=name, words={"generations": list(identifiers)})
