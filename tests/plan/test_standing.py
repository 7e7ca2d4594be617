"""How a tenant stands, in one word that is right."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from launchpad.errors import HostError, InventoryError
from launchpad.plan.observed import FindingSeen, TenantSeen
from launchpad.plan.standing import STATES, STILL, TROUBLE, standings
from launchpad.plan.wanted import Wanted
from launchpad.runner.facts import Fact, Grade, Layer
from tests.plan.examples import has, host, probe, want

ALICE = frozenset({"alice"})


@pytest.mark.parametrize(
    ("wanted", "seen", "state", "remark"),
    [
        (want(), has(), "healthy", ""),
        (want(), has(probes=(probe("ready"), probe("channel", ok=False, detail="answered 503"))), "warning", "503"),
        (want(), has(probes=(probe("ready", ok=False, detail="did not answer"),)), "unhealthy", "did not answer"),
        (want(), has(traffic_open=False), "unhealthy", ""),
        (want(), has(breaker="web died 5 times"), "broken", "web died 5 times"),
        (want(), has(operation="op-1"), "changing", ""),
        (want(), has(running=False), "stopped", "the inventory says running: true (launchpad start alice)"),
        (want(running=False), has(running=False), "stopped", ""),
        (want(running=False), has(), "healthy", "the inventory says running: false (launchpad stop alice)"),
        (want(), has(retired=True, running=False), "retired", "still in the inventory"),
        (want(), has(gone="web-2", running=False), "moved", "moved to web-2: git pull"),
        (want(), None, "absent", ""),
        (want(running=False), None, "stopped", ""),
        (want(release="c" * 12, version="2.0.0"), has(), "healthy", "behind the inventory: version 1.1.0 → 2.0.0"),
        (want(release="c" * 12, version="1.0.0"), has(), "healthy", "ahead of the inventory, which names 1.0.0"),
        (want(release="c" * 12, version="1.0.0"), has(), "healthy", "launchpad adopt alice"),
        (
            want(release="c" * 12, version="2.0.0"),
            has(rolled_back_from="2.0.0"),
            "healthy",
            "rolled back from 2.0.0, which the inventory still names: launchpad adopt alice",
        ),
        (want(), has(rolled_back_from="2.0.0"), "healthy", ""),
        (want(wrapped_for="new"), has(wrapped_for="new"), "healthy", ""),
        (want(wrapped_for="new"), has(wrapped_for="old"), "healthy", "launchpad backups rewrap alice"),
        (want(wrapped_for="new"), has(wrapped_for=""), "healthy", "launchpad backups rewrap alice"),
        (want(wrapped_for="new"), has(), "healthy", ""),
        (want(problem=InventoryError("no digest")), has(), "healthy", "cannot be rendered: no digest"),
    ],
)
def test_every_state_has_its_word(wanted: Wanted, seen: TenantSeen | None, state: str, remark: str) -> None:
    (found,) = standings([wanted], host(*([seen] if seen else [])), inventory=ALICE)
    assert found.state == state
    assert remark in "; ".join(found.remarks)
    assert bool(remark) == bool(found.remarks)
    assert state in STATES


@pytest.mark.parametrize("subject", ["disk", "certificate", "backup"])
def test_nobody_with_a_problem_is_called_healthy(subject: str) -> None:
    found = FindingSeen(subject=subject, message="its data uses 100 % of its quota", hint="", since=0.0)
    (item,) = standings([want()], host(has(findings=(found,))), inventory=ALICE)
    assert (item.state, item.good) == ("warning", False)
    (item,) = standings([want()], host(has(findings=(found,), traffic_open=False)), inventory=ALICE)
    assert item.state == "unhealthy"


def test_a_refused_key_is_a_warning_with_what_to_type() -> None:
    key = Fact(
        Layer.provider, Grade.warning, "anthropic refuses the key", "launchpad secret set alice ANTHROPIC_API_KEY"
    )
    probe = Fact(Layer.channel, Grade.warning, "web:8080/readyz answers 503", subject="web/readyz")
    (found,) = standings([want()], host(has(health=(key, probe))), inventory=ALICE)
    assert (found.state, found.good) == ("warning", True)
    assert found.remarks == ("anthropic refuses the key: launchpad secret set alice ANTHROPIC_API_KEY",)
    (found,) = standings([want()], host(has(health=(probe,))), inventory=ALICE)
    assert (found.state, found.remarks) == ("healthy", ()), "its probe holds again, as of just now"


def test_what_was_just_seen_counts_more_than_what_the_watch_saw() -> None:
    dead = Fact(Layer.process, Grade.critical, "web does not run")
    assert standings([want()], host(has(health=(dead,))), inventory=ALICE)[0].good, "it runs again, by its probes"
    assert not standings([want()], host(has(health=(dead,), probes=())), inventory=ALICE)[0].good
    full = dead.but(layer=Layer.data)
    assert not standings([want()], host(has(health=(full,))), inventory=ALICE)[0].good


def test_age_is_by_the_host_s_own_clock() -> None:
    (found,) = standings([want()], host(has(at=1000.0)), inventory=ALICE)
    assert found.age_seconds == 60.0


def test_drift_is_trouble_even_when_everything_answers() -> None:
    (found,) = standings([want()], host(has(drift=("a container was replaced",))), inventory=ALICE)
    assert found.state == "healthy"
    assert not found.good


def test_a_silent_host_s_tenants_are_unreachable_with_the_cause() -> None:
    (found,) = standings([want()], {"web-1": HostError("web-1: cannot connect: timed out")}, inventory=ALICE)
    assert (found.state, found.remarks) == ("unreachable", ("cannot connect: timed out",))
    assert not found.good


def test_strangers_are_shown_with_what_is_odd_about_them() -> None:
    seen = host(has("mallory"), has("alice"), has("gone", retired=True, running=False))
    found = {item.tenant: item for item in standings([], seen, inventory=ALICE)}
    assert found["mallory"].remarks == ("not in the inventory",)
    assert found["alice"].remarks == ("the inventory names another host",)
    assert found["gone"].remarks == ()


def test_who_runs_on_two_hosts_is_trouble_on_the_one_that_is_not_meant() -> None:
    seen = host(has("alice")) | {"web-2": dataclasses.replace(host(has("alice"))["web-1"], host="web-2")}
    found = {item.host: item for item in standings([want(host="web-2")], seen, inventory=ALICE)}
    assert (found["web-1"].state, found["web-1"].good) == ("doubled", False)
    assert found["web-1"].remarks == ("also runs on web-2: stop this copy with launchpad retire alice --host web-1",)
    assert (found["web-2"].state, found["web-2"].good) == ("healthy", True)


def test_who_moved_on_is_no_trouble_where_it_was() -> None:
    (found,) = standings([], host(has(gone="web-2", running=False, traffic_open=False)), inventory=ALICE)
    assert (found.state, found.good) == ("moved", True)
    assert found.remarks == ("moved to web-2; when DNS points to web-2: launchpad move alice --finish",)


def test_a_move_that_was_finished_is_not_to_be_finished() -> None:
    (found,) = standings([], host(has(gone="web-2", retired=True, running=False)), inventory=ALICE)
    assert (found.state, found.good, found.remarks) == ("retired", True, ())


@pytest.mark.parametrize("still", [{}, {"gone": "web-2"}, {"retired": True}], ids=["stopped", "moved", "retired"])
def test_who_stands_still_is_trouble_where_the_inventory_says_that_it_runs(still: dict[str, Any]) -> None:
    seen = host(has(running=False, **still))
    (found,) = standings([want()], seen, inventory=ALICE)
    assert (found.state in STILL, found.good) == (True, False)
    (found,) = standings([want(running=False)], seen, inventory=ALICE)
    assert found.good


def test_who_left_is_told_how_to_go_on() -> None:
    (found,) = standings([want()], host(has(gone="web-2", running=False)), inventory=ALICE)
    assert found.remarks == ("moved to web-2: git pull; if the move was interrupted: launchpad move alice --to web-2",)


def test_trouble_has_words_that_exist() -> None:
    assert set(STATES) > TROUBLE | STILL


def test_the_age_of_the_newest_backup_is_told() -> None:
    (found,) = standings([want()], host(has(backed_up=1000.0)), inventory=ALICE)
    assert found.backup_age_seconds == 60.0
    (bare,) = standings([want()], host(has()), inventory=ALICE)
    assert bare.backup_age_seconds is None and bare.proven_age_seconds is None
    (proven,) = standings([want()], host(has(proven=1030.0)), inventory=ALICE)
    assert proven.proven_age_seconds == 30.0
