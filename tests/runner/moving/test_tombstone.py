"""Who may run a tenant, as one host decides it alone."""

from __future__ import annotations

from contextlib import suppress
from copy import deepcopy
from typing import Any

import pytest

from launchpad.runner import engine, paths
from launchpad.runner.boot import boot
from launchpad.runner.journal import Journal, outline
from launchpad.runner.moving.plan import plan_arrive, plan_depart
from launchpad.runner.moving.steps import Entomb
from launchpad.runner.moving.tombstone import Tombstone, in_force, may_run
from launchpad.runner.plan import read_record, see
from launchpad.runner.protocol import Refused, release_as_json
from launchpad.runner.steps import Commit
from launchpad.runner.tenant_record import read_tenant
from launchpad.runner.verbs.submit import submit
from launchpad.runner.watch import Watcher
from tests.memory.effects import Killed, moments
from tests.memory.host import MemoryHost
from tests.memory.releases import deploy_body
from tests.runner.moving.hosts import (
    CALLER,
    DEPART,
    MADE,
    a_host,
    arriving,
    asked,
    bury,
    departed,
    look,
    put_generation,
    run,
    with_alice,
)
from tests.runner.verbs.view import MemoryView


def running(host: MemoryHost) -> bool:
    return any(box.state == "running" for box in host.boxes.values())


def refused(host: MemoryHost, body: dict[str, Any]) -> Refused:
    before = deepcopy((host.files, host.volumes, host.boxes))
    with pytest.raises(Refused) as caught:
        run(host, body)
    assert (host.files, host.volumes, host.boxes) == before
    return caught.value


def meant_to_run(host: MemoryHost, receipt: dict[str, Any]) -> None:
    """As a host would be whose record somebody brought back, or whose tombstone is all that is left of a departure."""
    record = read_record(host, "alice")
    assert record is not None
    host.files[paths.record("alice")].data = host.files[paths.record("alice")].data.replace(
        b'"running": false', b'"running": true'
    )
    bury(host, receipt)


def test_boot_does_not_start_who_left() -> None:
    host, receipt = departed()
    meant_to_run(host, receipt)
    host.reboot()
    boot(host)
    assert not running(host)
    host.remove(paths.tombstone("alice"))
    host.reboot()
    boot(host)
    assert running(host), "the control: without a tombstone it is started"


def test_the_watcher_does_not_start_who_left() -> None:
    host = MemoryView(registry={service.image for service in MADE[0].services})
    run(host, deploy_body("prepare-000001", MADE))
    run(host, asked("depart-000001", DEPART))
    meant_to_run(host, look(host)["tombstone"])
    watcher = Watcher(host)
    for _ in range(3):
        watcher.look()
        host.wait(10)
    assert not running(host)
    host.remove(paths.tombstone("alice"))
    for _ in range(3):
        watcher.look()
        host.wait(10)
    assert running(host), "the control: without a tombstone it is started"


def test_a_damaged_tombstone_starts_nothing() -> None:
    host, _ = departed()
    host.write(paths.tombstone("alice"), b"{")
    record = read_tenant(host, "alice")
    assert record is not None and not may_run(host, record)


def test_an_earlier_tenant_of_the_same_name_forbids_nothing() -> None:
    host, receipt = departed()
    bury(host, receipt, slot=6)
    assert in_force(host, read_record(host, "alice"), tenant="alice", slot=7) is None


def test_the_receipt_is_shown_to_nobody_before_the_commit() -> None:
    calls = len(with_alice().calls)
    shown = 0
    for call in range(1, 200):
        host = with_alice()
        host.kill_at = calls + call
        try:
            run(host, asked("depart-000001", DEPART))
        except Killed:
            host.died()
        else:
            assert shown, "it was never killed behind the tombstone"
            return
        committed = b'"committed"' in (host.read(f"{paths.operation('depart-000001')}/journal.jsonl") or b"")
        there = host.read(paths.tombstone("alice")) is not None
        shown += there and not committed
        said = look(host)
        if not committed:
            assert said.get("tombstone") is None
    raise AssertionError("it never ended")


def test_a_receipt_of_an_epoch_that_is_known_is_refused() -> None:
    _, receipt = departed()
    host = a_host()
    put_generation(host, receipt)
    assert run(host, arriving(receipt)) == "done" and running(host)
    assert run(host, arriving(receipt, "arrive-000002")) == "unchanged"
    back = {"kind": "depart", "tenant": "alice", "to": "web-1", "address": "192.0.2.1", "above": 2}
    run(host, asked("depart-000002", back | {"replaces": MADE[0].short}))
    assert not running(host)
    assert "this host has already seen epoch 3" in refused(host, arriving(receipt, "arrive-000003")).message
    assert not running(host)


