"""history: the operations on this host, from its own journals, newest first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from launchpad.runner import paths
from launchpad.runner.account import done_by_watch
from launchpad.runner.caller import Caller
from launchpad.runner.host import Host
from launchpad.runner.journal import IDENTIFIER, Damaged, Journal, outline
from launchpad.runner.verbs import only, reply

USUAL, MOST = 50, 1000
_RESULTS = {"step-started": "begun", "step-done": "done", "step-failed": "failed", "step-undone": "undone"}


def history(host: Host, body: Mapping[str, Any], _caller: Caller) -> Iterator[dict[str, Any]]:
    """{"operations": [{"id", "kind", "tenant", "who", "from", "at", "outcome", "message", "seconds", "steps"}],
    "watch": [{"at", "subject", "tenant", "message", "who"}]}; "watch" has the watch's own repairs.

    body {"tenant", "id", "limit"}: only this tenant, only the operation with this id, at most so many of each. An
    outcome of null means that the operation is open."""
    given = only(body, tenant=str, id=str, limit=int)
    limit = max(1, min(given["limit"] or USUAL, MOST))
    names = [given["id"]] if given["id"] else host.names(paths.OPERATIONS)
    asked = [
        (found, journal)
        for journal in (Journal(host, name) for name in names if IDENTIFIER.fullmatch(name))
        if (found := journal.asked()) is not None and given["tenant"] in (None, found["operation"].get("tenant"))
    ]
    newest = sorted(asked, key=lambda item: (item[0]["at"], item[0]["id"]), reverse=True)[:limit]
    by_itself = [
        item for item in done_by_watch(host) if given["id"] is None and given["tenant"] in (None, item["tenant"])
    ]
    operations = [_entry(found, journal) for found, journal in newest]
    yield reply({"operations": operations, "watch": by_itself[: -limit - 1 : -1]})


def _entry(asked: Mapping[str, Any], journal: Journal) -> dict[str, Any]:
    """One operation without its content, because a release's files are long."""
    outcome = journal.outcome() or {"outcome": None, "message": journal.damage(), "seconds": None}
    return {
        "id": asked["id"],
        "kind": asked["operation"]["kind"],
        "tenant": asked["operation"].get("tenant", ""),
        "who": asked["who"],
        "from": asked["from"],
        "at": asked["at"],
        "outcome": outcome["outcome"],
        "message": outcome["message"],
        "seconds": outcome["seconds"],
        "steps": _steps(_outline(journal), journal.events()),
    } | ({"after": asked["operation"]["after"]} if "after" in asked["operation"] else {})


def _outline(journal: Journal) -> Sequence[Mapping[str, str]]:
    try:
        return outline(journal.plan())
    except Damaged:
        return ()


def _steps(steps: Sequence[Mapping[str, str]], events: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each step of the plan with its state (waiting, begun, done, failed or undone) and its duration."""
    told: list[dict[str, Any]] = [{**step, "result": "waiting", "seconds": None} for step in steps]
    for event in events:
        index = event.get("index")
        if event["event"] == "committed":
            index = next((number for number, step in enumerate(steps) if step["step"] == "commit"), None)
        if index is None or not 0 <= index < len(told):
            continue
        told[index]["result"] = _RESULTS.get(event["event"], told[index]["result"])
        if event["event"] == "committed":
            told[index]["result"] = "done"
        told[index]["seconds"] = event.get("seconds", told[index]["seconds"])
    return told
