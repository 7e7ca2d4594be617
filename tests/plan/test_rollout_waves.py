"""Rings, verdicts and what an undo has to do: tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from launchpad.errors import HostError, LaunchpadError
from launchpad.fleet.model.rings import Reach, Ring
from launchpad.fleet.model.rings import RolloutDefaults as Settings
from launchpad.fleet.words.quantities import Duration
from launchpad.plan.observed import HostSeen, ProbeSeen, TenantSeen
from launchpad.plan.rollout_waves import (
    BACK,
    FORTH,
    Candidate,
    HostSaid,
    MemberState,
    Operation,
    attempt_of,
    judgement,
    newest_intent,
    operation_id,
    spread,
    states,
    to_take_back,
    way_of,
)
from launchpad.runner.journal import IDENTIFIER
from launchpad.runner.protocol import Intent, Member, Rollout, Wave
from tests.plan.examples import has as tenant
from tests.plan.examples import host as hosts

ID = "0mhcq2k3a-7f3k9"


def host(*tenants: TenantSeen) -> HostSeen:
    return hosts(*tenants)["web-1"]


def settings(*rings: str, **more: Any) -> Settings:
    return Settings(rings=tuple(Ring(ring=Reach(ring)) for ring in rings), **more)


def fleet(count: int, *, hosts: int = 1, canaries: int = 0, sick: Iterable[int] = ()) -> list[Candidate]:
    return [
        Candidate(
            tenant=f"t{number}",
            host=f"web-{number % hosts}",
            version="1",
            ring="canary" if number < canaries else "",
            well=number not in sick,
        )
        for number in range(count)
    ]


@pytest.mark.parametrize(
    ("count", "canaries", "rings", "sizes"),
    [
        (50, 3, ("canary", "1%", "10%", "50%", "all"), {"canary": 3, "10%": 2, "50%": 20, "all": 25}),
        (50, 0, ("canary", "1%", "10%", "50%", "all"), {"1%": 1, "10%": 4, "50%": 20, "all": 25}),
        (1000, 0, ("1%", "10%", "50%", "all"), {"1%": 10, "10%": 90, "50%": 400, "all": 500}),
        (1, 0, ("canary", "1%", "10%", "50%", "all"), {"1%": 1}),
        (2, 2, ("canary", "all"), {"canary": 2}),
        (3, 1, ("all", "canary"), {"all": 2, "canary": 1}),
        (0, 0, ("all",), {}),
    ],
)
def test_a_ring_takes_its_share_of_all_with_those_before_it(
    count: int, canaries: int, rings: tuple[str, ...], sizes: dict[str, int]
) -> None:
    made = spread(fleet(count, canaries=canaries), settings(*rings), seed="s")
    assert {wave.ring: len(wave.members) for wave in made} == sizes
    told = [member.tenant for wave in made for member in wave.members]
    assert sorted(told) == sorted(item.tenant for item in fleet(count)), "each of them once"


def test_chance_is_the_seed_s_alone_and_even_over_the_hosts() -> None:
    rings = settings("10%", "50%", "all")
    made = spread(fleet(60, hosts=3), rings, seed="s")
    assert made == spread(reversed(fleet(60, hosts=3)), rings, seed="s")
    assert made != spread(fleet(60, hosts=3), rings, seed="another")
    for wave in made:
        counts = Counter(member.host for member in wave.members)
        assert max(counts.values()) - min(counts.values()) <= 1, (wave.ring, counts)


def test_who_is_not_well_goes_last_unless_it_names_a_ring() -> None:
    made = spread(fleet(10, canaries=1, sick=(0, 4)), settings("canary", "50%", "all"), seed="s")
    places = {member.tenant: wave.ring for wave in made for member in wave.members}
    assert (places["t0"], places["t4"]) == ("canary", "all")
    assert [member.tenant for wave in made for member in wave.members if not member.proves] == ["t0", "t4"]


def test_a_ring_has_its_own_soak_and_budget_or_the_rollout_s() -> None:
    own = Ring(ring=Reach("10%"), soak=Duration(600), budget=2)
    made = spread(fleet(20), Settings(rings=(own, Ring(ring=Reach("all"))), soak=Duration(60), budget=1), seed="s")
    assert [(wave.soak, wave.budget) for wave in made] == [(600, 2), (60, 1)]


def test_ids_of_its_operations_are_ids_and_tell_the_way() -> None:
    longest = "0mhcq2k3a-7f3k9-00000000"[:24]
    assert IDENTIFIER.fullmatch(operation_id(longest, "alice", FORTH))
    ids = {operation_id(ID, name, way, attempt) for name in ("a", "b") for way in (FORTH, BACK) for attempt in (1, 2)}
    assert len(ids) == 8
    later = [operation_id(longest, "alice", BACK, attempt) for attempt in range(1, 31)]
    assert len(set(later)) == 30 and all(map(IDENTIFIER.fullmatch, later))
    assert [attempt_of(longest, identifier) for identifier in later] == list(range(1, 31))
    assert way_of(ID, operation_id(ID, "alice", BACK)) == BACK
    assert way_of("0mhcq2k3a-other", operation_id(ID, "alice", BACK)) == ""


# --- how a tenant stands ----------------------------------------------------------------------------------------------


ROLLOUT = Rollout(
    id=ID,
    app="echo",
    version="2",
    waves=(Wave(ring="all", soak=0, budget=0, members=(Member(tenant="alice", host="web-1", version="1"),)),),
    tenant_soak=0,
    rehearse=True,
    timeout=60,
    patience=60,
    revision="",
)


def operation(way: str, outcome: str, *, at: float = 0.0, attempt: int = 1) -> Operation:
    identifier = operation_id(ID, "alice", way, attempt)
    return Operation(id=identifier, tenant="alice", outcome=outcome, message="why", at=at, seconds=10.0)


def stands(has: TenantSeen | None, *operations: Operation, proves: bool = True) -> MemberState:
    seen = replace(host(*([has] if has else [])), clock=100.0)
    (wave,) = ROLLOUT.waves
    rollout = ROLLOUT.but(waves=(wave.but(members=(wave.members[0].but(proves=proves),)),))
    return states(rollout, {"web-1": HostSaid(seen=seen, operations=operations, intent=None)})["alice"]


OLD, NEW = tenant("alice", version="1"), tenant("alice", version="2")
SICK = replace(NEW, probes=(ProbeSeen(kind="ready", service="web", ok=False, detail="answered 503"),))


@pytest.mark.parametrize(
    ("has", "operations", "outcome"),
    [
        (OLD, (), "waiting"),
        (OLD, (operation(FORTH, ""),), "running"),
        (NEW, (operation(FORTH, "done"),), "changed"),
        (NEW, (operation(FORTH, "incomplete"),), "changed"),
        (OLD, (operation(FORTH, "undone"),), "failed"),
        (OLD, (operation(FORTH, "cancelled"),), "failed"),
        (SICK, (operation(FORTH, "done"),), "failed"),
        (replace(NEW, breaker="died too often"), (operation(FORTH, "done"),), "failed"),
        (replace(SICK, operation="x"), (operation(FORTH, "done"),), "changed"),
        (OLD, (operation(FORTH, "done"),), "failed"),
        (NEW, (), "left"),
        (None, (), "left"),
        (replace(OLD, retired=True), (), "left"),
        (replace(OLD, running=False), (), "left"),
        (OLD, (operation(FORTH, "done"), operation(BACK, "done", at=1)), "undone"),
        (NEW, (operation(FORTH, "done"), operation(BACK, "", at=1)), "running"),
        (NEW, (operation(FORTH, "done"), operation(BACK, "undone", at=1)), "changed"),
    ],
)
def test_how_a_tenant_stands(has: TenantSeen | None, operations: tuple[Operation, ...], outcome: str) -> None:
    assert stands(has, *operations).outcome == outcome


def test_one_that_failed_before_is_not_held_against_the_version() -> None:
    assert stands(SICK, operation(FORTH, "done"), proves=False).outcome == "changed"


def test_a_host_that_is_silent_leaves_its_tenants_unknown() -> None:
    said = states(ROLLOUT, {"web-1": HostError("web-1: no route to host", hint="later")})["alice"]
    assert (said.outcome, said.message, said.silent) == ("unknown", "no route to host", True)


def test_how_long_it_goes_well_is_the_host_s_own_clock() -> None:
    assert stands(NEW, operation(FORTH, "done", at=50.0)).steady == 40.0


# --- verdicts ---------------------------------------------------------------------------------------------------------


def wave(outcomes: str, budget: int) -> tuple[Wave, dict[str, MemberState]]:
    words = {"c": "changed", "f": "failed", "u": "unknown", "w": "waiting", "l": "left", "b": "changed"}
    known: dict[str, MemberState] = {
        f"t{index}": MemberState(
            tenant=f"t{index}",
            host="h",
            ring="r",
            outcome=words[letter],  # type: ignore[arg-type]
            proves=letter != "b",
        )
        for index, letter in enumerate(outcomes)
    }
    members = tuple(Member(tenant=name, host="h", version="1") for name in known)
    return Wave(ring="r", soak=0, budget=budget, members=members), known


@pytest.mark.parametrize(
    ("outcomes", "budget", "verdict"),
    [
        ("ccc", 0, "pass"),
        ("ccl", 0, "pass"),
        ("ccf", 0, "fail"),
        ("ccf", 1, "pass"),
        ("cff", 1, "fail"),
        ("cfw", 0, "fail"),
        ("ccw", 0, "open"),
        ("ccu", 0, "inconclusive"),
        ("ccu", 1, "pass"),
        ("cfu", 1, "inconclusive"),
        ("wuu", 0, "open"),
        ("ccb", 0, "inconclusive"),
        ("ccb", 1, "pass"),
        ("l", 0, "pass"),
    ],
)
def test_verdicts(outcomes: str, budget: int, verdict: str) -> None:
    judged = judgement(*wave(outcomes, budget))
    assert judged.verdict == verdict
    assert bool(judged.reason) is any(letter in outcomes for letter in "fub")


def test_the_last_word_is_the_one_with_the_highest_serial_on_any_host() -> None:
    def said(serial: int) -> HostSaid:
        return HostSaid(seen=host(), operations=(), intent=Intent(serial=serial, what="go"))

    error: LaunchpadError = HostError("x")
    found = newest_intent([said(2), error, said(5), replace(said(1), intent=None)])
    assert found is not None and found.serial == 5
    assert newest_intent([error]) is None


def test_an_undo_takes_the_last_wave_back_first_and_only_what_the_rollout_changed() -> None:
    first, known = wave("cfwul", 0)
    last = Wave(ring="z", soak=0, budget=0, members=(Member(tenant="z", host="h", version="1"),))
    z = MemberState(tenant="z", host="h", ring="z", outcome="failed", version="2", operation="op", ailing=True)
    rollout = ROLLOUT.but(waves=(first, last))
    found = [
        (item.ring, [state.tenant for state in members]) for item, members in to_take_back(rollout, {**known, "z": z})
    ]
    assert found == [("z", ["z"]), ("r", ["t0"])]
