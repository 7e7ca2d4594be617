"""Which changes bring a fleet to its inventory, and, above all, which ones are left to a person."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launchpad.errors import HostError, InventoryError
from launchpad.plan.fleet_plan import FleetPlan, plan_changes
from launchpad.plan.observed import TenantSeen
from launchpad.plan.wanted import Wanted
from tests.plan.examples import has, host, probe, want

ALICE = frozenset({"alice"})


def plan(wanted: Wanted, seen: TenantSeen | None) -> FleetPlan:
    return plan_changes([wanted], host(*([seen] if seen else [])), inventory=ALICE)


def test_nothing_is_to_do_where_everything_is_as_it_should_be() -> None:
    made = plan(want(), has())
    assert made.changes == ()
    assert made.notes == ()


@pytest.mark.parametrize(
    ("wanted", "seen", "kind", "reason"),
    [
        (want(), None, "deploy", "is not on the host yet"),
        (want(), has(release="a" * 12, version="1.0.0"), "deploy", "version 1.0.0 → 1.1.0"),
        (want(domains=("x.org",)), has(release="a" * 12), "deploy", "domains none → x.org"),
        (want(secrets={"KEY": 2}), has(release="a" * 12, secrets={"KEY": 1}), "deploy", "secrets changed: KEY"),
        (want(), has(release="a" * 12), "deploy", "release aaaaaaaaaaaa → bbbbbbbbbbbb"),
        (want(), has(running=False), "start", "is stopped"),
        (want(running=False), has(), "stop", "the inventory says running: false"),
        (want(), has(drift=("compose.yaml was changed",)), "deploy", "compose.yaml was changed"),
    ],
)
def test_each_difference_has_its_change_and_its_reason(
    wanted: Wanted, seen: TenantSeen | None, kind: str, reason: str
) -> None:
    made = plan(wanted, seen)
    assert [(change.kind, change.reasons) for change in made.changes] == [(kind, (reason,))]
    assert made.changes[0].replaces == (seen.release if seen else None)


@pytest.mark.parametrize(
    ("wanted", "seen", "says"),
    [
        (
            want(version="1.0.0", release="a" * 12),
            has(),
            "ahead of the inventory: 1.1.0 runs, the inventory names 1.0.0",
        ),
        (want(), has(version="9.9.9", release="a" * 12), "ahead of the inventory"),
        (want(release="c" * 12), has(rolled_back_from="1.1.0", version="1.0.0"), "was rolled back from 1.1.0"),
        (want(version="2.0.0", follows=("1.5.0",)), has(), "2.0.0 cannot follow 1.1.0 in one step"),
        (want(), has(retired=True), "was retired here; its data is kept"),
        (want(release="c" * 12), has(operation="op-1"), "an operation is running"),
        (want(app="other"), has(release="a" * 12), "runs echo, but the inventory names other"),
        (want(), has(breaker="web died 5 times in 60 s"), "keeps dying: web died 5 times in 60 s"),
        (want(problem=InventoryError("no digest", hint="write it")), has(), "no digest"),
        (want(running=False), None, None),
        (want(running=False), has(running=False), None),
        (want(running=False, release="c" * 12), has(running=False), None),
    ],
)
def test_what_a_person_has_to_decide_is_a_note_and_no_change(
    wanted: Wanted, seen: TenantSeen | None, says: str | None
) -> None:
    made = plan(wanted, seen)
    assert made.changes == ()
    if says is None:
        assert made.notes == ()
    else:
        assert says in made.notes[0].text
        assert made.notes[0].hint


def test_a_new_release_is_the_cure_of_what_keeps_dying() -> None:
    made = plan(want(release="c" * 12), has(breaker="died"))
    assert [change.kind for change in made.changes] == ["deploy"]


def test_a_tenant_that_runs_elsewhere_is_not_started_twice() -> None:
    seen = host() | host(has(), name="web-2")
    made = plan_changes([want()], seen, inventory=ALICE)
    assert made.changes == ()
    assert "runs on web-2" in made.notes[0].text


def test_a_tenant_that_was_retired_elsewhere_may_be_deployed_here() -> None:
    seen = host() | host(has(retired=True), name="web-2")
    assert [change.kind for change in plan_changes([want()], seen, inventory=ALICE).changes] == ["deploy"]


def test_a_silent_host_gets_no_plan_and_is_named() -> None:
    gone = HostError("web-1: cannot connect")
    made = plan_changes([want()], {"web-1": gone}, inventory=ALICE)
    assert made.changes == ()
    assert made.unreachable == {"web-1": gone}


def test_what_is_on_a_host_beyond_the_inventory_is_noticed_and_kept() -> None:
    made = plan_changes([], host(has("mallory"), has("gone", retired=True)), inventory=ALICE)
    assert made.changes == ()
    assert [note.tenant for note in made.notes] == ["mallory"]


def test_a_host_whose_settings_differ_is_left_to_provision() -> None:
    seen = {name: replace(said, unsettled=("firewall rules", "sshd")) for name, said in host(has()).items()}
    made = plan_changes([want()], seen, inventory=ALICE)
    assert made.changes == ()
    assert made.notes[0].text == "the host itself differs from the inventory: firewall rules, sshd"
    assert made.notes[0].hint == "launchpad provision web-1 --plan"


def test_the_digest_is_of_what_will_be_done_and_of_nothing_else() -> None:
    one = plan(want(), has(release="a" * 12))
    other = plan_changes([want()], host(has(release="a" * 12), has("mallory")), inventory=ALICE)
    assert one.digest == other.digest, "a note changes nothing"
    assert one.digest != plan(want(), has(release="c" * 12)).digest, "another release is replaced"
    assert one.digest != plan(want(release="d" * 12), has(release="a" * 12)).digest


seen_tenants = st.builds(
    has,
    version=st.sampled_from(["1.0.0", "1.1.0", "2.0.0", "3"]),
    release=st.sampled_from(["a" * 12, "b" * 12]),
    running=st.booleans(),
    retired=st.booleans(),
    breaker=st.sampled_from(["", "died"]),
    operation=st.sampled_from(["", "op-1"]),
    drift=st.sampled_from([(), ("changed",)]),
    probes=st.sampled_from([(), (probe("ready", ok=False),)]),
)
wanted_tenants = st.builds(
    want, version=st.sampled_from(["1.0.0", "1.1.0", "2.0.0"]), running=st.booleans(), app=st.just("echo")
)


@given(wanted_tenants, st.none() | seen_tenants)
def test_no_plan_ever_breaks_a_promise(wanted: Wanted, seen: TenantSeen | None) -> None:
    for change in plan(wanted, seen).changes:
        assert change.kind in ("deploy", "start", "stop"), "never a retirement, never a purge"
        if seen is not None:
            assert not seen.retired
            assert not seen.operation
            versions: list[Any] = ["1.0.0", "1.1.0", "2.0.0", "3"]
            if change.kind == "deploy":
                assert versions.index(wanted.version) >= versions.index(seen.version), "never a version down"
        assert (change.kind == "stop") == (not wanted.running)


@pytest.mark.parametrize(
    ("older", "newer"),
    [("2026.9.6", "2026.10.1"), ("1.9", "1.10"), ("1.0-rc1", "1.0.0"), ("1", "1.1"), ("1.0.0", "1.1.0")],
)
def test_versions_compare_by_their_numbers(older: str, newer: str) -> None:
    assert want(version=older).is_older_than(newer)
    assert not want(version=newer).is_older_than(older)
    assert not want(version=newer).is_older_than(newer)


def test_what_was_rolled_back_once_may_be_changed_otherwise() -> None:
    made = plan(want(version="1.0.0", release="c" * 12), has(rolled_back_from="1.1.0", version="1.0.0"))
    assert [change.kind for change in made.changes] == ["deploy"]


def test_the_app_s_own_order_of_versions_comes_first() -> None:
    wanted = Wanted(tenant="a", host="h", app="x", version="bookworm", versions=("bookworm", "alpine"))
    assert wanted.is_older_than("alpine")
