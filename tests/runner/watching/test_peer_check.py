"""A host looks at another one from outside: whether it is silent, whose fault that is, and who is told."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from launchpad.runner import paths
from launchpad.runner.account import Account
from launchpad.runner.alerting.state import Silences, keep
from launchpad.runner.expected import Expectations, keep_expected
from launchpad.runner.facts import Fact, Grade, Layer
from launchpad.runner.provision.settings_record import SETTINGS
from launchpad.runner.view import SiteAnswer
from launchpad.runner.watching.alert_check import AlertCheck
from launchpad.runner.watching.peer_check import NAME, PeerCheck
from launchpad.runner.wire.alert_bodies import Silence
from tests.memory.data import File
from tests.runner.alerting.told import TEAM, telling
from tests.runner.provision.settings import settings
from tests.runner.verbs.view import MemoryView

PEER = {"host": "web-2", "address": "203.0.113.9", "witness": "203.0.113.10"}
AT = "203.0.113.9:443"
WITNESS = "203.0.113.10:443"
REFUSED = "Connection refused"


class Deaf(PeerCheck):
    """No name server answers it."""

    @staticmethod
    def resolves(address: str) -> bool:
        return False


def looking(check: type[PeerCheck] = Deaf, **changes: Any) -> tuple[MemoryView, PeerCheck]:
    host = MemoryView()
    host.system = SimpleNamespace(facts=lambda keys: SimpleNamespace(resolvers=("192.0.2.53",)))
    given = settings(peer=PEER | changes)
    host.files[SETTINGS] = File(json.dumps({"serial": 1, "settings": given}).encode())
    return host, check(host, Account(host, (NAME,)))


def look(host: MemoryView, check: PeerCheck) -> list[Fact]:
    assert list(check.look()) == []
    host.wait(check.every)
    return list(check.health)


def test_a_host_that_answers_is_well_and_is_asked_each_minute() -> None:
    host, check = looking()
    (fact,) = look(host, check)
    assert (fact.layer, fact.grade, fact.host, fact.tenant) == (Layer.peer, Grade.ok, "web-2", "")
    assert fact.message == "answers web-1 on port 443"
    assert check.every == 60


def test_two_looks_without_an_answer_are_silence_and_one_is_not() -> None:
    host, check = looking()
    look(host, check)
    host.unreachable[AT] = REFUSED
    grades = [look(host, check)[0].grade for _ in range(3)]
    assert grades == [Grade.warning, Grade.critical, Grade.critical]
    assert check.health[0].message == "web-2 does not answer on port 443 (Connection refused)"
    assert check.health[0].hint == "launchpad smoke web-2 --outside-only"
    host.unreachable.clear()
    assert look(host, check)[0].grade is Grade.ok


def test_its_own_outage_is_blamed_on_nobody() -> None:
    host, check = looking()
    look(host, check)
    host.unreachable |= {AT: REFUSED, WITNESS: "Network is unreachable"}
    assert [look(host, check)[0].grade for _ in range(3)] == [Grade.unknown] * 3
    del host.unreachable[WITNESS]  # its own network is back, the other host is not: it counts from here
    assert [look(host, check)[0].grade for _ in range(2)] == [Grade.warning, Grade.critical]


def test_a_name_server_that_answers_is_a_network() -> None:
    asked: list[str] = []

    class Hears(PeerCheck):
        @staticmethod
        def resolves(address: str) -> bool:
            asked.append(address)
            return True

    host, check = looking(Hears, witness="")
    look(host, check)
    host.unreachable[AT] = REFUSED
    look(host, check)
    assert look(host, check)[0].grade is Grade.critical
    assert set(asked) == {"192.0.2.53"}


def test_a_host_that_never_answered_is_a_warning_that_asks_for_its_address() -> None:
    host, check = looking()
    host.unreachable[AT] = REFUSED
    fact = [look(host, check)[0] for _ in range(3)][-1]
    assert fact.grade is Grade.warning and "is 203.0.113.9 its public address?" in fact.message


def test_the_next_watch_knows_that_it_answered_before() -> None:
    host, check = looking()
    look(host, check)
    check.account.see(NAME, (), check.facts, check.health)
    host.unreachable[AT] = REFUSED
    again = Deaf(host, Account(host, (NAME,)))
    look(host, again)
    assert look(host, again)[0].grade is Grade.critical


def test_a_host_alone_looks_at_nobody() -> None:
    host, check = looking()
    host.files[SETTINGS] = File(json.dumps({"serial": 1, "settings": settings(peer=None)}).encode())
    assert look(host, check) == [] and "host" not in check.facts


# --- the names of its tenants


def named(host: MemoryView, **tenants: tuple[str, ...]) -> None:
    keep_expected(host, Expectations(peer="web-2", names=tenants))


def test_each_name_is_asked_every_five_minutes_and_is_a_fact_about_the_other_host_s_tenant() -> None:
    host, check = looking()
    named(host, alice=("a.example.com",), bob=("b.example.com", "c.example.com"))
    facts = [look(host, check) for _ in range(10)][-1]
    assert {(fact.tenant, fact.subject, fact.grade) for fact in facts[1:]} == {
        ("alice", "outside a.example.com", Grade.ok),
        ("bob", "outside b.example.com", Grade.ok),
        ("bob", "outside c.example.com", Grade.ok),
    }
    assert {fact.host for fact in facts} == {"web-2"} and {fact.layer for fact in facts[1:]} == {Layer.edge}
    assert sorted(host.asked) == sorted(2 * [f"203.0.113.9 https://{name}.example.com/" for name in "abc"])


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (SiteAnswer(502), "a.example.com, asked from web-1: answers 502"),
        (SiteAnswer(0, "its certificate is not valid (certificate has expired)"), "certificate has expired"),
    ],
)
def test_a_name_that_fails_twice_is_critical_and_soon_asked_again(answer: SiteAnswer, words: str) -> None:
    host, check = looking()
    named(host, alice=("a.example.com",))
    look(host, check)
    host.edge["a.example.com"] = answer
    grades = [look(host, check)[1].grade for _ in range(7)]
    assert grades[-2:] == [Grade.critical, Grade.critical] and Grade.warning in grades
    assert words in check.health[1].message and check.health[1].hint == "launchpad smoke alice"
    host.edge.clear()
    assert look(host, check)[1].grade is Grade.ok
    host.edge["a.example.com"] = SiteAnswer(404)
    assert {look(host, check)[1].grade for _ in range(7)} == {Grade.ok}, "whoever answers is reached"


def test_of_a_silent_host_no_name_is_asked_and_a_name_that_is_gone_is_forgotten() -> None:
    host, check = looking()
    named(host, alice=("a.example.com",), bob=("b.example.com",))
    look(host, check)
    named(host, bob=("b.example.com",))
    assert [fact.tenant for fact in look(host, check)] == ["", "bob"]
    host.unreachable[AT] = REFUSED
    host.asked.clear()
    assert [fact.tenant for fact in look(host, check)] == [""] and host.asked == []


def test_names_of_another_host_than_the_settings_say_and_a_damaged_file_are_none() -> None:
    host, check = looking(host="web-3")
    named(host, alice=("a.example.com",))
    assert len(look(host, check)) == 1
    host.write(paths.EXPECTED, b"{")
    assert len(look(host, check)) == 1


# --- what is sent


class Sender:
    """A host that looks at another one, and sends."""

    def __init__(self) -> None:
        self.host = telling(TEAM)
        self.account = Account(self.host, (NAME,))
        self.check = AlertCheck(self.host, self.account)

    def look(self, *facts: Fact, seconds: float = 400) -> list[str]:
        for _ in range(round(seconds / 10)):
            self.host.wait(10)
            self.account.see(NAME, (), {}, facts)
            list(self.check.look())
        return [subject for _, subject, _ in self.host.told]


SILENT = Fact(Layer.peer, Grade.critical, "web-2 does not answer on port 443 (timed out)", subject=NAME, host="web-2")
ANSWERS = SILENT.but(grade=Grade.ok)
NAMELESS = Fact(Layer.edge, Grade.critical, "answers 502", tenant="zoe", subject="outside z.example.com", host="web-2")


def test_a_silent_host_is_sent_once_and_so_is_its_end_and_its_tenants_are_not() -> None:
    sender = Sender()
    sender.look(SILENT, NAMELESS)
    assert sender.look(ANSWERS) == ["[critical] web-1: host web-2, peer", "[recovered] web-1: host web-2, peer"]
    assert "launchpad runbook host-peer" in sender.host.told[0][2]


def test_a_host_that_is_silenced_is_left() -> None:
    sender = Sender()
    until = sender.host.now() + 600
    keep(sender.host, paths.SILENCES, Silences(silences=(Silence(tenant="", until=until, who="ann", host="web-2"),)))
    assert sender.look(SILENT) == []
    own = Fact(Layer.ready, Grade.critical, "does not answer", tenant="alice", subject="web")
    assert sender.look(SILENT, own, seconds=100) == ["[critical] web-1: tenant alice, ready"]
    assert len(sender.look(SILENT, own, seconds=600)) == 2, "sent when the silence is over"
