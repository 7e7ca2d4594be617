"""An older and a newer client against this runner, and this client against older and newer runners.

`protocol-1/` holds what the first release put on the wire, in both directions. It is never rewritten: what it has must
be understood for as long as protocol 1 is served; a change that cannot do so is protocol 2.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from benchkit.sshd import make_key

from launchpad import __version__
from launchpad.errors import HostError, LaunchpadError, StateError
from launchpad.events import Event, HeardEvent, OtherEvent, event_from_line
from launchpad.journal.entries import entry_of
from launchpad.operations.hosts.install_runner import bring_runner_up_to_date, look_at
from launchpad.operations.observation.status import status
from launchpad.operations.requests.outcome import outcome_from_reply
from launchpad.operations.requests.reaching import hosts_of
from launchpad.operations.tenants.deploy import deploy
from launchpad.plan.observed import host_from_reply
from launchpad.runner import engine
from launchpad.runner.__main__ import answers, check_protocol
from launchpad.runner.host import CommandOutput
from launchpad.runner.protocol import (
    PROTOCOL,
    READING_VERBS,
    VERBS,
    Refused,
    Request,
    Some,
    reply_from_json,
    request_from_line,
)
from launchpad.runner.wire.operation_bodies import HistoryReply, OutcomeReply
from launchpad.workspace import Workspace
from tests.memory.host import MemoryHost
from tests.memory.releases import deploy_body, release
from tests.memory.system import BareHost
from tests.operations.places import behave, observed, open_workspace, replies, requests, write_workspace
from tests.runner.provision.settings import IMAGE, settings
from tests.runner.verbs.view import MemoryView, deployed
from tests.ssh.sshd import Sshd
from tests.tally import Tally, tallied

RECORDED = Path(__file__).with_name("protocol-1")
ASKED: list[dict[str, Any]] = json.loads((RECORDED / "requests.json").read_text())
ANSWERED: list[dict[str, Any]] = json.loads((RECORDED / "replies.json").read_text())


@pytest.fixture(scope="module")
def holds(request: pytest.FixtureRequest) -> Iterator[Tally]:
    with tallied("skew", request) as tally:
        yield tally


def ask(host: MemoryHost, verb: str, body: dict[str, Any], *, protocol: int = PROTOCOL) -> list[dict[str, Any]]:
    """What the runner answers to one request as it comes over the wire."""
    line = json.dumps({"protocol": protocol, "client": "0.0.0", "verb": verb, "body": body}).encode()
    return list(answers(request_from_line(line), "alice", host, root=True))


def refusal(host: MemoryHost, verb: str, body: dict[str, Any], *, protocol: int = PROTOCOL) -> Refused:
    """What the runner refuses it with; the host is as it was."""
    before = deepcopy(host.files)
    with pytest.raises(Refused) as refused:
        ask(host, verb, body, protocol=protocol)
    assert host.files == before
    return refused.value


# --- clients of other protocols against this runner -------------------------------------------------------------------

SERVED = {
    7: {"hello", "install"},
    6: {"hello", "install"},
    5: VERBS,
    4: VERBS,
    3: READING_VERBS,
    2: set(),
}
"""By a client's protocol: what a runner serves that speaks 5, and 4 as the oldest."""


@pytest.mark.parametrize("client", SERVED)
def test_a_runner_serves_two_protocols_and_lets_one_older_client_read(client: int, holds: Tally) -> None:
    served, hints = set(), set()
    for verb in VERBS:
        try:
            check_protocol(Request(protocol=client, client="0.0.0", verb=verb), oldest=4, newest=5)
            served.add(verb)
        except Refused as refused:
            assert refused.kind == "protocol"
            hints.add(refused.hint)
    holds(f"a runner of protocols 4 and 5 serves a client of {client} just so", served == SERVED[client], served)
    todo = {"launchpad provision HOST"} if client > 5 else {"update Launchpad"}
    assert hints == (todo if served != VERBS else set())


def test_a_newer_client_finds_out_who_answers_and_changes_nothing(holds: Tally) -> None:
    host = deployed()
    (hello,) = ask(host, "hello", {}, protocol=PROTOCOL + 1)
    holds("a newer client is answered in the runner's protocol", hello["protocol"] == PROTOCOL, hello)
    body = deploy_body("operation-000002", release(app="beacon:2", domains=("alice.example.com",)))
    refused = refusal(host, "submit", body, protocol=PROTOCOL + 1)
    holds("a newer client's change is refused", refused.hint == "launchpad provision HOST", refused.message)


