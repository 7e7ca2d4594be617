"""Updates and reboots of a host in memory: what tenants notice, what a failure leaves, and a kill at every call."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from typing import Any

import pytest

from launchpad.runner import boot, booting, engine, paths, slots
from launchpad.runner.families import kinds_of
from launchpad.runner.journal import Journal, open_journals
from launchpad.runner.maintaining.steps import MOST_NAMED, InstallUpdates, MaintenanceStep
from launchpad.runner.protocol import Refused
from launchpad.runner.step import step_name
from launchpad.runner.verbs.plan import plan
from launchpad.runner.verbs.submit import submit
from tests.memory.effects import MODES, Killed, Moment, moments
from tests.memory.system import MemorySystem
from tests.runner.verbs.view import CALLER, MemoryView, answer, deployed, record_of, reopened

SITE = "alice.example.com"


def body(kind: str, number: int = 1) -> dict[str, Any]:
    return {"id": f"operation-{kind}-{number}", "operation": {"kind": kind}, "follow": False}


@cache
def _lived_in() -> bytes:
    """alice runs, bob is stopped; three updates wait, and they need a reboot."""
    host = deployed()
    deployed(tenant="bob", slot=8, host=host)
    host.system = MemorySystem(host, waiting=("docker.io", "libc6", "linux-image-amd64"), wants_reboot=True)  # type: ignore[arg-type]
    stop = {"id": "operation-stop", "operation": {"kind": "stop", "tenant": "bob"}, "follow": False}
    list(submit(host, stop, CALLER))
    engine.carry_out(host, "operation-stop")
    booting.begin_with(host)
    host.wait(5)
    host.calls.clear()
    return pickle.dumps(host)


@pytest.fixture
def host() -> MemoryView:
    found: MemoryView = pickle.loads(_lived_in())
    return found


def run(host: MemoryView, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Carry the operation out, over the reboot too, as systemd and the boot unit do."""
    said = answer(submit(host, asked, CALLER))
    if said["outcome"] == "unchanged":
        return said
    try:
        engine.carry_out(host, asked["id"])
    except Killed:
        comes_back(host)
    return Journal(host, asked["id"]).outcome() or {}


def comes_back(host: MemoryView) -> None:
    host.reboot()
    assert boot.boot(host) == boot.DONE


def serves(host: MemoryView, tenant: str = "alice") -> bool:
    host.wait(5)
    return host.request(f"{tenant}.example.com") == record_of(host, tenant)["release"]


def is_open(host: MemoryView) -> bool:
    return not host.opened.isdisjoint(slots.address(7, index, "a") for index in range(slots.MOST_SERVICES))


# --- updates


def test_updates_are_installed_and_no_tenant_is_touched(host: MemoryView) -> None:
    boxes = dict(host.boxes)
    assert run(host, body("update"))["outcome"] == "done"
    assert host.system.waiting == () and host.boxes == boxes and serves(host)
    assert host.read(paths.LOOK_AGAIN) is not None, "the watch looks again: what it knows is out of date"
    assert run(host, body("update", 2))["outcome"] == "unchanged"


def test_a_plan_names_the_updates_and_changes_nothing(host: MemoryView) -> None:
    told = [answer(plan(host, {"operation": {"kind": kind}}, CALLER))["steps"] for kind in ("update", "reboot")]
    assert told[0][0]["title"] == "install 3 updates: docker.io, libc6, linux-image-amd64" and told[1] == []
    assert host.calls == []
    many = InstallUpdates(packages=tuple(f"p{number}" for number in range(MOST_NAMED + 2)))
    assert many.title.endswith("p5 and 2 more")


def test_an_archive_that_is_down_is_told_and_nothing_begins(host: MemoryView) -> None:
    host.system.archive_down = True
    with pytest.raises(Refused, match="the archive does not answer"):
        run(host, body("update"))
    assert not list(open_journals(host))


def test_updates_that_fail_are_no_success(host: MemoryView) -> None:
    host.system.torn = True
    done = run(host, body("update"))
    assert done["outcome"] == "undone" and "cannot be configured" in done["message"] and serves(host)


# --- reboots


def test_without_need_no_host_reboots(host: MemoryView) -> None:
    boots = host.boots
    assert run(host, body("reboot"))["outcome"] == "unchanged"
    assert host.boots == boots


