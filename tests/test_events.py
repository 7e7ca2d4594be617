"""Events: read from the wire, written to JSON, tolerant of what is newer."""

from __future__ import annotations

from typing import Any

import pytest

from launchpad.errors import HostError
from launchpad.events import NAMES, HeardEvent, OtherEvent, Outline, StepDone, event_as_json, event_from_line

SAMPLES: dict[str, dict[str, Any]] = {
    "operation-started": {
        "operation": "op-1",
        "kind": "deploy",
        "tenant": "alice",
        "who": "bob",
        "from": "198.51.100.4",
        "steps": [{"step": "drain", "title": "wait for open requests"}],
    },
    "operation-resumed": {"attempt": 2},
    "step-started": {"index": 0, "step": "drain", "title": "wait for open requests"},
    "step-progress": {"index": 0, "text": "3 left"},
    "step-done": {"index": 0, "step": "drain", "seconds": 1.5},
    "step-failed": {"index": 0, "step": "drain", "message": "no", "lines": ["a", "b"]},
    "committed": {},
    "undo-started": {"reason": "cancelled"},
    "step-undone": {"index": 0, "step": "drain"},
    "undo-failed": {"index": 0, "step": "drain", "message": "no"},
    "operation-finished": {"outcome": "done", "message": "", "seconds": 2.0},
    "confirm-needed": {"index": 0, "nonce": "n-1", "seconds": 60.0},
    "name-astray": {"name": "a.example.com", "leads_to": ["192.0.2.9"], "record": "a.example.com. A 192.0.2.7"},
    "came-back": {"kind": "rollback", "since": 1790000000.0, "outcome": "done"},
    "connection-cut": {"reason": "reset"},
    "wave-started": {"ring": "canary", "tenants": 2, "hosts": 1, "back": ""},
    "member-ended": {"ring": "canary", "outcome": "changed", "message": "", "seconds": 2.0},
    "wave-soaking": {"ring": "canary", "seconds": 60.0},
    "wave-judged": {"ring": "canary", "verdict": "fail", "reason": "1 of 2 failed"},
    "maintenance-progress": {"text": "waiting"},
}


def line(name: str) -> dict[str, Any]:
    return {"type": "event", "number": 3, "at": 1790000000.5, "event": name} | SAMPLES[name]


def test_every_event_has_a_sample() -> None:
    assert set(SAMPLES) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_an_event_comes_back_as_it_was_sent(name: str) -> None:
    event = event_from_line(line(name))
    assert type(event) is NAMES[name]
    assert {"type": "event"} | event_as_json(event) == line(name)


def test_what_is_newer_is_passed_over_or_kept_as_it_is() -> None:
    assert event_from_line(line("step-done") | {"colour": "red"}) == event_from_line(line("step-done"))
    other = event_from_line(line("step-done") | {"event": "step-paused"})
    assert isinstance(other, OtherEvent)
    assert event_as_json(other)["seconds"] == 1.5


@pytest.mark.parametrize(
    "change",
    [{"number": "3"}, {"number": None}, {"at": None}, {"index": "0"}, {"index": None}, {"step": ...}],
)
def test_an_event_that_is_not_whole_is_an_error(change: dict[str, Any]) -> None:
    broken = {key: value for key, value in (line("step-done") | change).items() if value is not ...}
    with pytest.raises(HostError, match="incomplete event: 'step-done'"):
        event_from_line(broken)


def test_steps_are_records() -> None:
    event = event_from_line(line("operation-started"))
    assert event.steps == (Outline(step="drain", title="wait for open requests"),)  # type: ignore[attr-defined]


def test_heard_is_one_flat_object() -> None:
    heard = HeardEvent(
        host="web-1", operation="op-1", tenant="alice", event=StepDone(number=1, at=2.0, index=0, step="x")
    )
    assert heard.as_json() == {
        "host": "web-1",
        "tenant": "alice",
        "operation": "op-1",
        "number": 1,
        "at": 2.0,
        "event": "step-done",
        "index": 0,
        "step": "x",
        "seconds": 0.0,
    }
