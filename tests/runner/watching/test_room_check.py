"""A quota that is full is a finding; what a tenant uses is a fact; who has the host's room is one answer."""

from __future__ import annotations

import json

import pytest

from launchpad.runner import paths
from launchpad.runner.account import Account
from launchpad.runner.expected import Expectations, keep_expected
from launchpad.runner.facts import Grade, Layer
from launchpad.runner.verbs.names import names
from launchpad.runner.verbs.usage import usage
from launchpad.runner.watching.room_check import RoomCheck
from tests.memory.data import File
from tests.runner.verbs.view import CALLER, MemoryView, answer, deployed, record_of

MB = 1 << 20


def look(host: MemoryView) -> RoomCheck:
    check = RoomCheck(host, Account(host, ("room",)))
    check.found = list(check.look())  # type: ignore[attr-defined]
    return check


@pytest.mark.parametrize(
    ("used", "words"),
    [(100, ""), (229, ""), (231, "nearly"), (252, "errno 122"), (256, "errno 122"), (300, "errno 122")],
)
def test_a_full_quota_is_a_finding(used: int, words: str) -> None:
    host = deployed()
    host.quotas[paths.data("alice")] = used * MB, 256 * MB
    found = look(host).found  # type: ignore[attr-defined]
    assert [item.tenant for item in found] == (["alice"] if words else [])
    assert all(words in item.message for item in found)


def test_a_damaged_record_hides_no_neighbours_room() -> None:
    host = deployed()
    host.quotas[paths.data("alice")] = 256 * MB, 256 * MB
    host.files[paths.record("aaron")] = File(b"{torn")
    assert [item.tenant for item in look(host).found] == ["alice"]  # type: ignore[attr-defined]


def test_a_small_quota_is_full_before_its_last_pages() -> None:
    host = deployed()
    host.quotas[paths.data("alice")] = 15 * MB, 16 * MB
    assert "errno 122" in look(host).found[0].message  # type: ignore[attr-defined]


def test_the_quota_of_a_tenant_that_was_stopped_is_nobodys_trouble() -> None:
    host = deployed()
    host.quotas[paths.data("alice")] = 256 * MB, 256 * MB
    host.write(paths.record("alice"), json.dumps(record_of(host) | {"running": False}).encode())
    assert look(host).found == []  # type: ignore[attr-defined]


def test_what_a_tenant_uses_is_a_fact_also_while_docker_is_down() -> None:
    host = deployed()
    host.quotas[paths.data("alice")] = 10 * MB, 256 * MB
    host.used = {"lp-alice-a-web-1": (3 * MB, 64 * MB), "lp-alice-a-store-1": (2 * MB, 64 * MB)}
    assert look(host).facts["alice"] == {"disk": [10 * MB, 256 * MB], "memory": [5 * MB, 128 * MB]}
    host.docker_down = True
    assert look(host).facts["alice"] == {"disk": [10 * MB, 256 * MB], "memory": [0, 0]}


@pytest.mark.parametrize(("used", "grade"), [(100, Grade.ok), (231, Grade.warning), (256, Grade.critical)])
def test_quota_and_backups_are_facts(used: int, grade: Grade) -> None:
    host = deployed()
    host.quotas[paths.data("alice")] = used * MB, 256 * MB
    host.write(f"{paths.backup('alice')}/targets/offsite.json", json.dumps({"sent": {"at": host.now() - 60}}).encode())
    host.write(f"{paths.backup('alice')}/proven.json", json.dumps({"proven": host.now() - 90}).encode())
    found = {fact.subject: fact for fact in look(host).health}
    assert {fact.layer for fact in found.values()} == {Layer.data}
    assert (found["disk"].grade, found["disk"].value, found["disk"].limit) == (grade, used * MB, 256 * MB)
    assert found["backup"].value == pytest.approx(60, abs=1) and found["proof"].value == pytest.approx(90, abs=1)


def test_who_has_the_hosts_room_is_one_answer() -> None:
    host = deployed(tenant="bob", slot=8, host=deployed())
    host.quotas = {paths.data("alice"): (10 * MB, 256 * MB), paths.data("bob"): (20 * MB, 256 * MB)}
    found = answer(usage(host, {}, CALLER))
    assert {name: item["used"] for name, item in found["tenants"].items()} == {"alice": 10 * MB, "bob": 20 * MB}
    assert [item["tenants"] for item in found["images"].values()] == [["alice", "bob"]] * len(found["images"])
    assert found["images"]
    host.write(paths.record("bob"), b"{}")
    damaged = answer(usage(host, {}, CALLER))
    assert set(damaged["tenants"]) == {"alice", "bob"}, "a damaged record hides neither"
    assert [item["tenants"] for item in damaged["images"].values()] == [["alice"]] * len(found["images"])
    host.docker_down = True
    assert answer(usage(host, {}, CALLER))["images"] == {}


def test_a_host_says_where_names_lead() -> None:
    host = MemoryView()
    host.led["a.example.com"] = frozenset({"192.0.2.7"})
    asked = {"names": ["a.example.com", "gone.example.com"]}
    found = answer(names(host, asked, CALLER))["names"]
    assert found == {"a.example.com": ["192.0.2.7"], "gone.example.com": []}


# --- backups


@pytest.mark.parametrize(
    ("hours", "grade", "words"),
    [(10, Grade.ok, "10 h ago"), (37, Grade.warning, "37 h ago"), (97, Grade.critical, "97 h ago")],
)
def test_a_late_backup_is_known_without_an_operator(hours: float, grade: Grade, words: str) -> None:
    host = deployed()
    keep_expected(host, Expectations(backups={"alice": 24 * 3600}))
    sent = {"sent": {"at": host.now() - hours * 3600}}
    host.write(f"{paths.backup('alice')}/targets/offsite.json", json.dumps(sent).encode())
    (fact,) = [fact for fact in look(host).health if fact.subject == "backup"]
    assert (fact.layer, fact.grade) == (Layer.data, grade) and words in fact.message
    assert fact.hint == ("" if grade is Grade.ok else "launchpad backup alice")


def test_a_tenant_that_was_never_backed_up_is_late_from_its_deploy_on() -> None:
    host = deployed()
    assert [fact for fact in look(host).health if fact.subject == "backup"] == [], "nobody expects a backup"
    keep_expected(host, Expectations(backups={"alice": 3600}))
    host.wait(2 * 3600)
    (fact,) = [fact for fact in look(host).health if fact.subject == "backup"]
    assert (fact.grade, fact.message) == (Grade.warning, "has no backup")
    host.write(paths.record("alice"), json.dumps(record_of(host) | {"running": False}).encode())
    assert [fact for fact in look(host).health if fact.subject == "backup"] == [], "it was stopped"


@pytest.mark.parametrize(("days", "grade"), [(10, Grade.ok), (36, Grade.warning)])
def test_an_old_proof_is_a_warning(days: float, grade: Grade) -> None:
    host = deployed()
    proof = {"proven": host.now() - days * 86400}
    host.write(f"{paths.backup('alice')}/proven.json", json.dumps(proof).encode())
    (fact,) = [fact for fact in look(host).health if fact.subject == "proof"]
    assert fact.grade is grade
    assert fact.hint == ("" if grade is Grade.ok else "launchpad drill alice")
