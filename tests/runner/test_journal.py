"""The record of one operation: numbered, on disk, whole but for a torn last line."""

from __future__ import annotations

from launchpad.runner.caller import Caller
from launchpad.runner.journal import Journal, open_journals
from launchpad.runner.steps import Commit, HoldTraffic
from tests.memory.host import MemoryHost

PLAN = [HoldTraffic(tenant="alice", slot=7, side="a"), Commit()]
OPERATION = {"kind": "stop", "tenant": "alice"}


def a_journal(host: MemoryHost, identifier: str = "operation-000001") -> Journal:
    journal = Journal(host, identifier)
    journal.create(OPERATION, Caller("alice", "192.0.2.7"), PLAN)
    return journal


def test_a_plan_comes_back_as_it_was() -> None:
    assert a_journal(MemoryHost()).plan() == PLAN


def test_events_are_numbered_on_across_processes() -> None:
    host = MemoryHost()
    journal = a_journal(host)
    journal.add("operation-started")
    again = Journal(host, journal.identifier)
    again.add("committed")
    assert [(item["number"], item["event"]) for item in again.events()] == [(1, "operation-started"), (2, "committed")]
    assert [item["number"] for item in again.events(after=1)] == [2]


def test_a_torn_line_takes_no_other_with_it() -> None:
    host = MemoryHost()
    journal = a_journal(host)
    journal.add("operation-started")
    host.files[f"{journal.folder}/journal.jsonl"].data += b'{"number": 2, "event": "step-st'
    again = Journal(host, journal.identifier)
    again.add("operation-resumed", attempt=2)
    assert [item["event"] for item in again.events()] == ["operation-started", "operation-resumed"]


def test_an_operation_is_open_until_it_has_an_outcome() -> None:
    host = MemoryHost()
    later, first = a_journal(host, "operation-000002"), a_journal(host, "operation-000001")
    assert [item.identifier for item in open_journals(host)] == [later.identifier, first.identifier]
    later.finish("done")
    assert [item.identifier for item in open_journals(host)] == [first.identifier]
    assert host.read(f"{later.folder}/reserve") is None
