"""The worst grade of a tenant, a host and the fleet, by the watch's facts and by what the inventory knows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from launchpad.errors import HostError, LaunchpadError
from launchpad.plan.health import Health, healths
from launchpad.plan.observed import FindingSeen, HostSeen, TenantSeen
from launchpad.plan.standing import standings
from launchpad.plan.wanted import Wanted
from launchpad.runner.facts import Fact, Grade, Layer, worst
from tests.plan.examples import has, host, want

NOW = 1060.0
READY = Fact(Layer.ready, Grade.ok, "answers", tenant="alice", at=NOW - 5)
KEY = Fact(Layer.provider, Grade.warning, "the key was revoked", tenant="alice", at=NOW - 600)


def judged(seen: TenantSeen | None, wanted: Wanted | None = None, **own: Any) -> dict[str, Health]:
    """Host and tenants, by name; `own` is what the host says of itself."""
    hosts: dict[str, HostSeen | LaunchpadError] = {}
    for name, said in host(*([seen] if seen else [])).items():
        hosts[name] = HostSeen(**{**vars(said), **own})
    found = standings([wanted or want()], hosts, inventory=frozenset({"alice"}))
    return {item.name: item for item in healths(found, hosts)}


def test_what_is_well_is_ok_and_keeps_its_facts() -> None:
    found = judged(has(health=(READY,)))
    assert [item.grade for item in found.values()] == [Grade.ok, Grade.ok]
    assert found["alice"].facts == (READY,) and found["alice"].wrong == ()


def test_the_worst_fact_decides_and_comes_first() -> None:
    dead = READY.but(grade=Grade.critical, message="does not answer")
    found = judged(has(health=(KEY, READY, dead)))["alice"]
    assert (found.grade, found.layers) == (Grade.critical, (Layer.ready, Layer.provider))
    assert found.facts == (dead, KEY, READY)


@pytest.mark.parametrize(
    ("fact", "old"), [(READY, 301), (KEY, 2701), (READY.but(layer=Layer.updates, tenant=""), 7201)]
)
def test_a_fact_that_is_too_old_is_unknown(fact: Fact, old: float) -> None:
    for age, grade in ((old - 2, fact.grade), (old, Grade.unknown)):
        assert judged(has(health=(fact.but(at=NOW - age),)))["alice"].facts[0].grade is grade


def test_a_finding_that_no_fact_tells_is_one() -> None:
    silent = FindingSeen(subject="docker", message="Docker does not answer", hint="launchpad provision web-1", since=0)
    stale = FindingSeen(subject="watch", message="not watched", hint="", since=1.0)
    found = judged(has(), findings=(silent, stale))["web-1"]
    assert (found.grade, found.layers) == (Grade.critical, (Layer.docker, Layer.watch))
    fact = Fact(Layer.docker, Grade.critical, "Docker ended", subject="engine", at=NOW)
    assert judged(has(), findings=(silent,), health=(fact,))["web-1"].facts == (fact,)


def test_a_problem_of_the_host_is_told_once() -> None:
    full = Fact(Layer.disk, Grade.warning, "only 5 MiB are free", hint="launchpad prune", at=NOW)
    problem = "only 5 MiB are free: launchpad prune"
    assert judged(has(), problems=(problem,), health=(full,))["web-1"].facts == (full,)
    (found,) = judged(has(), problems=(problem,))["web-1"].facts
    assert (found.grade, found.message) == (Grade.warning, problem)


@pytest.mark.parametrize(
    ("seen", "wanted", "grade", "layer", "message"),
    [
        (None, want(), Grade.critical, Layer.process, "is in the inventory and not on the host"),
        (None, want(running=False), Grade.ok, None, ""),
        (has(running=False), want(), Grade.critical, Layer.process, "stopped, and the inventory says that it runs"),
        (has(running=False), want(running=False), Grade.ok, None, ""),
        (has(breaker="web died 5 times"), want(), Grade.critical, Layer.process, "web died 5 times"),
        (has(starting=True), want(), Grade.warning, Layer.process, "its host has booted and has not started it yet"),
        (has(traffic_open=False), want(), Grade.critical, Layer.ready, "should run"),
        (
            has(drift=("a file was changed",)),
            want(),
            Grade.warning,
            Layer.process,
            "changed by hand: a file was changed",
        ),
        (has(operation="op-1", traffic_open=False), want(), Grade.ok, None, ""),
    ],
)
def test_what_the_inventory_knows_counts(
    seen: TenantSeen | None, wanted: Wanted, grade: Grade, layer: Layer | None, message: str
) -> None:
    found = judged(seen, wanted)["alice"]
    assert found.grade is grade
    assert found.layers == ((layer,) if layer else ())
    assert message in "; ".join(fact.message for fact in found.wrong)


def test_a_tenant_that_the_inventory_does_not_know_is_a_warning() -> None:
    hosts: dict[str, HostSeen | LaunchpadError] = {**host(has("mallory"), has("gone", retired=True, running=False))}
    found = {item.name: item for item in healths(standings([], hosts, inventory=frozenset()), hosts)}
    assert (found["mallory"].grade, found["gone"].grade) == (Grade.warning, Grade.ok)
    (fact,) = found["mallory"].wrong
    assert fact.message == "runs on web-1: not in the inventory"
    assert fact.hint == "launchpad retire mallory --host web-1"


def test_without_docker_a_tenant_is_not_told_to_be_changed_by_hand() -> None:
    drifted = has(drift=("Docker does not answer",))
    assert judged(drifted)["alice"].grade is Grade.warning
    assert judged(drifted, docker="")["alice"].grade is Grade.ok


def test_a_silent_host_is_unknown_and_so_are_its_tenants() -> None:
    silent = HostError("web-1: cannot connect: timed out", hint="launchpad trust web-1")
    found = standings([want()], {"web-1": silent}, inventory=frozenset({"alice"}))
    own, alice = healths(found, {"web-1": silent})
    assert (own.grade, alice.grade) == (Grade.unknown, Grade.unknown)
    assert (own.facts[0].message, own.facts[0].hint) == ("cannot connect: timed out", silent.hint)
    assert worst(item.grade for item in (own, alice)) is Grade.unknown


def test_its_json_has_each_fact_with_its_age() -> None:
    plain = json.loads(json.dumps(judged(has(health=(KEY,)))["alice"].as_json()))
    assert (plain["grade"], plain["layers"], plain["tenant"]) == ("warning", ["provider"], "alice")
    assert (plain["facts"][0]["age_seconds"], plain["facts"][0]["layer"]) == (600.0, "provider")