def test_an_older_client_reads_in_its_own_protocol_and_changes_nothing(holds: Tally) -> None:
    host = deployed()
    *_, reply = ask(host, "observe", {"tenants": None, "probes": True}, protocol=PROTOCOL - 1)
    holds("an older client reads, in its own protocol", reply["protocol"] == PROTOCOL - 1, reply["protocol"])
    body = deploy_body("operation-000002", release(app="beacon:2", domains=("alice.example.com",)))
    refused = refusal(host, "submit", body, protocol=PROTOCOL - 1)
    holds("an older client's change is refused", refused.hint == "update Launchpad", refused.message)


# --- what this runner does not know -----------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_a_key_that_a_verb_does_not_know_is_refused(verb: str, holds: Tally) -> None:
    known = next((item["body"] for item in ASKED if item["verb"] == verb), {})
    refused = refusal(deployed(host=MemoryView()), verb, known | {"of-the-future": True})
    holds(f"{verb} ignores no key", refused.kind == "request", refused.message)


PLACES = {
    "the request": ("future", "verb"),
    "an operation": ("body", "operation"),
    "a release": ("body", "operation", "release"),
    "a service": ("body", "operation", "release", "services", 0),
    "a probe": ("body", "operation", "release", "probes", 0),
    "an inventory's revision": ("body", "operation", "inventory"),
    "a secret": ("body", "secrets", "BEACON_TOKEN"),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_key_of_the_future_is_refused_wherever_it_stands(place: str, holds: Tally) -> None:
    host = MemoryView()
    made = release()
    host.registry |= {service.image for service in made[0].services}
    asked: dict[str, Any] = {"protocol": 1, "client": "9", "verb": "submit", "body": deploy_body("operation-1", made)}
    assert accepted(host, asked), "the control: without it the request is accepted"
    inner: Any = asked
    for key in PLACES[place] if place != "the request" else ():
        inner = inner[key]
    inner["of-the-future"] = True
    asked["body"] = asked["body"] | {"id": "operation-2"}
    before = deepcopy(host.files)
    with pytest.raises(Refused) as refused:
        list(answers(request_from_line(json.dumps(asked).encode()), "alice", host, root=True))
    holds(f"a key of the future in {place} is refused", host.files == before, refused.value.message)


def accepted(host: MemoryView, asked: dict[str, Any]) -> bool:
    (reply,) = answers(request_from_line(json.dumps(asked).encode()), "alice", deepcopy(host), root=True)
    return bool(reply["body"]["outcome"] == "running")


def test_verbs_and_forms_of_the_future_are_refused_with_what_to_update(holds: Tally) -> None:
    refused = refusal(deployed(), "rehearse", {})
    holds("an unknown verb is refused", refused.kind == "protocol" and refused.hint, refused.message)
    body = deploy_body("operation-000002", release())
    body["operation"]["release"]["format"] = 2
    refused = refusal(MemoryView(), "submit", body)
    holds("a release of another form is refused", refused.hint == "launchpad provision HOST", refused.message)
    refused = refusal(MemoryView(), "submit", body | {"operation": {"kind": "of-the-future", "tenant": "alice"}})
    holds("an unknown operation is refused", "of-the-future" not in refused.message and refused.kind == "request")
    operation = {"kind": "provision", "settings": settings() | {"of-the-future": 1}}
    refused = refusal(BareHost(), "plan", {"operation": operation})
    holds("an unknown setting of a host is refused", "of-the-future" in refused.message, refused.message)


# --- what the first release put on the wire ---------------------------------------------------------------------------


def test_every_request_of_the_first_release_is_understood(holds: Tally) -> None:
    """In their order: deployed, changed, read, acted on, restarted, stopped, started, retired, provisioned."""
    assert {item["verb"] for item in ASKED} <= VERBS
    cell, bare = MemoryView(), BareHost(registry={IMAGE})
    cell.registry |= {service["image"] for service in ASKED[1]["body"]["operation"]["release"]["services"]}
    cell.answers["beacon", "link", "device-1"] = CommandOutput(0, "https://example.com/#token", "")
    for number, asked in enumerate(ASKED):
        on_host = asked["verb"] in ("confirm", "install") or "provision" in json.dumps(asked["body"])
        host: MemoryHost = bare if on_host else cell
        said = outcome_of(host, asked)
        holds(f"request {number} of the first release is understood: {asked['verb']}", said == EXPECTED[number], said)


EXPECTED = [
    *("reply", "done", "reply", "done", "unchanged", "reply", "reply", "reply", "reply", "done", "done", "done"),
    *("reply", "reply", "reply", "done", "reply", "done", "there is no such change", "the runner is not signed"),
]


def outcome_of(host: MemoryHost, asked: dict[str, Any]) -> str:
    """`reply`, an operation's outcome, or the beginning of a refusal."""
    try:
        *_, reply = answers(request_from_line(json.dumps(asked).encode()), "alice", host, root=True)
    except Refused as refused:
        return next((text for text in EXPECTED if refused.message.startswith(text)), refused.message)
    if asked["verb"] != "submit":
        return str(reply["type"])
    if reply["body"]["outcome"] != "running":
        return str(reply["body"]["outcome"])
    for identifier in list(host.begun):
        engine.carry_out(host, identifier)
        host.begun.remove(identifier)
    host.wait(5)
    found = json.loads(host.read(f"/var/lib/launchpad/operations/{asked['body']['id']}/outcome.json") or b"{}")
    return str(found.get("outcome", "nothing"))


def test_every_answer_of_the_first_release_is_understood(holds: Tally) -> None:
    said = {item["verb"]: item["lines"] for item in ANSWERED}

    def read(kind: type[Some], verb: str) -> Some:
        return reply_from_json(kind, said[verb][-1]["body"], verb)

    events = [event_from_line(line) for line in said["submit"] if line["type"] == "event"]
    strange = [event for event in events if isinstance(event, OtherEvent)]
    holds("the first release's events are understood", len(events) > 20 and not strange, strange)
    outcome = outcome_from_reply(read(OutcomeReply, "submit"), host="web-1", tenant="alice", kind="deploy")
    holds("its outcome is understood", outcome.outcome == "done" and len(outcome.release) == 12, outcome)
    host = host_from_reply(said["observe"][-1]["body"], host="web-1")
    alice = host.tenants["alice"]
    holds("its answer to status is understood", alice.ready and alice.traffic_open and not alice.drift, alice)
    entries = [entry_of(item, host="web-1") for item in read(HistoryReply, "history").operations]
    holds("its history is understood", entries and all(entry.outcome == "done" for entry in entries), entries)


# --- this client against runners of other versions --------------------------------------------------------------------

OLDER = {"type": "error", "error": "protocol", "message": "this runner speaks protocol 0, not 1"}
UPGRADE = {"lines": [OLDER | {"code": "runner-too-old", "hint": [["provision", "@HOST"]]}], "exit": 1}


@pytest.fixture
def workspace(tmp_path: Path, sshd: Sshd) -> Workspace:
    root = write_workspace(tmp_path / "fleet", {"web-1": sshd}, {"alice": "web-1"})
    key = root.parent / ".config/launchpad/signing_ed25519"
    key.parent.mkdir(parents=True)
    make_key(key)
    return open_workspace(root, sshd)


def answers_as(protocol: int, body: dict[str, Any]) -> dict[str, Any]:
    return {"lines": [{"type": "reply", "protocol": protocol, "runner": "9.0.0", "body": body}]}


def failing(act: Any) -> LaunchpadError:
    with pytest.raises(LaunchpadError) as caught:
        act()
    return caught.value


def test_an_older_runner_is_told_apart_and_provision_is_named(workspace: Workspace, sshd: Sshd, holds: Tally) -> None:
    behave(sshd, observe=UPGRADE, submit=UPGRADE)
    found = status(workspace)
    error = found.unreachable["web-1"]
    holds("status of an older runner says what to do", error.hint == "launchpad provision web-1", error.as_dict())
    error = failing(lambda: deploy(workspace, "alice"))
    told = isinstance(error, StateError) and error.hint == "launchpad provision web-1"
    holds("a change on an older runner is refused with what to do", told, error.as_dict())


def test_an_answer_in_another_protocol_is_never_taken_for_ones_own(
    workspace: Workspace, sshd: Sshd, holds: Tally
) -> None:
    for protocol, hint in ((PROTOCOL + 1, "pipx upgrade"), (PROTOCOL - 1, "launchpad provision web-1")):
        behave(sshd, observe=answers_as(protocol, observed({})))
        error = status(workspace).unreachable["web-1"]
        holds(f"an answer in protocol {protocol} is refused", hint in error.hint, error.as_dict())


def test_a_newer_runner_is_read_and_refuses_changes(workspace: Workspace, sshd: Sshd, holds: Tally) -> None:
    body = observed({"alice": {"of-the-future": 1}}) | {"of-the-future": {"more": True}}
    body["host"] |= {"of-the-future": [1], "runner": "9.0.0", "protocol": PROTOCOL + 1}
    refused = {
        "type": "error",
        "error": "protocol",
        "message": "the host requires 2 or newer",
        "hint": "update Launchpad",
    }
    behave(sshd, observe=replies(body), submit={"lines": [refused], "exit": 1})
    found = status(workspace)
    read = not found.unreachable and found.tenants[0].version == "1.0.0"
    holds("status reads a newer runner's answer and passes over what it does not know", read, found.as_json())
    error = failing(lambda: deploy(workspace, "alice"))
    holds("a newer runner's refusal says what to update", error.hint == "update Launchpad", error.as_dict())
    behave(sshd, submit={"lines": [refused | {"error": "of-the-future", "hint": ""}], "exit": 1})
    error = failing(lambda: deploy(workspace, "alice"))
    holds("an unknown kind of refusal is an error, with what to update", "upgrade" in error.hint, error.as_dict())


def test_an_event_of_the_future_is_passed_on_and_ends_nothing(workspace: Workspace, sshd: Sshd, holds: Tally) -> None:
    event = {"type": "event", "number": 1, "at": 1.0, "event": "soaked", "minutes": 5}
    final = {"id": "0mwrr0qom-00000", "outcome": "done", "message": "", "lines": [], "release": "0" * 12, "seconds": 1}
    behave(sshd, submit={"lines": [event, {"type": "alive", "at": 2.0}, *replies(final)["lines"]]})
    heard: list[Event] = []

    def hear(what: HeardEvent) -> None:
        heard.append(what.event)

    outcome = deploy(workspace, "alice", on_event=hear)
    holds("an event of the future is told and the outcome is read", outcome.outcome == "done", outcome)
    assert heard == [OtherEvent(number=1, at=1.0, event="soaked", fields={"minutes": 5})]


# --- bringing a runner up to date -------------------------------------------------------------------------------------

HELLO = {"protocols": [0, 0], "runner": "0.0.9", "digest": "0" * 16, "name": "web-1", "clock": 1.0, "boot_id": "b"}
SWITCHED = {"outcome": "switched", "nonce": "0123456789abcdef", "seconds": 2, "version": __version__}


def bring_up(workspace: Workspace) -> bool:
    host = workspace.fleet.load().host("web-1")
    with hosts_of(workspace).reach(host) as runner:
        return bring_runner_up_to_date(workspace, host, runner, look_at(runner))


def test_a_runner_of_an_older_protocol_is_brought_up_to_date(workspace: Workspace, sshd: Sshd, holds: Tally) -> None:
    older = {"observe": UPGRADE, "plan": UPGRADE, "submit": UPGRADE}
    behave(sshd, hello=answers_as(0, HELLO), install=answers_as(0, SWITCHED), confirm=replies({}), **older)
    holds("a runner of an older protocol is replaced", bring_up(workspace))
    verbs = [request["verb"] for request in requests(sshd)]
    holds("it is asked nothing but who it is before that", verbs == ["hello", "install", "hello", "confirm"], verbs)


def test_a_newer_runner_is_never_replaced(workspace: Workspace, sshd: Sshd, holds: Tally) -> None:
    behave(sshd, hello=answers_as(PROTOCOL, HELLO | {"runner": "9.0.0"}), install=answers_as(PROTOCOL, SWITCHED))
    holds("a newer runner is left alone", not bring_up(workspace))
    assert [request["verb"] for request in requests(sshd)] == ["hello"]


def test_a_new_runner_that_does_not_answer_is_not_confirmed(workspace: Workspace, sshd: Sshd, holds: Tally) -> None:
    silent = {"exit": 1, "stderr": "Traceback\nImportError: no module named future\n"}
    behave(sshd, hello=answers_as(0, HELLO), install=answers_as(0, SWITCHED), confirm=silent)
    error = failing(lambda: bring_up(workspace))
    told = isinstance(error, HostError) and "restores the old runner" in error.message
    holds("a new runner that does not answer is told, and that the old one comes back", told, error.as_dict())
