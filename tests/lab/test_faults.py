"""Every kind of step, struck by every fault, on a real host: it converges, and the neighbour notices nothing.

The kinds come from the runner's own registry. Which operation comes by which is read from the plans that the host made
in an undisturbed run, so a new kind of step that none of them reaches fails here. The end is judged from outside.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import yaml
from labkit import Host

from launchpad.runner import slots
from launchpad.runner.families import kinds_of
from launchpad.runner.plan import other
from launchpad.runner.steps import TenantStep
from tests.lab.disasters import (
    FAULTS,
    JOURNALS,
    SETTLE_SECONDS,
    STORAGE,
    Breakpoint,
    Neighbour,
    disk_full,
    docker_down,
    open_operations,
    put_journals,
    until,
)
from tests.lab.scenarios import TENANTS, WITNESS, Back, Change, First, Forth, Leave, Scenario
from tests.lab.world import World, write

LOCKED, STEP_FAILED = 5, 6
"""Exit codes."""
LONG_OUTAGE_SECONDS = 25


@dataclass
class Stage:
    """The host with its tenants, and which scenario comes by which kind of step."""

    world: World
    neighbour: Neighbour
    breakpoint: Breakpoint
    scenarios: dict[str, Scenario]


@pytest.fixture(scope="module")
def stage(world: World) -> Iterator[Stage]:
    write(world.root / "inventory/apps/beacon.yaml", timings={"start": "30s", "steady": "1s", "stop": "10s"})
    for name in ("bob", "carol"):
        world.add_tenant(name, version="2.0.0")
    world.launchpad("deploy", "bob")
    world.wait_for("bob")
    world.request("bob", "POST", "/marker", body=b"bob was here")
    world.host.exec(["sh", "-c", f"head -c 65536 /dev/urandom > {TENANTS}/bob/{WITNESS}"])
    found: dict[str, Scenario] = {}
    for scenario in (Change(world), First(world), Leave(world), Forth(world), Back(world)):
        scenario.prepare()
        done = world.launchpad("--json", *scenario.command).json
        plan = json.loads(world.host.read(f"/var/lib/launchpad/operations/{done['id']}/plan.json"))
        found = {item["step"]: scenario for item in plan} | found
        scenario.judge()
    breakpoint = Breakpoint(world.host)
    breakpoint.install()
    yield Stage(world, Neighbour(world, "bob"), breakpoint, found)


def test_every_kind_of_step_is_reached(stage: Stage) -> None:
    assert set(stage.scenarios) == set(kinds_of(TenantStep))


def cells() -> list[tuple[str, str]]:
    """Every fault for every kind when evidence is taken; else every kind once, and the faults in turn."""
    kinds, faults = list(kinds_of(TenantStep)), list(FAULTS)
    if os.environ.get("LAUNCHPAD_EVIDENCE"):
        return [(kind, fault) for fault in faults for kind in kinds]
    return [(kind, faults[index % len(faults)]) for index, kind in enumerate(kinds)]


@pytest.mark.parametrize(("kind", "fault"), cells())
def test_a_step_that_is_struck(stage: Stage, kind: str, fault: str, measured: Callable[..., None]) -> None:
    failures = 1
    try:
        strike(stage, kind, fault)
        failures = 0
    finally:
        measured("lab-faults", failures, n=1, detail=f"{kind}, {fault}")


def strike(stage: Stage, kind: str, fault: str) -> None:
    """Run the operation, strike at the step, leave the host to itself, and type the same command again."""
    world, host, scenario, disaster = stage.world, stage.world.host, stage.scenarios[kind], FAULTS[fault]
    put_journals(host, on_own_disk=disaster.fills)
    scenario.prepare()
    world.wait_for("bob", "/marker")
    neighbour = stage.neighbour
    with neighbour.rebooted() if disaster.restarts else neighbour.watched(starved=disaster.fills):
        stage.breakpoint.ask(kind, disaster.when)
        operator = world.start("--json", *scenario.command)
        try:
            disaster.strike(host, stage.breakpoint.wait(operator))
            until(lambda: not open_operations(host), "the host settles it by itself", seconds=SETTLE_SECONDS)
            scenario.judge_left_alone()
        finally:
            operator.kill()
            operator.communicate()
            stage.breakpoint.forget()
    with neighbour.watched():
        again = world.launchpad(*scenario.command, check=False)
        assert again.code in scenario.repeated, again
        scenario.judge()


# --- what else can go wrong -------------------------------------------------------------------------------------------


@dataclass
class Paused:
    """alice's change, standing before its probes."""

    operator: subprocess.Popen[str]
    identifier: str
    process: str


@pytest.fixture
def paused(stage: Stage) -> Iterator[Paused]:
    change = stage.scenarios["await-probes"]
    change.prepare()
    stage.breakpoint.ask("await-probes", "begun")
    operator = stage.world.start("--json", *change.command)
    process = stage.breakpoint.wait(operator)
    with stage.neighbour.watched():
        yield Paused(operator, open_operations(stage.world.host)[0], process)
        change.judge()
    operator.kill()
    operator.communicate()


def test_whoever_is_second_is_told_who_is_first(stage: Stage, paused: Paused) -> None:
    second = stage.world.launchpad("restart", "alice", check=False)
    assert second.code == LOCKED
    assert f"launchpad attach {paused.identifier}" in second.err
    stage.world.host.exec(["kill", "-CONT", paused.process])
    assert paused.operator.wait(60) == 0


