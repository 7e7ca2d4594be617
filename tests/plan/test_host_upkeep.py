"""When a host may be maintained, and whether it is as well afterwards as before."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from launchpad.fleet.model.maintenance import Maintenance, Window
from launchpad.fleet.words.malformed import Malformed
from launchpad.plan.health import Health
from launchpad.plan.host_upkeep import baseline, opening, shown, unwell
from launchpad.runner.facts import Fact, Grade, Layer


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("window", "zone", "now", "opens", "closes"),
    [
        ("Sun 02:00-05:00", "UTC", "2026-11-29T02:00:00", "2026-11-29T02:00:00Z", "2026-11-29T05:00:00Z"),
        ("Sun 02:00-05:00", "UTC", "2026-11-29T05:00:00", "2026-12-06T02:00:00Z", "2026-12-06T05:00:00Z"),
        ("Sat,Sun 23:00-01:30", "UTC", "2026-11-30T01:29:00", "2026-11-29T23:00:00Z", "2026-11-30T01:30:00Z"),
        ("02:00-05:00", "Europe/Berlin", "2026-11-30T00:59:00", "2026-11-30T01:00:00Z", "2026-11-30T04:00:00Z"),
        ("02:00-05:00", "Europe/Berlin", "2026-07-01T00:30:00", "2026-07-01T00:00:00Z", "2026-07-01T03:00:00Z"),
        ("06:00-06:00", "UTC", "2026-11-30T05:00:00", "2026-11-29T06:00:00Z", "2026-11-30T06:00:00Z"),
    ],
)
def test_the_present_opening_or_the_next(window: str, zone: str, now: str, opens: str, closes: str) -> None:
    found = opening(Window(window), zone, at(now))
    assert tuple(map(shown, found)) == (opens, closes)


@pytest.mark.parametrize("text", ["Sunday 02:00-05:00", "Sun 2:00-05:00", "Sun", "24:00-05:00", "Sun,02:00-05:00"])
def test_a_window_that_nobody_can_read_is_a_mistake(text: str) -> None:
    with pytest.raises(Malformed, match="bad window"):
        Window(text)


def test_a_reboot_without_a_window_and_a_strange_time_zone_are_mistakes() -> None:
    for wrong in ({"reboot": True}, {"window": Window("02:00-03:00"), "timezone": "Mars/Base"}):
        with pytest.raises(ValueError):
            Maintenance.model_validate(wrong)


READY = Fact(Layer.ready, Grade.ok, "answers", tenant="alice", at=100.0)
EDGE = READY.but(layer=Layer.edge, subject="alice.example.com")
CADDY = Fact(Layer.caddy, Grade.ok, "answers", at=100.0)


def host(*facts: Fact) -> list[Health]:
    mine = tuple(fact for fact in facts if fact.tenant)
    own = tuple(fact for fact in facts if not fact.tenant)
    return [
        Health(host="web-1", tenant="", facts=own, clock=200.0),
        *([Health(host="web-1", tenant="alice", facts=mine, clock=200.0)] if mine else []),
    ]


def later(fact: Fact, **changes: object) -> Fact:
    return fact.but(at=150.0, **changes)


BEFORE = baseline(host(READY, EDGE, CADDY, CADDY.but(layer=Layer.memory, grade=Grade.critical)))


def test_what_is_as_before_and_was_looked_at_again_is_well() -> None:
    again = [later(fact) for fact in (READY, EDGE, CADDY)]
    assert unwell(BEFORE, host(*again), since=120.0) == ([], [])


def test_what_was_not_looked_at_since_is_waited_for() -> None:
    worse, unseen = unwell(BEFORE, host(READY, later(EDGE), later(CADDY)), since=120.0)
    assert (worse, unseen) == ([], ["alice ready: not checked yet"])
    assert unwell(BEFORE, host(later(EDGE), later(CADDY)), since=120.0)[1] == ["alice ready: not checked yet"]


@pytest.mark.parametrize("grade", [Grade.critical, Grade.unknown])
def test_what_became_bad_is_named(grade: Grade) -> None:
    bad = later(EDGE, grade=grade, message="does not answer")
    worse, _ = unwell(BEFORE, host(later(READY), bad, later(CADDY)), since=120.0)
    assert worse == ["alice edge: does not answer"]


def test_what_was_bad_before_a_warning_and_other_companies_services_stop_nobody() -> None:
    memory = later(CADDY, layer=Layer.memory, grade=Grade.critical)
    key = later(READY, layer=Layer.provider, grade=Grade.critical)
    reboot = later(CADDY, layer=Layer.reboot, grade=Grade.warning)
    again = [later(fact) for fact in (READY, EDGE, CADDY)]
    assert unwell(BEFORE, host(*again, memory, key, reboot), since=120.0) == ([], [])


def test_a_tenant_that_left_the_account_is_not_missed() -> None:
    assert unwell(BEFORE, host(later(CADDY)), since=120.0) == ([], [])