def test_tenants_are_held_and_stopped_before_the_machine_goes_down_and_come_back(host: MemoryView) -> None:
    run(host, body("update"))
    host.established = dict.fromkeys(list(host.opened)[:1], 1)
    seen: list[Any] = []

    def goes_down() -> None:
        states = {box.state for box in host.boxes.values() if box.tenant == "alice"}
        seen.append((is_open(host), states, "tenant-alice" in host.locks))
        raise Killed

    host.system.reboot = goes_down
    answer(submit(host, body("reboot"), CALLER))
    with pytest.raises(Killed):
        engine.carry_out(host, "operation-reboot-1")
    assert seen == [(False, {"exited"}, True)], "closed, stopped, and nobody else may start it"
    comes_back(host)
    assert (Journal(host, "operation-reboot-1").outcome() or {})["outcome"] == "done"
    assert serves(host) and is_open(host)
    assert not serves(host, "bob"), "who was stopped stays stopped"
    assert run(host, body("reboot", 2))["outcome"] == "unchanged"


def test_requests_that_are_open_are_waited_for_while_new_ones_are_let_in(host: MemoryView) -> None:
    run(host, body("update"))
    host.at_work = host.clock + 10
    before = host.clock
    assert run(host, body("reboot"))["outcome"] == "done"
    closed = next(index for index, name in enumerate(host.calls) if name == "close_traffic")
    assert host.clock - before >= 10 and closed
    assert serves(host)


def test_a_host_that_does_not_reboot_gives_its_tenants_back(host: MemoryView) -> None:
    run(host, body("update"))
    host.system.stays_up = True
    done = run(host, body("reboot"))
    assert done["outcome"] == "undone" and "still runs" in done["message"]
    assert serves(host) and is_open(host) and not host.locks


def test_an_operation_that_runs_is_not_interrupted_by_a_reboot(host: MemoryView) -> None:
    run(host, body("update"))
    reopened(host)
    with pytest.raises(Refused, match="the running deploy must end") as refused:
        run(host, body("reboot"))
    assert refused.value.kind == "locked" and refused.value.hint == "launchpad attach operation-of-alice"


# --- killed


@cache
def _moments(kind: str) -> list[Moment]:
    host: MemoryView = pickle.loads(_lived_in())
    if kind == "reboot":
        run(host, body("update"))

    def whole() -> None:
        with suppress(Killed):
            answer(submit(host, body(kind), CALLER))
            engine.carry_out(host, body(kind)["id"])

    return moments(host, whole)


@pytest.mark.parametrize("kind", ["update", "reboot"])
@pytest.mark.parametrize("mode", MODES)
def test_killed_at_every_call(kind: str, mode: str) -> None:
    for moment in _moments(kind):
        if moment.mode != mode or moment.known:
            continue
        host = moment.host()
        for _ in range(3):  # systemd starts the unit again
            with suppress(Killed):
                for journal in list(open_journals(host)):
                    engine.carry_out(host, journal.identifier)
                break
            comes_back(host)
        assert run(host, body(kind, 2))["outcome"] in ("done", "unchanged"), str(moment)
        assert serves(host) and is_open(host) and not serves(host, "bob"), str(moment)
        assert not list(open_journals(host)) and not host.locks, str(moment)
        assert host.system.waiting == () and (kind == "update" or host.read(paths.REBOOT) is None), str(moment)


def test_killed_again_and_again_before_the_reboot_the_tenants_are_given_back(host: MemoryView) -> None:
    run(host, body("update"))
    answer(submit(host, body("reboot"), CALLER))
    for _ in range(engine.MOST_ATTEMPTS):
        host.kill_at, host.kill_mode = len(host.calls) + 12, "after"
        with pytest.raises(Killed):
            engine.carry_out(host, "operation-reboot-1")
        host.died()
    engine.carry_out(host, "operation-reboot-1")
    assert (Journal(host, "operation-reboot-1").outcome() or {})["outcome"] == "undone"
    assert serves(host) and is_open(host)


def test_every_kind_of_step_is_met(host: MemoryView) -> None:
    run(host, body("update"))
    run(host, body("reboot"))
    met = {
        item["step"]
        for kind in ("update", "reboot")
        for item in Journal(host, body(kind)["id"]).events()
        if item["event"] == "step-done"
    }
    assert met >= set(kinds_of(MaintenanceStep)) == {step_name(kind) for kind in MaintenanceStep.__args__}
