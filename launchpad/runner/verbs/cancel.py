"""cancel: have a running operation undone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from launchpad.runner.caller import Caller
from launchpad.runner.hint import Next
from launchpad.runner.host import Host
from launchpad.runner.journal import Journal
from launchpad.runner.protocol import Refused
from launchpad.runner.verbs import reply
from launchpad.runner.wire.body import body_from_json
from launchpad.runner.wire.operation_bodies import Cancel, CancelReply


def cancel(host: Host, body: Mapping[str, Any], caller: Caller) -> Iterator[dict[str, Any]]:
    """CancelReply; body Cancel. Refused after the commit, because then an operation only goes forward."""
    journal = Journal(host, body_from_json(Cancel, body).id)
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
    yield reply(CancelReply(id=journal.identifier, outcome=outcome["outcome"] if outcome else "cancelling"))
