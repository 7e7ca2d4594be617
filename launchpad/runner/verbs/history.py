"""history: the operations on this host, from its own journals, newest first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from launchpad.runner import paths
from launchpad.runner.account import done_by_watch
from launchpad.runner.caller import Caller
from launchpad.runner.host import Host
from launchpad.runner.journal import IDENTIFIER, Damaged, Journal, outline
from launchpad.runner.verbs import reply
from launchpad.runner.wire.body import body_from_json
from launchpad.runner.wire.operation_bodies import HistoryReply, PastOperation, ReadHistory, StepHistory

MOST = 1000
_RESULTS = {
    "step-started": "begun", "step-done": "done", "step-failed": "failed", "step-undone": "undone", "committed": "done",
}  # fmt: skip


def history(host: Host, body: Mapping[str, Any], _caller: Caller) -> Iterator[dict[str, Any]]:
    """HistoryReply; body ReadHistory."""
    given = body_from_json(ReadHistory, body)
    limit = max(1, min(given.limit, MOST))
    names = [given.id] if given.id else host.names(paths.OPERATIONS)
    asked = [
        (found, journal)
        for journal in (Journal(host, name) for name in names if IDENTIFIER.fullmatch(name))
        if (found := journal.asked()) is not None and given.tenant in (None, found["operation"].get("tenant"))
    ]
    newest = sorted(asked, key=lambda item: (item[0]["at"], item[0]["id"]), reverse=True)[:limit]
    by_itself = [item for item in done_by_watch(host) if given.id is None and given.tenant in (None, item.tenant)]
    operations = tuple(_entry(found, journal) for found, journal in newest)
    yield reply(HistoryReply(operations=operations, watch=tuple(by_itself[: -limit - 1 : -1])))


def _entry(asked: Mapping[str, Any], journal: Journal) -> PastOperation:
    """One operation without its content, because a release's files are long."""
    outcome = journal.outcome() or {"outcome": None, "message": journal.damage(), "seconds": None}
    operation = asked["operation"]
    return PastOperation(
        id=asked["id"],
        kind=operation["kind"],
        who=asked["who"],
        at=asked["at"],
        tenant=operation.get("tenant", ""),
        source=asked["from"],
        outcome=outcome["outcome"],
        message=outcome["message"],
        seconds=outcome["seconds"],
        steps=_steps(_outline(journal), journal.events()),
        after=operation.get("after", ""),
        on_behalf_of=asked.get("on_behalf_of", ""),
        words=asked.get("words", {}),
    )


def _outline(journal: Journal) -> Sequence[Mapping[str, str]]:
    try:
        return outline(journal.plan())
    except Damaged:
        return ()


def _steps(steps: Sequence[Mapping[str, str]], events: Sequence[Mapping[str, Any]]) -> tuple[StepHistory, ...]:
    """Each step of the plan with its state and its duration."""
    told = [StepHistory(step=step["step"], title=step["title"]) for step in steps]
    for event in events:
        index, result = event.get("index"), _RESULTS.get(event["event"])
        if event["event"] == "committed":
            index = next((number for number, step in enumerate(told) if step.step == "commit"), None)
        if index is not None and 0 <= index < len(told):
            step = told[index]
            told[index] = step.but(result=result or step.result, seconds=event.get("seconds", step.seconds))
    return tuple(told)
