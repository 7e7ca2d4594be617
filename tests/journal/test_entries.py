"""Entries of the hosts' journals, read and ordered."""

from __future__ import annotations

from typing import Any

import pytest

from launchpad.errors import HostError
from launchpad.journal.entries import entry_from_json, newest_first

WHOLE: dict[str, Any] = {
    "id": "op-1",
    "kind": "deploy",
    "tenant": "alice",
    "who": "bob",
    "from": "198.51.100.4",
    "at": 1790000000.5,
    "outcome": "done",
    "message": "",
    "seconds": 12.5,
    "steps": [{"step": "drain", "title": "wait for open requests", "result": "done", "seconds": 0.5}],
}


def test_an_entry_is_read_whole() -> None:
    entry = entry_from_json(WHOLE | {"colour": "red"}, host="web-1")
    assert (entry.host, entry.source, entry.steps[0].result) == ("web-1", "198.51.100.4", "done")
    assert entry.as_json()["steps"] == WHOLE["steps"]


def test_an_operation_that_goes_on_has_no_outcome() -> None:
    entry = entry_from_json(WHOLE | {"outcome": None, "seconds": None, "steps": None}, host="web-1")
    assert not entry.outcome
    assert entry.seconds is None


@pytest.mark.parametrize("change", [{"id": ...}, {"at": "noon"}, {"steps": [{}]}, {"seconds": "long"}])
def test_an_entry_that_is_not_whole_names_its_host(change: dict[str, Any]) -> None:
    broken = {key: value for key, value in (WHOLE | change).items() if value is not ...}
    with pytest.raises(HostError, match="web-1: the journal"):
        entry_from_json(broken, host="web-1")


def test_the_newest_comes_first_whichever_host_it_is_of() -> None:
    entries = [entry_from_json(WHOLE | {"id": f"op-{at}", "at": at}, host=f"web-{at}") for at in (2, 9, 5)]
    assert [entry.id for entry in newest_first(entries)] == ["op-9", "op-5", "op-2"]
