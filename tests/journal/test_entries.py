"""Entries of the hosts' journals, read and ordered."""

from __future__ import annotations

from typing import Any

from launchpad.journal.entries import Entry, entry_of, newest_first
from launchpad.runner.protocol import reply_from_json
from launchpad.runner.wire.operation_bodies import PastOperation

WHOLE: dict[str, Any] = {
    "id": "op-1",
    "kind": "deploy",
    "tenant": "alice",
    "who": "bob",
    "source": "198.51.100.4",
    "at": 1790000000.5,
    "outcome": "done",
    "message": "",
    "seconds": 12.5,
    "steps": [{"step": "drain", "title": "wait for open requests", "result": "done", "seconds": 0.5}],
}


def entry(value: dict[str, Any], *, host: str = "web-1") -> Entry:
    return entry_of(reply_from_json(PastOperation, value, "history"), host=host)


def test_an_entry_is_read_whole() -> None:
    found = entry(WHOLE | {"colour": "red"})
    assert (found.host, found.source, found.steps[0].result) == ("web-1", "198.51.100.4", "done")
    assert found.as_json()["steps"] == WHOLE["steps"]


def test_an_operation_that_goes_on_has_no_outcome() -> None:
    found = entry(WHOLE | {"outcome": None, "seconds": None, "steps": []})
    assert not found.outcome
    assert found.seconds is None


def test_the_newest_comes_first_whichever_host_it_is_of() -> None:
    entries = [entry(WHOLE | {"id": f"op-{at}", "at": at}, host=f"web-{at}") for at in (2, 9, 5)]
    assert [item.id for item in newest_first(entries)] == ["op-9", "op-5", "op-2"]
