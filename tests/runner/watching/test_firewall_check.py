"""The packet filter is put back, whoever changed it; where that fails, tenants are cut off."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from launchpad.runner import booting, paths, slots
from launchpad.runner.account import Account, Finding, done_by_watch
from launchpad.runner.facts import Layer, fact_of
from launchpad.runner.protocol import canonical, record_as_json
from launchpad.runner.provision import reverts
from launchpad.runner.provision.reverts import CONFIRMED
from launchpad.runner.provision.reverts import FIREWALL as FILE
from launchpad.runner.watching.firewall_check import DOCKER_SECONDS, TABLE, TRY_SECONDS, FirewallCheck, differences
from tests.memory.filter import rules
from tests.memory.host import File
from tests.runner.verbs.view import MemoryView, deployed, record_of, reopened

TEXT = "input: drop\ntenant: one; two; three\n"
A_SIDE = {slots.address(7, index, "a") for index in range(slots.MOST_SERVICES)}


@dataclass
class Guarded(MemoryView):
    def __post_init__(self) -> None:
        self.filter.links = {"docker0": True, "lp-7": True}
        self.filter.docker_rules()


class Watched:
    """A host with alice, whose firewall was loaded by its unit, and the check that watches it."""

    def __init__(self, **filtered: Any) -> None:
        self.host = Guarded()
        deployed(host=self.host)
        self.host.files[FILE] = File(TEXT.encode())
        self.filter = self.host.filter
        self.filter.tables[TABLE] = rules(TEXT)
        for name, value in filtered.items():
            setattr(self.filter, name, value)
        self.check = FirewallCheck(self.host, Account(self.host, ()))
        self.look()

    def look(self) -> list[Finding]:
        return list(self.check.look())

    def healed(self) -> list[Finding]:
        """What is found once it has heard of what happened."""
        self.check.pause()
        return self.look()

    def noted(self) -> list[str]:
        return [line.message for line in done_by_watch(self.host)]


# --- comparing

ONE_OPERAND = [{"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "lp-*"}}, {"drop": None}]
HELD: list[dict[str, Any]] = [
    {"table": {"family": "inet", "name": "launchpad", "flags": ["owner", "persist"]}},
    {"chain": {"name": "input", "hook": "input", "prio": 0, "policy": "drop"}},
    {"rule": {"chain": "input", "expr": ONE_OPERAND}},
    {"rule": {"chain": "input", "expr": [{"accept": None}]}},
    {"set": {"name": "internal", "elem": ["10.0.0.0"]}},
]


def _changed(index: int, *path: Any, to: Any) -> list[dict[str, Any]]:
    made = copy.deepcopy(HELD)
    place: Any = made[index]
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return made


OPENED = {
    "one operand of one rule": (_changed(2, "rule", "expr", 0, "match", "right", to="lx-*"), "chain input"),
    "a verdict": (_changed(2, "rule", "expr", 1, to={"accept": None}), "chain input"),
    "a policy": (_changed(1, "chain", "policy", to="accept"), "chain input"),
    "a priority": (_changed(1, "chain", "prio", to=-1), "chain input"),
    "an element of a set": (_changed(4, "set", "elem", to=[]), "set internal"),
    "a table that sleeps": (_changed(0, "table", "flags", to=["dormant"]), "the table was changed"),
    "a rule is missing": (HELD[:2] + HELD[3:], "chain input"),
    "a rule comes first": ([*HELD[:2], HELD[3], *HELD[2:]], "chain input"),
    "two rules change places": ([*HELD[:2], HELD[3], HELD[2], HELD[4]], "chain input"),
    "another chain": ([*HELD, {"chain": {"name": "mine"}}], "chain mine was added"),
    "a set is missing": (HELD[:4], "set internal is missing"),
    "all of it": ([], "the table is missing"),
}


def test_who_owns_the_table_is_no_difference() -> None:
    assert differences(_changed(0, "table", "flags", to=[]), HELD) == []


@pytest.mark.parametrize(("held", "says"), OPENED.values(), ids=OPENED.keys())
def test_one_operand_of_one_rule_shows(held: list[dict[str, Any]], says: str) -> None:
    (said,) = differences(HELD, held)
    assert says in said


# --- the host's own table


def test_the_watch_adopts_what_the_unit_loaded_and_says_nothing_of_it() -> None:
    watched = Watched()
    assert watched.filter.mine
    assert (watched.look(), watched.noted(), watched.check.facts) == ([], [], {"owned": True, "last": None})


@pytest.mark.parametrize("can_own", [True, False])
def test_a_table_that_somebody_deleted_is_back_and_history_names_the_process(can_own: bool) -> None:
    watched = Watched(can_own=can_own)
    del watched.filter.tables[TABLE]
    watched.filter.changed(TABLE)
    assert watched.healed() == []
    assert differences(rules(TEXT), watched.filter.held(TABLE)) == []
    assert watched.noted() == ["nft, process 4321 changed the firewall (the table is missing); the watch restored it"]
    assert watched.check.facts["owned"] == can_own
    assert watched.check.facts["last"]["message"] == watched.noted()[-1]


def test_one_rule_is_put_back_where_the_kernel_lets_nobody_own_a_table() -> None:
    watched = Watched(can_own=False)
    watched.filter.tables[TABLE] = rules(TEXT.replace("two", "accept"))
    watched.filter.changed(TABLE)
    assert watched.healed() == []
    assert watched.filter.held(TABLE) == rules(TEXT)
    assert "chain tenant was changed" in watched.noted()[0]


def test_what_was_not_heard_of_is_seen_all_the_same() -> None:
    watched = Watched(can_own=False)
    watched.filter.tables[TABLE] = rules("input: accept\n")
    before = watched.host.elapsed()
    watched.healed()
    assert watched.filter.held(TABLE) == rules(TEXT)
    assert watched.host.elapsed() - before <= 30.0 + TRY_SECONDS


def test_it_looks_at_once_when_a_provision_asks_the_watch_to() -> None:
    watched = Watched()
    before = watched.host.elapsed()
    watched.host.write(paths.LOOK_AGAIN, str(before + 5).encode())
    watched.check.pause()
    assert watched.host.elapsed() - before < 1


def test_who_asks_to_change_it_may_and_the_watch_takes_the_new_one() -> None:
    watched = Watched()
    watched.filter.asked = True
    watched.check.pause()
    assert not watched.filter.mine
    new = "input: another\n"
    watched.host.files[FILE] = File(new.encode())
    watched.filter.tables[TABLE] = rules(new)
    assert watched.look() == []
    assert watched.filter.mine
    assert differences(rules(new), watched.filter.held(TABLE)) == []
    assert watched.noted() == []


def test_a_host_whose_firewall_was_taken_back_has_none() -> None:
    watched = Watched()
    watched.filter.asked = True
    watched.check.pause()
    del watched.host.files[FILE], watched.filter.tables[TABLE]
    assert watched.look() == []
    assert TABLE not in watched.filter.tables


@pytest.mark.parametrize("left", [None, b"broken", b"input: accept\n"])
def test_a_file_that_a_hand_changed_opens_nothing_and_is_put_back(left: bytes | None) -> None:
    watched = Watched()
    watched.host.files[CONFIRMED] = File(TEXT.encode())
    del watched.host.files[FILE]
    if left is not None:
        watched.host.files[FILE] = File(left)
        watched.filter.tables[TABLE] = rules(left.decode())
    assert watched.look() == []
    assert watched.host.read(FILE) == TEXT.encode()
    assert differences(rules(TEXT), watched.filter.held(TABLE)) == []
    assert "/etc/launchpad/firewall.nft was changed" in watched.noted()[0]


def test_a_file_that_a_provision_changes_is_the_new_one() -> None:
    watched = Watched()
    new = "input: another\n"
    watched.host.files |= {CONFIRMED: File(TEXT.encode()), FILE: File(new.encode())}
    watched.filter.tables[TABLE] = rules(new)
    revert = reverts.Revert(nonce="0" * 16, operation="provision-1", kind="access", state="waiting")
    path = f"{reverts.folder(revert.nonce)}/revert.json"
    watched.host.files[path] = File(canonical(record_as_json(revert)))
    watched.look()
    assert watched.host.read(FILE) == new.encode()
    watched.host.files[path] = File(canonical(record_as_json(revert.but(state="reverted"))))
    watched.look()
    assert watched.host.read(FILE) == TEXT.encode()


def test_where_all_fails_the_tenants_are_cut_off_until_it_is_back() -> None:
    watched = Watched()
    watched.filter.tables.pop(TABLE)
    watched.filter.refuses = True
    before = watched.host.elapsed()
    (found,) = watched.look()
    assert "cannot be restored, so tenants are disconnected" in found.message
    assert watched.filter.links == {"docker0": True, "lp-7": False}
    assert watched.host.elapsed() - before < TRY_SECONDS + 1
    watched.filter.refuses = False
    assert watched.look() == []
    assert watched.filter.links == {"docker0": True, "lp-7": True}
    assert "the watch reconnected the tenants" in watched.noted()[-1]


# --- the gate


def test_after_a_flush_the_gate_lets_in_who_serves_and_nobody_else() -> None:
    watched = Watched()
    watched.filter.flush()
    assert watched.healed() == []
    assert watched.filter.whole
    assert watched.host.opened == A_SIDE
    assert any("changed the traffic gate" in line and "process 4321" in line for line in watched.noted())


def test_a_gate_that_was_damaged_before_the_watch_began_keeps_who_passes_and_who_is_mute() -> None:
    """Above all of an operation, which opens and mutes by itself: nothing else tells the watch who that is."""
    watched = Watched()
    reopened(watched.host)
    watched.host.muted = {slots.address(7, 0, "b")}
    watched.filter.whole = False
    watched.check = FirewallCheck(watched.host, Account(watched.host, ()))
    watched.look()
    assert watched.filter.whole
    assert (watched.host.opened, watched.host.muted) == (A_SIDE, {slots.address(7, 0, "b")})


@pytest.mark.parametrize(
    ("record", "opened"),
    [({}, A_SIDE), ({"running": False}, set()), ({"retired": True}, set())],
)
def test_who_passes_is_who_serves(record: dict[str, Any], opened: set[Any]) -> None:
    watched = Watched()
    value = record_of(watched.host) | record
    watched.host.files[paths.record("alice")] = File(json.dumps(value).encode())
    watched.host.opened = {slots.address(7, 0, "b"), slots.address(7, 0, "a")}
    watched.look()
    assert watched.host.opened == opened


def test_the_gate_is_an_operations_as_long_as_it_works_on_the_tenant() -> None:
    watched = Watched()
    watched.host.opened.clear()
    reopened(watched.host)
    watched.look()
    assert watched.host.opened == set()


def test_a_damaged_manifest_keeps_nobody_from_the_gate() -> None:
    watched = Watched()
    watched.host.write(f"{paths.release('alice', record_of(watched.host)['started'])}/release.json", b"{}")
    watched.filter.flush()
    assert watched.healed() == []
    assert watched.host.opened == A_SIDE


def test_while_the_host_boots_the_gate_is_the_boot_units() -> None:
    watched = Watched()
    watched.host.files[booting.BOOTS] = File(b"")
    watched.host.opened.clear()
    watched.look()
    assert watched.host.opened == set()
    booting.see_to(watched.host, ["alice"])
    watched.look()
    assert watched.host.opened == A_SIDE


def test_ports_of_mail_that_the_release_does_not_name_are_closed_again() -> None:
    watched = Watched()
    watched.host.mail = {(slots.address(7, 0, "a"), 587)}
    watched.look()
    assert watched.host.mail == set()


# --- Docker's rules


def wait(watched: Watched) -> Iterator[list[Finding]]:
    for _ in range(12):
        yield watched.healed()


@pytest.mark.parametrize("lost", ["everything", "one bridge's"])
def test_docker_makes_its_rules_again(lost: str) -> None:
    watched = Watched()
    watched.look()
    if lost == "everything":
        watched.filter.flush()
    else:
        watched.filter.tables["ip nat"].pop()
        watched.filter.changed("ip nat")
    list(wait(watched))
    assert watched.filter.renewed == 1
    assert "nft, process 4321 removed Docker's firewall rules" in watched.noted()[-1]


def test_a_docker_that_only_starts_is_given_its_time() -> None:
    watched = Watched()
    watched.filter.flush()
    watched.host.docker_down = True
    list(wait(watched))
    assert watched.filter.renewed == 0


def test_what_docker_itself_takes_out_for_a_moment_is_nothing() -> None:
    watched = Watched()
    taken = watched.filter.tables["ip nat"].pop()
    watched.look()
    watched.host.wait(DOCKER_SECONDS / 2)
    watched.filter.tables["ip nat"].append(taken)
    list(wait(watched))
    assert watched.filter.renewed == 0


def test_rules_that_do_not_come_back_are_found_and_docker_is_not_started_again_and_again() -> None:
    watched = Watched()
    watched.filter.renew_docker = lambda: setattr(watched.filter, "renewed", watched.filter.renewed + 1)  # type: ignore[method-assign]
    watched.filter.flush()
    found: list[Finding] = []
    for _ in range(30):
        found = watched.healed()
    assert watched.filter.renewed == 1
    assert [item.subject for item in found] == ["docker-rules"]
    assert fact_of(found[0], tenant="", at=0).layer is Layer.firewall, "Docker itself is well"
