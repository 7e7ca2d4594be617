"""What is proven of a host's loss."""

from __future__ import annotations

from dataclasses import replace

import pytest

from launchpad.plan.loss import ago, loss_fact, minutes
from launchpad.runner.facts import Fact, GameDay, Grade, Layer, Returned
from tests.plan.examples import host

DAY = 86_400.0
MONTH = 30 * DAY


def returned(tenant: str, problem: str = "") -> Returned:
    return Returned(tenant=tenant, host="web-2", seconds=70.0, problem=problem)


def judged(age: float, *tenants: Returned) -> Fact:
    last = GameDay(seconds=840.0, tenants=tenants or tuple(returned(f"t{index}") for index in range(12)), at=1000.0)
    return loss_fact("web-1", replace(host()["web-1"], clock=1000.0 + age, gameday=last), every=MONTH)


def test_what_was_proven_is_said_with_its_age() -> None:
    found = judged(3 * DAY + 5)
    assert (found.layer, found.grade, found.hint) == (Layer.loss, Grade.ok, "")
    assert found.message == "12 of 12 back in 14 min, proven 3 days ago"
    assert (found.value, found.limit) == (3 * DAY + 5, MONTH)


def test_a_proof_grows_old() -> None:
    assert judged(MONTH).grade is Grade.ok
    found = judged(MONTH + 1)
    assert (found.grade, found.hint) == (Grade.warning, "launchpad gameday web-1")


def test_who_did_not_come_back_is_named() -> None:
    found = judged(2 * DAY, returned("alice"), *(returned(name, "broken") for name in ("bob", "carl", "dora", "eve")))
    assert found.grade is Grade.warning
    assert found.message == "1 of 5 back in 14 min, tried 2 days ago; not back: bob, carl, dora and 1 more"


def test_what_was_never_tried_is_a_warning() -> None:
    found = loss_fact("web-1", host()["web-1"], every=MONTH)
    assert (found.grade, found.message, found.value) == (Grade.warning, "never proven", None)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(40, "within the last hour"), (3600, "1 hour ago"), (86_399, "23 hours ago"), (DAY, "1 day ago")],
)
def test_an_age(seconds: float, said: str) -> None:
    assert ago(seconds) == said


@pytest.mark.parametrize(("seconds", "said"), [(40.4, "40 s"), (89, "89 s"), (100, "2 min"), (840, "14 min")])
def test_a_time(seconds: float, said: str) -> None:
    assert minutes(seconds) == said
