"""drop: remove generations of a tenant's data."""

from __future__ import annotations

from collections.abc import Sequence

from launchpad.events import OnEvent, ignore
from launchpad.operations.generations.generations import generations
from launchpad.operations.requests.again import Wish, submit_once
from launchpad.operations.requests.following import Submission
from launchpad.operations.requests.outcome import Outcome
from launchpad.workspace import Workspace


def drop(
    workspace: Workspace, name: str, identifiers: Sequence[str], *, identifier: str = "", on_event: OnEvent = ignore
) -> Outcome:
    """Remove these generations of the tenant permanently. StateError, and nothing is removed, when a generation does
    not exist or a rollback needs it."""
    past = generations(workspace, name)
    for generation in identifiers:
        past.generation(generation)
    fleet = workspace.fleet.load()
    operation = {"kind": "drop", "tenant": name, "generations": list(identifiers)}
    host = fleet.host(fleet.tenant(name).host)
    submission = Submission(identifier=identifier, operation=operation)
    return submit_once(workspace, host, wish_to_drop(name, identifiers), submission, on_event=on_event)


def wish_to_drop(name: str, identifiers: Sequence[str]) -> Wish:
    """The wish of `generations --drop`, by which the operation is found again."""
    return Wish(kind="drop", tenant=name, words={"generations": list(identifiers)})
