"""An SSH key alone changes nothing: what changes a tenant must be signed, by this person, for this host, just now."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from benchkit.sshd import make_key

from launchpad.runner import paths
from launchpad.runner.__main__ import answers
from launchpad.runner.caller import Caller
from launchpad.runner.journal import Journal
from launchpad.runner.judge.intent import KEPT_SECONDS, MOST_SECONDS, UNSIGNED, judge_intent, signed_text
from launchpad.runner.protocol import (
    CHANGING_VERBS,
    READING_VERBS,
    SIGNED_VERBS,
    Envelope,
    Refused,
    Request,
    SignedIntent,
    canonical,
    request_from_line,
)
from launchpad.runner.verbs.submit import KEYS as KINDS
from launchpad.ssh.archive import sign
from launchpad.ssh.intents import intent_for
from tests.memory.system import BareHost
from tests.runner.provision.settings import IMAGE, settings
from tests.runner.provision.test_kill_points import body, run

STOP = {"id": "operation-000001", "operation": {"kind": "stop", "tenant": "alice"}, "secrets": {}, "follow": False}
DEPLOY = {
    "id": "operation-000002",
    "operation": {"kind": "deploy", "tenant": "alice", "release": {}, "inventory": {"revision": "a", "ancestors": []}},
}
SEND = {"tenant": "alice", "generation": "generation-1"}


@cache
def key_of(name: str) -> tuple[Path, str]:
    """A real signing key of the person, and its public half."""
    path = make_key(Path(mkdtemp(prefix="launchpad-")) / name)
    return path, " ".join(path.with_name(f"{name}.pub").read_text().split()[:2])


def signs(name: str = "alice") -> Callable[[bytes], str]:
    return lambda data: sign(data, key=key_of(name)[0], namespace="launchpad-intent")


@dataclass
class Asked:
    """A host that knows alice (an admin), bob (who signs for tenants) and carol (who signs nothing), asked by one."""

    host: BareHost
    clock: float = 0.0

    def request(self, verb: str, given: dict[str, Any], **intent: Any) -> Request:
        line = {"protocol": 1, "client": "0.0.1", "verb": verb, "body": given} | intent
        return request_from_line(json.dumps(line).encode())

    def judge(
        self, verb: str, given: dict[str, Any], *, caller: str = "alice", root: bool = False, **intent: Any
    ) -> None:
        judge_intent(self.host, self.request(verb, given, **intent), Caller(caller, root=root))

    def refusal(self, verb: str, given: dict[str, Any], **how: Any) -> str:
        before = {path: file.data for path, file in self.host.files.items()}
        with pytest.raises(Refused) as refused:
            self.judge(verb, given, **how)
        assert {path: file.data for path, file in self.host.files.items()} == before
        assert refused.value.hint or refused.value.kind == "request" or "signature is for" in refused.value.message
        return refused.value.message

    def signed(self, verb: str, given: dict[str, Any], /, *, by: str = "alice", **changes: Any) -> dict[str, Any]:
        """The intent that the client sends, with some of its envelope changed before it is signed."""
        made = intent_for("web-1", verb, given, lambda _: "")["intent"]["envelope"]
        made["until"] = int(self.host.now()) + 600
        envelope = Envelope(**(made | changes))
        text = signed_text(envelope)
        return {"intent": {"envelope": json.loads(text), "signature": signs(by)(text)}}


@pytest.fixture
def asked() -> Iterator[Asked]:
    host = BareHost(registry={IMAGE})
    people = [{"name": name, "keys": [key_of(f"{name}-ssh")[1]]} for name in ("alice", "bob", "carol")]
    given = settings(
        operators=people,
        allowed_signers=[{"name": "alice", "keys": [key_of("alice")[1]]}],
        intent_signers=[{"name": "bob", "keys": [key_of("bob")[1]]}],
    )
    assert run(host, body(given)) == "done"
    yield Asked(host)


def test_what_is_signed_by_who_speaks_is_carried_out(asked: Asked) -> None:
    for caller in ("alice", "bob"):
        for verb, given in (("submit", STOP), ("submit", DEPLOY), ("send", SEND)):
            asked.judge(verb, given, caller=caller, **asked.signed(verb, given, by=caller))


@pytest.mark.parametrize("verb", sorted(SIGNED_VERBS - {"submit", "cancel"}))
def test_each_verb_that_changes_a_tenant_or_shows_its_inside_must_be_signed(asked: Asked, verb: str) -> None:
    assert "is not signed" in asked.refusal(verb, SEND)
    asked.judge(verb, SEND, **asked.signed(verb, SEND))


@pytest.mark.parametrize("kind", sorted(set(KINDS) - UNSIGNED.keys()))
def test_each_operation_must_be_signed_but_those_of_cron(asked: Asked, kind: str) -> None:
    given = STOP | {"operation": {"kind": kind, "tenant": "alice"}}
    assert f"{kind} needs alice's signing key" in asked.refusal("submit", given)
    asked.judge("submit", given, **asked.signed("submit", given))


@pytest.mark.parametrize("kind", sorted(UNSIGNED))
def test_what_cron_does_needs_no_signature_and_any_other_option_does(asked: Asked, kind: str) -> None:
    given = {"kind": kind} | dict.fromkeys(UNSIGNED[kind], "x")
    assert KINDS[kind] >= given.keys()
    asked.judge("submit", STOP | {"operation": given}, caller="carol")
    for option in {"future", *KINDS[kind]} - given.keys():
        assert "is not signed" in asked.refusal("submit", STOP | {"operation": given | {option: "x"}}, caller="carol")


def test_only_what_security_md_names_is_changed_without_a_signature() -> None:
    assert {"install", "previous", "confirm", "expect"} == CHANGING_VERBS - SIGNED_VERBS


def test_what_only_reads_needs_none(asked: Asked) -> None:
    for verb in READING_VERBS - SIGNED_VERBS:
        asked.judge(verb, {})


def test_root_of_the_host_needs_none(asked: Asked) -> None:
    asked.judge("submit", STOP, root=True)


def test_an_operation_of_no_known_form_must_be_signed_too(asked: Asked) -> None:
    for operation in (None, [], "start", {"kind": ["start"]}, {"kind": "begin"}, {}):
        assert "is not signed" in asked.refusal("submit", {"id": "operation-000001", "operation": operation})


def test_a_signature_of_somebody_else_is_none(asked: Asked) -> None:
    for caller, by in (
        ("bob", "alice"),
        ("alice", "bob"),
        ("carol", "carol"),
        ("carol", "alice"),
        ("alice", "mallory"),
    ):
        refused = asked.refusal("submit", STOP, caller=caller, **asked.signed("submit", STOP, by=by))
        assert refused == f"this request is not signed by {caller} with a key that this host knows"


def test_a_signer_who_was_removed_is_none(asked: Asked) -> None:
    made = asked.signed("submit", STOP, by="bob")
    asked.judge("submit", STOP, caller="bob", **made)
    signers = asked.host.files[f"{paths.ETC}/allowed_signers"]
    signers.data = b"\n".join(line for line in signers.data.splitlines() if not line.startswith(b"bob"))
    assert "is not signed by bob" in asked.refusal("submit", STOP, caller="bob", **made)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"host": "web-2"}, "another host"),
        ({"fleet": "others"}, "another fleet"),
        ({"verb": "act"}, "another verb"),
        ({"body": "sha256:" + "0" * 64}, "another body"),
        ({"format": 2}, "another format"),
    ],
)
def test_a_signature_for_something_else_is_none(asked: Asked, changes: dict[str, Any], why: str) -> None:
    assert why in asked.refusal("submit", STOP, **asked.signed("submit", STOP, **changes))


@pytest.mark.parametrize(
    "other",
    [
        {"kind": "stop", "tenant": "bob"},
        {"kind": "retire", "tenant": "alice"},
        {"kind": "stop", "tenant": "alice", "purge": True},
    ],
)
def test_a_signature_holds_for_its_body_alone(asked: Asked, other: dict[str, Any]) -> None:
    made = asked.signed("submit", STOP)
    assert "another body" in asked.refusal("submit", STOP | {"operation": other}, **made)


@pytest.mark.parametrize(
    "change",
    [
        {"id": "operation-000009"},
        {"operation": DEPLOY["operation"] | {"inventory": {"revision": "b", "ancestors": []}}},  # type: ignore[operator]
        {"secrets": {"TOKEN": {"version": 2, "value": "x"}}},
        {"on_behalf_of": "somebody"},
    ],
)
def test_a_signature_holds_for_the_whole_body(asked: Asked, change: dict[str, Any]) -> None:
    """A retry signs anew: the host knows the operation by its id and compares the intent."""
    assert "another body" in asked.refusal("submit", DEPLOY | change, **asked.signed("submit", DEPLOY))


@pytest.mark.parametrize(("until", "why"), [(-60, "ended 6"), (0, "ended"), (MOST_SECONDS + 1, "would hold")])
def test_a_signature_holds_for_minutes_by_the_hosts_clock(asked: Asked, until: int, why: str) -> None:
    made = asked.signed("submit", STOP, until=int(asked.host.now()) + until)
    assert why in asked.refusal("submit", STOP, **made)


def test_a_changed_envelope_is_not_what_was_signed(asked: Asked) -> None:
    made = asked.signed("submit", STOP, until=int(asked.host.now()) - 60)
    made["intent"]["envelope"]["until"] += 120
    assert "is not signed by alice" in asked.refusal("submit", STOP, **made)


def test_a_signature_over_settings_or_a_runner_is_none(asked: Asked) -> None:
    made = asked.signed("submit", STOP)
    text = canonical(made["intent"]["envelope"])
    for namespace in ("launchpad-settings", "launchpad-runner", "file"):
        made["intent"]["signature"] = sign(text, key=key_of("alice")[0], namespace=namespace)
        assert "is not signed by alice" in asked.refusal("submit", STOP, **made)


def test_who_is_no_admin_signs_no_settings_and_no_runner(asked: Asked) -> None:
    signers = (asked.host.read(f"{paths.ETC}/allowed_signers") or b"").decode()
    for namespace, right in (("launchpad-settings", False), ("launchpad-runner", False), ("launchpad-intent", True)):
        made = sign(b"text", key=key_of("bob")[0], namespace=namespace)
        named = {"signature": made, "signers": signers, "signer": "bob", "namespace": namespace}
        assert asked.host.system.verified(b"text", **named) is right


@pytest.mark.parametrize(("verb", "given"), [("send", SEND), ("submit", STOP)])
def test_a_signed_request_is_carried_out_once(asked: Asked, verb: str, given: dict[str, Any]) -> None:
    """Also a submit that is refused then, or that has nothing to do: it leaves no journal."""
    made = asked.signed(verb, given)
    asked.judge(verb, given, **made)
    assert "was carried out before" in asked.refusal(verb, given, **made)
    asked.judge(verb, given, **asked.signed(verb, given))


def test_an_operation_of_ones_own_is_cancelled_without_a_signature_but_no_provision(asked: Asked) -> None:
    operations = {"own": ("alice", "start"), "theirs": ("bob", "start"), "signed": ("alice", "stop")}
    for name, (who, kind) in operations.items():
        journal = Journal(asked.host, f"operation-{name}")
        journal.create({"kind": kind, "tenant": "alice"}, Caller(who), ())
    Journal(asked.host, "operation-evicts").create({"kind": "provision", "settings": {}}, Caller("alice"), ())
    asked.judge("cancel", {"id": "operation-own"})
    for name in ("theirs", "signed", "evicts", "nothing"):
        assert "cancel needs" in asked.refusal("cancel", {"id": f"operation-{name}"})


def test_used_signatures_are_forgotten_long_after_their_time(asked: Asked) -> None:
    for _ in range(3):
        asked.judge("send", SEND, **asked.signed("send", SEND))
    assert len(asked.host.names(paths.INTENTS)) == 3
    asked.host.clock += KEPT_SECONDS + 2 * MOST_SECONDS
    asked.judge("send", SEND, **asked.signed("send", SEND))
    assert len(asked.host.names(paths.INTENTS)) == 1


def test_half_characters_are_refused_and_no_bug(asked: Asked) -> None:
    made = asked.signed("send", SEND)
    assert "half characters" in asked.refusal("send", SEND | {"tenant": "\ud800"}, **made)
    made["intent"]["envelope"]["revision"] = "\ud800"
    assert "half characters" in asked.refusal("send", SEND, **made)
    made = asked.signed("send", SEND)
    made["intent"]["signature"] = "\ud800"
    assert "half characters" in asked.refusal("send", SEND, **made)
    assert "would hold" in asked.refusal("send", SEND, **asked.signed("send", SEND, until=10**400))


def test_a_nonce_that_is_a_path_is_refused(asked: Asked) -> None:
    assert "nonce" in asked.refusal("send", SEND, **asked.signed("send", SEND, nonce="../../../etc/passwd"))


def test_the_request_itself_is_judged_before_its_verb_is_asked(asked: Asked) -> None:
    with pytest.raises(Refused, match="is not signed"):
        list(answers(asked.request("submit", STOP), "alice", asked.host))


def test_the_client_signs_what_a_host_wants_signed_and_nothing_else() -> None:
    told: list[bytes] = []

    def noted(data: bytes) -> str:
        told.append(data)
        return "SIGNATURE"

    assert intent_for("web-1", "observe", {}, noted) == {}
    assert intent_for("web-1", "submit", STOP | {"operation": {"kind": "start", "tenant": "alice"}}, noted) == {}
    assert intent_for("web-1", "submit", STOP, None) == {}, "without a key the host says what is missing"
    assert told == []
    made = SignedIntent(**intent_for("web-1", "submit", DEPLOY, noted)["intent"])
    envelope = Envelope(**made.envelope)  # type: ignore[arg-type]
    assert (envelope.host, envelope.verb, envelope.revision) == ("web-1", "submit", "a")
    assert told == [signed_text(envelope)]


def test_two_tries_are_two_signatures() -> None:
    first, second = (intent_for("web-1", "send", SEND, lambda _: "s")["intent"]["envelope"] for _ in range(2))
    assert first["nonce"] != second["nonce"] and first["body"] == second["body"]