def test_an_old_receipt_fits_no_later_tenant_of_the_slot() -> None:
    _, receipt = departed()
    host = a_host()
    put_generation(host, receipt)
    body = arriving(receipt)
    body["operation"]["release"] = release_as_json(MADE[0].but(epoch=receipt["epoch"]))
    assert "belongs to an earlier tenant alice" in refused(host, body).message
    below = arriving(receipt)
    below["operation"]["release"] = release_as_json(MADE[0].but(epoch=receipt["epoch"] - 1))
    assert run(host, below) == "done" and running(host), "the control"


BAD: dict[str, dict[str, Any]] = {
    "another tenant's": {"tenant": "bob"},
    "another slot's": {"slot": 8},
    "another version's": {"version": "2"},
    "data that has not come": {"generation": "somewhere-0001"},
    "no data": {"generation": ""},
    "no epoch": {"epoch": -1},
    "an epoch without end": {"epoch": 1 << 60},
    "a host that climbs": {"to": "../web"},
    "an address that is a name": {"address": "evil.example.com"},
}


@pytest.mark.parametrize("name", BAD)
def test_a_receipt_that_does_not_fit_is_refused(name: str) -> None:
    _, receipt = departed()
    host = a_host()
    put_generation(host, receipt)
    refused(host, arriving(receipt | BAD[name]))
    assert not running(host)


def test_who_did_not_leave_is_not_passed_on() -> None:
    host = with_alice()
    assert "did not move" in refused(host, asked("forward-000001", forward(2))).message
    gone, receipt = departed()
    assert "did not move" in refused(gone, asked("forward-000001", forward(receipt["epoch"] + 1))).message
    assert run(gone, asked("forward-000002", forward(receipt["epoch"]))) == "done"
    assert run(gone, asked("forward-000003", forward(receipt["epoch"]))) == "unchanged"


def forward(epoch: int) -> dict[str, Any]:
    return {"kind": "forward", "tenant": "alice", "epoch": epoch}


def test_leaving_again_for_there_changes_nothing_and_for_elsewhere_is_refused() -> None:
    host, _ = departed()
    assert run(host, asked("depart-000002", DEPART)) == "unchanged"
    assert (
        "already moved from this host to web-2"
        in refused(host, asked("depart-000003", DEPART | {"to": "web-3"})).message
    )


def test_a_departure_that_is_undone_leaves_no_tombstone() -> None:
    host = with_alice()
    list(submit(host, asked("depart-000001", DEPART), CALLER))
    host.write(f"{paths.operation('depart-000001')}/cancel", b"{}")
    run_again(host)
    assert host.read(paths.tombstone("alice")) is None and running(host)


def test_a_departure_that_is_undone_lets_visitors_in_again() -> None:
    """Whichever call it dies at before it is committed, and somebody cancels it then."""
    undone = 0
    for call in range(1, 200):
        host = with_alice()
        site, begun = host.sites[paths.site("alice")], len(host.calls)
        host.kill_at = begun + call
        with suppress(Killed):
            run(host, asked("depart-000001", DEPART | {"ahead": True}))
            assert undone, "it was never killed once requests were passed on"
            return
        host.died()
        passed_on = host.sites[paths.site("alice")] != site
        host.write(f"{paths.operation('depart-000001')}/cancel", b"{}")
        engine.settle_all(host)
        if host.read(paths.tombstone("alice")) is not None:
            assert b"reverse_proxy https://192.0.2.2:443" in host.sites[paths.site("alice")]
            continue
        undone += passed_on
        assert host.sites[paths.site("alice")] == site and running(host)
        assert host.request("alice.example.com") == MADE[0].short
    raise AssertionError("it never ended")


def run_again(host: MemoryHost) -> None:
    for identifier in list(host.begun):
        engine.carry_out(host, identifier)


# --- the plans, which are pure ----------------------------------------------------------------------------------------


