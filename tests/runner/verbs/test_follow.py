"""follow: every event once, from any number on, and an end."""

from __future__ import annotations

from typing import Any

import pytest

from launchpad.runner import paths
from launchpad.runner.journal import Journal
from launchpad.runner.protocol import Refused
from launchpad.runner.verbs.follow import follow
from tests.memory.releases import release
from tests.runner.verbs.view import CALLER, MemoryView, deployed

IDENTIFIER = "operation-of-alice"


def told(host: MemoryView, **body: Any) -> list[dict[str, Any]]:
    return list(follow(host, {"id": IDENTIFIER, **body}, CALLER))


def test_a_finished_operation_is_told_from_its_beginning_to_its_outcome() -> None:
    *events, last = told(deployed())
    assert [event["number"] for event in events] == list(range(1, len(events) + 1))
    assert {event["type"] for event in events} == {"event"}
    assert (events[0]["event"], events[-1]["event"]) == ("operation-started", "operation-finished")
    body = last["body"]
    assert (last["type"], body["id"], body["outcome"]) == ("reply", IDENTIFIER, "done")
    assert body["release"] == release(domains=("alice.example.com",))[0].short
    assert set(body) == {"id", "outcome", "message", "lines", "release", "seconds"}


def test_what_was_heard_before_is_not_told_again() -> None:
    host = deployed()
    everything = told(host)
    assert told(host, after=5) == everything[5:]


class Written(MemoryView):
    """A host on which another process goes on with the operation while this one waits."""

    def wait(self, seconds: float) -> None:
        super().wait(seconds)
        if self.plan_of_the_other:
            self.plan_of_the_other.pop(0)()

    plan_of_the_other: list[Any]


def unfinished() -> tuple[Written, Journal]:
    host = Written()
    host.plan_of_the_other = []
    deployed(host=host)
    journal = Journal(host, IDENTIFIER)
    host.remove(f"{journal.folder}/outcome.json")
    host.remove(f"{journal.folder}/journal.jsonl")
    return host, Journal(host, IDENTIFIER)


def test_events_are_told_as_they_are_written() -> None:
    host, journal = unfinished()
    journal.add("operation-started")
    lines = follow(host, {"id": IDENTIFIER}, CALLER)
    assert next(lines)["event"] == "operation-started"
    host.plan_of_the_other = [lambda: journal.add("step-started", index=0), lambda: journal.finish("done")]
    assert [line.get("event", line["type"]) for line in lines] == ["step-started", "operation-finished", "reply"]


def test_a_torn_line_is_told_once_it_is_whole() -> None:
    host, journal = unfinished()
    host.append(f"{journal.folder}/journal.jsonl", b'{"number":1,"event":"a"}\n{"number":2,"ev')
    host.plan_of_the_other = [
        lambda: host.append(f"{journal.folder}/journal.jsonl", b'ent":"b"}\n'),
        lambda: host.write(f"{journal.folder}/outcome.json", b'{"outcome":"done","message":"","lines":[],"seconds":1}'),
    ]
    assert [line["event"] for line in told(host) if line["type"] == "event"] == ["a", "b"]


def test_a_quiet_operation_is_followed_only_so_long_and_the_follower_says_that_it_lives() -> None:
    host, _ = unfinished()
    begun = host.now()
    *alive, last = told(host, seconds=40)
    assert [line["type"] for line in alive] == ["alive", "alive"]
    assert last["body"]["outcome"] == "running"
    assert 40 <= host.now() - begun < 42


def test_an_operation_that_is_not_known_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        list(follow(deployed(), {"id": "operation-other"}, CALLER))
    assert refused.value.kind == "state"


@pytest.mark.parametrize("body", [{}, {"id": "../../etc"}, {"id": 7}, {"id": IDENTIFIER, "after": "1"}, {"what": 1}])
def test_a_malformed_request_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        list(follow(deployed(), body, CALLER))


def test_following_changes_nothing() -> None:
    host = deployed()
    calls = len(host.calls)
    told(host)
    assert host.calls[calls:] == []
    assert host.read(f"{paths.operation(IDENTIFIER)}/outcome.json") is not None