def test_an_operator_who_is_killed_comes_back_by_attach_or_the_same_command(stage: Stage, paused: Paused) -> None:
    paused.operator.kill()
    stage.world.host.exec(["kill", "-CONT", paused.process])
    assert stage.world.launchpad("--json", "attach", paused.identifier).json["outcome"] == "done"
    assert stage.world.launchpad("--json", "deploy", "alice").json["outcome"] == "unchanged"


def test_a_cable_that_is_cut_for_a_while_is_sat_out(stage: Stage, paused: Paused) -> None:
    host = stage.world.host
    host.cut()
    try:
        host.exec(["kill", "-CONT", paused.process])
        until(lambda: not open_operations(host), "it goes on without its operator", seconds=60)
    finally:
        host.heal()
    assert paused.operator.wait(60) == 0


def test_a_connection_that_breaks_is_made_again(stage: Stage, paused: Paused) -> None:
    host = stage.world.host
    host.exec(["sh", "-c", "kill -KILL $(pgrep -u launchpad)"])
    host.exec(["kill", "-CONT", paused.process])
    out, _ = paused.operator.communicate(timeout=90)
    assert paused.operator.returncode == 0
    assert json.loads(out.strip().splitlines()[-1])["outcome"] == "done"


def test_an_outage_of_docker_that_outlasts_every_quick_retry_ends_well_by_itself(stage: Stage) -> None:
    """The old release is stopped, the new one is not started: that must not last until somebody comes."""
    change, host = stage.scenarios["await-probes"], stage.world.host
    change.prepare()
    stage.breakpoint.ask("stop-side", "applied")
    operator = stage.world.start("--json", *change.command)
    process = stage.breakpoint.wait(operator)
    try:
        with docker_down(host):
            host.exec(["kill", "-CONT", process])
            time.sleep(LONG_OUTAGE_SECONDS)
        change.judge_left_alone()
        until(lambda: not open_operations(host), "the host settles it by itself", seconds=SETTLE_SECONDS)
    finally:
        operator.kill()
        operator.communicate()
    stage.world.launchpad(*change.command)
    change.judge()


def test_a_release_serves_while_the_disk_stays_full(stage: Stage) -> None:
    change, host = stage.scenarios["await-probes"], stage.world.host
    put_journals(host, on_own_disk=True)
    change.prepare()
    stage.breakpoint.ask("start-side", "begun")
    operator = stage.world.start("--json", *change.command)
    process = stage.breakpoint.wait(operator)
    try:
        with disk_full(host):
            host.exec(["kill", "-CONT", process])
            try:
                answer = stage.world.wait_for("alice", "/marker", seconds=SETTLE_SECONDS)
            except AssertionError as error:
                error.add_note(state(host))
                raise
            assert answer.body == b"alice was here"
        until(lambda: not open_operations(host), "the host settles it by itself", seconds=SETTLE_SECONDS)
    finally:
        operator.kill()
        operator.communicate()
    stage.world.launchpad(*change.command)
    change.judge()


def state(host: Host) -> str:
    """Of a host that does not come round: its disks, what runs, and what the watcher and the operations said."""
    commands = (
        ["df", "-B1", STORAGE, JOURNALS],
        ["ls", "-la", STORAGE],
        ["docker", "ps", "--all", "--no-trunc", "--format", "{{.Names}} {{.Status}}"],
        ["sh", "-c", "for name in $(docker ps -aq --filter name=lp-alice); do docker logs --tail 20 $name; done 2>&1"],
        ["journalctl", "--no-pager", "--lines=80", "--unit=launchpad-*"],
        ["ls", "/var/lib/launchpad/open"],
    )
    return "\n".join(host.exec(list(command), check=False).stdout for command in commands)


def test_an_image_that_nobody_has_leaves_everything_as_it_is(stage: Stage) -> None:
    world = stage.world
    world.launchpad("deploy", "alice")
    before = world.containers("alice")
    missing = world.images["beacon:1.0.0"].partition("@")[0] + f"@sha256:{'0' * 64}"
    path = world.root / "inventory/apps/beacon.yaml"
    text = path.read_text()
    versions = yaml.safe_load(text)["versions"]
    write(path, versions=[*versions, {"version": "9.9.9", "images": {"beacon": missing}}])
    version = yaml.safe_load((world.root / "inventory/tenants/alice.yaml").read_text())["version"]
    world.set_tenant("alice", version="9.9.9")
    with stage.neighbour.watched():
        assert world.launchpad("deploy", "alice", check=False).code == STEP_FAILED
    assert world.containers("alice") == before
    path.write_text(text)
    world.set_tenant("alice", version=version)
    assert world.deploy("alice")["outcome"] == "unchanged"


def test_an_address_that_somebody_took_leaves_the_old_release_serving(stage: Stage) -> None:
    change, host = stage.scenarios["await-probes"], stage.world.host
    change.prepare()
    record = json.loads(host.read(f"{TENANTS}/alice/tenant.json"))
    address = slots.address(record["slot"], 0, other(record["side"]))
    squat = ["docker", "run", "-d", "--name", "squatter", "--network", "lp-alice", "--ip", str(address)]
    host.exec([*squat, "--entrypoint", "sleep", stage.world.images["beacon:2.0.0"], "600"])
    with stage.neighbour.watched():
        done = stage.world.launchpad(*change.command, check=False)
        assert done.code == STEP_FAILED
        assert "address" in done.err.lower()
        answer = stage.world.wait_for("alice", "/").json
        assert isinstance(change, Change)
        assert (answer["version"], answer["marker"]) == (change.old, "alice was here")
        host.exec(["docker", "rm", "-f", "squatter"])
        stage.world.launchpad(*change.command)
        change.judge()
