"""cancel: have a running operation undone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from launchpad.runner.caller import Caller
from launchpad.runner.hint import Next
from launchpad.runner.host import Host
from launchpad.runner.journal import Journal
from launchpad.runner.protocol import Refused
from launchpad.runner.verbs import only


def cancel(host: Host, body: Mapping[str, Any], caller: Caller) -> Iterator[dict[str, Any]]:
    """{"id", "outcome"}: `cancelling`, or the outcome that the operation already has. Refused after the commit, because
    then an operation only goes forward."""
    journal = Journal(host, only(body, id=str)["id"] or "")
    if journal.asked() is None:
        raise Refused(
            f"there is no operation {journal.identifier}", code="no-such-operation", kind="state", hint=Next("history")
        )
    outcome = journal.outcome()
    if outcome is None and any(event["event"] == "committed" for event in journal.events()):
        hint = Next("attach", journal.identifier)
        raise Refused(
            f"operation {journal.identifier} has committed and can no longer be cancelled",
            code="operation-committed",
            kind="state",
            hint=hint,
        )
    if outcome is None:
        journal.ask_cancel(caller)
    yield {"type": "reply", "body": {"id": journal.identifier, "outcome": (outcome or {}).get("outcome", "cancelling")}}
