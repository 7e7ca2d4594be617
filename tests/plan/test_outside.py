"""What hosts see of one another from outside stands with whom it is about."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from launchpad.errors import HostError, LaunchpadError
from launchpad.plan.health import healths
from launchpad.plan.observed import HostSeen
from launchpad.plan.outside import with_outside
from launchpad.plan.standing import standings
from launchpad.runner.facts import Fact, Grade, Layer
from tests.plan.examples import has, host, want

NAME = "alice.example.com"
FAILS = Fact(
    Layer.edge, Grade.critical, f"{NAME}, asked from web-2: answers 502", tenant="alice", host="web-1",
    subject=f"outside {NAME}", at=5000.0, since=4900.0,
)  # fmt: skip
SILENT = Fact(Layer.peer, Grade.critical, "web-1 does not answer", host="web-1", subject="peer", at=5000.0)


def fleet(*facts: Fact, reached: bool = True, **changes: Any) -> dict[str, HostSeen | LaunchpadError]:
    """web-1 with alice, as the inventory has it, and web-2 that looks at web-1 and has another clock."""
    own = host(has(domains=(NAME,), **changes))["web-1"]
    other = dataclasses.replace(host(name="web-2")["web-2"], clock=5060.0, outside=facts)
    error = HostError("web-1: cannot connect: timed out", hint="")
    return with_outside({"web-1": own if reached else error, "web-2": other})


def graded(seen: dict[str, HostSeen | LaunchpadError]) -> dict[str, Grade]:
    found = standings([want()], seen, inventory=frozenset({"alice"}))
    return {item.name: item.grade for item in healths(found, seen)}


def test_the_worse_of_inside_and_outside_counts_with_who_looked() -> None:
    seen = fleet(FAILS)
    assert graded(seen) == {"web-1": Grade.ok, "web-2": Grade.ok, "alice": Grade.critical}
    (found,) = standings([want()], seen, inventory=frozenset({"alice"}))
    assert found.state == "warning" and not found.good
    assert f"{NAME}, asked from web-2: answers 502" in found.remarks[0]
    (fact,) = found.health
    assert (fact.at, fact.since) == (1000.0, 900.0), "by the clock of the host that it is about"


@pytest.mark.parametrize(
    ("fact", "changes"),
    [
        (FAILS, {"running": False}),
        (FAILS, {"retired": True}),
        (FAILS, {"gone": "web-3"}),
        (FAILS.but(subject="outside old.example.com"), {}),
        (FAILS.but(tenant="zoe"), {}),
        (FAILS.but(at=4000.0), {}),
        (FAILS.but(host="web-3"), {}),
    ],
)
def test_what_is_no_longer_so_is_left_out(fact: Fact, changes: dict[str, Any]) -> None:
    found = fleet(fact, **changes)["web-1"]
    assert isinstance(found, HostSeen)
    assert found.tenants["alice"].health == () and found.health == ()


def test_a_silent_host_is_critical_and_so_is_one_that_answers_its_operator_alone() -> None:
    assert graded(fleet(SILENT, reached=False))["web-1"] is Grade.critical
    assert graded(fleet(reached=False))["web-1"] is Grade.unknown
    seen = fleet(SILENT)
    assert graded(seen) == {"web-1": Grade.critical, "web-2": Grade.ok, "alice": Grade.ok}
    said = seen["web-1"]
    assert isinstance(said, HostSeen)
    assert [item.message for item in said.findings] == ["web-1 does not answer"]


def test_what_a_host_cannot_tell_says_nothing() -> None:
    assert graded(fleet(SILENT.but(grade=Grade.unknown)))["web-1"] is Grade.ok
