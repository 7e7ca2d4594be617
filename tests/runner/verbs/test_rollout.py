"""A rollout's record and intent on a host: what is agreed upon never changes, and the last word is one operator's."""

from __future__ import annotations

from typing import Any

import pytest

from launchpad.runner import paths
from launchpad.runner.caller import Caller
from launchpad.runner.host import Failed
from launchpad.runner.protocol import Refused
from launchpad.runner.rollout_records import MOST_KEPT
from launchpad.runner.verbs.rollout import rollout
from launchpad.runner.verbs.rollouts import rollouts
from tests.memory.effects import Killed
from tests.runner.verbs.view import CALLER, MemoryView, answer, deployed

ID = "0mhcq2k3a-7f3k9"


def record(**changes: Any) -> dict[str, Any]:
    member = {"tenant": "alice", "host": "web-1", "version": "1.0.0", "proves": True}
    wave = {"ring": "10%", "soak": 60, "budget": 0, "members": [member]}
    usual = {
        "id": ID,
        "app": "beacon",
        "version": "1.1.0",
        "waves": [wave],
        "tenant_soak": 60,
        "rehearse": True,
        "timeout": 1800,
        "patience": 180,
        "revision": "0a1b+2c",
        "format": 1,
    }
    return usual | changes


def intent(serial: int, what: str = "go", **more: Any) -> dict[str, Any]:
    return {"serial": serial, "what": what, "passed": [], "accepted": [], "reason": ""} | more


def ask(host: MemoryView, *, caller: Caller = CALLER, **body: Any) -> dict[str, Any]:
    return answer(rollout(host, {"id": ID} | body, caller))


def told(host: MemoryView, identifier: str | None = ID) -> dict[str, Any]:
    return answer(rollouts(host, {"id": identifier} if identifier else {}, CALLER))


def test_what_was_put_is_told_with_who_put_it() -> None:
    host = MemoryView()
    ask(host, rollout=record())
    ask(host, rollout=record(), intent=intent(1))
    (found,) = told(host)["rollouts"]
    assert found["rollout"] == record()
    assert (found["who"], found["source"], found["intent"]["intent"]) == ("alice", "192.0.2.7", intent(1))
    assert told(host, None)["rollouts"] == [found]


def test_another_record_under_the_same_id_is_refused() -> None:
    host = MemoryView()
    ask(host, rollout=record())
    with pytest.raises(Refused, match="exists with other content") as caught:
        ask(host, rollout=record(version="2.0.0"))
    assert caught.value.kind == "state"
    assert told(host)["rollouts"][0]["rollout"] == record()


def test_of_two_words_at_once_the_first_counts() -> None:
    host = MemoryView()
    ask(host, rollout=record(), intent=intent(1))
    ask(host, intent=intent(2, "halt"), caller=Caller("bob"))
    ask(host, intent=intent(2, "halt"), caller=Caller("bob"))
    for late in (intent(2, "go"), intent(1, "go")):
        with pytest.raises(Refused, match="bob requested halt in the meantime"):
            ask(host, intent=late)
    ask(host, intent=intent(7, "undo"))
    assert told(host)["rollouts"][0]["intent"]["intent"]["what"] == "undo"


def test_nothing_is_said_of_what_is_not_known() -> None:
    with pytest.raises(Refused, match="there is no rollout"):
        ask(MemoryView(), intent=intent(1))


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": "../../../etc/passwd"},
        {"id": "0mhcq2k3a-another"},
        {"app": "Beacon"},
        {"version": "../1"},
        {"version": 1},
        {"waves": []},
        {"waves": [record()["waves"][0]] * 2},
        {"waves": [record()["waves"][0] | {"members": []}]},
        {"waves": [record()["waves"][0] | {"ring": "\x1b[2J"}]},
        {"waves": [record()["waves"][0] | {"budget": -1}]},
        {"waves": [record()["waves"][0] | {"more": 1}]},
        {"timeout": 10**12},
        {"revision": "a\nb"},
        {"format": 2},
        {"more": 1},
    ],
    ids=str,
)
def test_a_record_that_is_not_right_is_refused_and_leaves_nothing(wrong: dict[str, Any]) -> None:
    host = MemoryView()
    with pytest.raises(Refused):
        ask(host, rollout=record(**wrong))
    assert host.calls == []


@pytest.mark.parametrize(
    "wrong", [intent(0), intent(1, "stop"), intent(1, reason="\x1b[2J"), intent(1, reason="x" * 500), {"serial": 1}]
)
def test_an_intent_that_is_not_right_is_refused(wrong: dict[str, Any]) -> None:
    host = MemoryView()
    ask(host, rollout=record())
    with pytest.raises(Refused):
        ask(host, intent=wrong)


def test_its_operations_are_told_by_their_ids_alone() -> None:
    host = deployed()
    ask(host, rollout=record())
    assert told(host)["operations"] == []
    identifier = f"{ID}-u1-0123456789ab"
    for name in list(host.files):
        if "operation-of-alice" in name:
            host.files[name.replace("operation-of-alice", identifier)] = host.files[name]
    text = host.files[f"{paths.operation(identifier)}/operation.json"]
    text.data = text.data.replace(b"operation-of-alice", identifier.encode())
    (found,) = told(host)["operations"]
    assert (found["id"], found["kind"], found["tenant"], found["outcome"]) == (identifier, "deploy", "alice", "done")
    assert "operations" in told(host, None) and told(host, None)["operations"] == []


def test_a_host_keeps_so_many_and_the_newest() -> None:
    host = MemoryView()
    for number in range(MOST_KEPT + 3):
        identifier = f"0mhcq{number:04d}-7f3k9"
        answer(rollout(host, {"id": identifier, "rollout": record(id=identifier), "intent": intent(1)}, CALLER))
    kept = [item["rollout"]["id"] for item in told(host, None)["rollouts"]]
    assert len(kept) == MOST_KEPT
    assert kept[-1] == f"0mhcq{MOST_KEPT + 2:04d}-7f3k9"
    assert len(host.names(paths.ROLLOUTS)) == 2 * MOST_KEPT


@pytest.mark.parametrize("mode", ["before", "halfway", "after"])
def test_a_kill_leaves_a_whole_record_or_none(mode: str) -> None:
    for call in (1, 2):
        host = MemoryView(kill_at=call, kill_mode=mode)
        with pytest.raises(Killed):
            ask(host, rollout=record(), intent=intent(1))
        host.died()
        ask(host, rollout=record(), intent=intent(1))
        assert told(host)["rollouts"][0]["rollout"] == record()


def test_a_damaged_one_is_said_to_be_so() -> None:
    host = MemoryView()
    ask(host, rollout=record())
    host.files[f"{paths.ROLLOUTS}/{ID}.json"].data = b"{"
    with pytest.raises(Failed, match="cannot be read"):
        told(host)