def test_the_tombstone_stands_directly_before_the_commit() -> None:
    host, receipt = departed()
    seen = see(with_alice(), "alice", MADE[0])
    plan = plan_depart(seen, Tombstone(**receipt))
    commit = next(index for index, step in enumerate(plan) if isinstance(step, Commit))
    assert isinstance(plan[commit - 1], Entomb)
    names = ["AwaitIdle", "HoldTraffic", "Drain", "StopSide", "TakeGeneration"]
    assert [type(step).__name__ for step in plan[:5]] == names
    ahead = [type(step).__name__ for step in plan_depart(seen, Tombstone(**receipt), ahead=True)]
    assert ahead.pop(1) == "PutForward", "whoever is under way is answered before requests are passed on"
    assert ahead == [type(step).__name__ for step in plan]
    assert host


def test_nobody_is_let_in_or_out_before_an_arrival_is_committed() -> None:
    record = {"running": True}
    seen = see(a_host(), "alice", MADE[0])
    plan = list(plan_arrive(seen, MADE[0], record, site="x", adopted="g", identifier="arrive-000001"))
    names = [type(step).__name__ for step in plan]
    assert names.index("Mute") < names.index("StartSide") < names.index("Commit")
    assert names.index("Commit") < names.index("OpenTraffic") < names.index("Unmute")
    assert names.index("AdoptData") < names.index("StartSide")
    assert names.index("PlaceCertificates") < names.index("PutSite") < names.index("StartSide")


# --- what ran before is let in as soon as it is ready -----------------------------------------------------------------


def behind_the_door(host: MemoryHost, identifier: str = "arrive-000001") -> float:
    """For how many seconds of its own it was awaited with the door closed."""
    done = [item for item in Journal(host, identifier).events() if item["event"] == "step-done"]
    return float(next(item["seconds"] for item in done if item["step"] == "await-probes"))


@pytest.mark.parametrize(
    ("changes", "at_once"),
    [({}, True), ({"release": "0123456789ab"}, False), ({"fenced": True, "generation": ""}, False)],
    ids=["the very release", "another one of the version", "out of a backup"],
)
def test_only_what_ran_there_is_let_in_as_soon_as_it_is_ready(changes: dict[str, Any], at_once: bool) -> None:
    _, receipt = departed()
    host = a_host()
    put_generation(host, receipt)
    begun = host.elapsed()
    assert run(host, arriving(receipt | changes)) == "done" and running(host)
    steady = MADE[0].steady_seconds
    assert (behind_the_door(host) < steady) is at_once
    assert host.elapsed() - begun >= 1 + steady, "nobody saw that it was steady"


def test_who_is_not_well_once_let_in_stays_with_what_came_in() -> None:
    _, receipt = departed()
    host = a_host()
    host.behaviours = dict.fromkeys(host.registry, "flash")
    put_generation(host, receipt)
    assert run(host, arriving(receipt)) == "incomplete"
    outcome = Journal(host, "arrive-000001").outcome() or {}
    assert "exited with status 1 while the release was watched" in outcome["message"]
    assert host.has_data(paths.data("alice")) and look(host)["record"]["epoch"] == receipt["epoch"]
    assert run(host, arriving(receipt, "arrive-000002")) == "unchanged", "it was taken in twice"


def test_a_reboot_while_it_is_watched_is_no_death_of_the_app() -> None:
    _, receipt = departed()
    first = a_host()
    put_generation(first, receipt)
    points = moments(first, lambda: run(first, arriving(receipt)))
    opened = next(point.call for point in points if point.name == "open_traffic")
    behind = [point for point in points if point.call > opened and point.mode == "after"]
    assert len(behind) > 5
    for point in (item for item in behind if not item.known):
        host = point.host()
        host.reboot()
        boot(host)
        assert (Journal(host, "arrive-000001").outcome() or {})["outcome"] == "done", str(point)
        assert running(host), str(point)


def test_the_watching_comes_last_so_that_nothing_is_left_out_for_it() -> None:
    home, receipt = departed()
    host = a_host()
    put_generation(host, receipt)
    run(host, arriving(receipt))
    back = {"kind": "depart", "tenant": "alice", "to": "web-1", "address": "192.0.2.1", "above": 2}
    run(host, asked("depart-000002", back | {"replaces": MADE[0].short}))
    returned = look(host)["tombstone"]
    put_generation(home, returned)
    assert run(home, arriving(returned, "arrive-000002", **{"from": "web-2"})) == "done"
    names = [step["step"] for step in outline(Journal(home, "arrive-000002").plan())]
    assert names[-3:] == ["entomb", "start-side", "soak"] and names.index("commit") < names.index("entomb")
