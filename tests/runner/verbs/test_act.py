"""act: only what the release offers, with arguments that are nothing but arguments."""

from __future__ import annotations

from typing import Any

import pytest

from launchpad.runner import cell, paths
from launchpad.runner.host import CommandOutput, Failed
from launchpad.runner.protocol import Action, Refused
from launchpad.runner.verbs.act import act, filled
from tests.memory.releases import release
from tests.runner.verbs.view import CALLER, MemoryView, answer, deployed, record_of

APPROVE = Action(name="approve", service="web", argv=("beacon", "approve", "{0}", "--as={1}"), timeout_seconds=7)
LINK = Action(name="open", service="web", argv=("beacon", "link"), timeout_seconds=9999)


def offering(*actions: Action) -> MemoryView:
    """A host where the tenant's release has these actions."""
    host = deployed()
    made = release(domains=("alice.example.com",))[0].but(actions=actions)
    cell.place(host, made, {})
    record = record_of(host) | {"release": made.short}
    cell.put_record(host, "alice", record)
    return host


def ask(host: MemoryView, **body: Any) -> dict[str, Any]:
    return answer(act(host, {"tenant": "alice", **body}, CALLER))


def test_an_action_runs_in_its_services_container_and_says_what_it_said() -> None:
    host = offering(APPROVE)
    argv = ("beacon", "approve", "device-1", "--as=bob")
    host.answers[argv] = CommandOutput(3, "https://example.com/#token=abc", "warned")
    said = ask(host, action="approve", arguments=["device-1", "bob"])
    assert said == {"code": 3, "out": "https://example.com/#token=abc", "err": "warned"}
    assert host.executed == [("lp-alice-a-web-1", argv, 7)]


def test_no_action_takes_longer_than_ten_minutes() -> None:
    host = offering(LINK)
    host.answers["beacon", "link"] = CommandOutput(0, "", "")
    ask(host, action="open")
    assert host.executed[0][2] == 600


@pytest.mark.parametrize(
    "arguments",
    [
        *([], ["one"], ["one", "two", "three"], ["one", "--option"], ["one", ""], ["one", "a b"], ["one", "a\nb"]),
        *(["one", "$(id)"], ["one", "a;b"], ["one", "a" * 129], ["one", 7], ["one", None], ["{1}", "two"]),
    ],
)
def test_what_is_no_argument_is_refused(arguments: list[Any]) -> None:
    host = offering(APPROVE)
    with pytest.raises(Refused):
        ask(host, action="approve", arguments=arguments)
    assert host.executed == []


def test_each_place_gets_its_argument_wherever_it_stands() -> None:
    action = Action(name="x", service="web", argv=("{0}", "{1}", "{0}"))
    assert filled(action, ["one", "two"]) == ["one", "two", "one"]


def test_an_action_whose_places_have_a_gap_takes_nothing() -> None:
    with pytest.raises(Refused):
        filled(Action(name="x", service="web", argv=("{1}",)), ["one"])


def test_what_the_release_does_not_offer_is_refused_and_the_hint_says_what_it_does() -> None:
    with pytest.raises(Refused) as refused:
        ask(offering(APPROVE), action="sh")
    assert "approve" in refused.value.hint


def test_a_tenant_that_is_not_here_is_refused() -> None:
    for name in ("bob", "../alice", ""):
        with pytest.raises(Refused):
            ask(offering(APPROVE), tenant=name, action="approve")


def test_a_tenant_that_is_stopped_is_refused() -> None:
    host = offering(LINK)
    host.dies("lp-alice-a-web-1")
    with pytest.raises(Refused) as refused:
        ask(host, action="open")
    assert refused.value.hint == "launchpad start alice"


def test_a_release_that_was_changed_by_hand_offers_nothing() -> None:
    host = offering(LINK)
    path = f"{paths.release('alice', record_of(host)['release'])}/release.json"
    host.write(path, (host.read(path) or b"").replace(b"link", b"evil"))
    with pytest.raises(Refused):
        ask(host, action="open")
    assert host.executed == []


def test_an_action_that_does_not_end_is_a_step_that_failed() -> None:
    class Slow(MemoryView):
        def execute(self, container: str, argv: Any, *, seconds: float) -> CommandOutput:
            raise Failed(f"{argv[0]} was still running after {seconds:g} s")

    host = offering(LINK)
    slow = Slow(**{name: getattr(host, name) for name in host.__dataclass_fields__})
    with pytest.raises(Refused) as refused:
        ask(slow, action="open")
    assert refused.value.kind == "step"
