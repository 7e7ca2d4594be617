"""Rollouts over a fleet in memory: verdicts, halts, hosts that die, operators that are killed, and the way back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from launchpad.errors import PartialError, StateError
from launchpad.events import Committed, HeardEvent, MemberEnded, OperationStarted, WaveJudged, WaveStarted, ignore
from launchpad.operations.requests.confirmation import Confirmation
from launchpad.operations.requests.following import Patience
from launchpad.operations.rollouts.rollout import RolloutPlan, RolloutRequest, plan_rollout, rollout
from launchpad.operations.rollouts.rollout_tenant import Halted, Wards, forth
from launchpad.operations.rollouts.rollouts import Progress, find, halt, look, prepare, rollouts, say
from launchpad.operations.rollouts.take_back import take_back
from launchpad.operations.rollouts.waves import Stop, carried, go_on
from launchpad.operations.versions.upgrade import UpgradeRequest, plan_upgrade, upgrade
from launchpad.plan.rollout_waves import FORTH, MemberState, operation_id
from launchpad.runner import engine
from launchpad.runner.journal import Journal
from launchpad.runner.protocol import Intent, Member
from launchpad.workspace import Workspace
from tests.memory.effects import Killed
from tests.memory.fleet import FleetClock, MemoryFleet, commit, git, memory_fleet

pytestmark = pytest.mark.programs  # Git, whose checkouts are an operator's each

OLD, NEW = "1.0.0", "1.1.0"
TENANTS = {"canary-1": "web-1", "canary-2": "web-2", "anna": "web-1", "bert": "web-2", "carl": "web-3"}
SETTINGS = "rollout: {rings: [canary, 50%, all], soak: 5s, tenant_soak: 5s, patience: 1s, timeout: 60s}\n"


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> MemoryFleet:
    return memory_fleet(tmp_path_factory.mktemp("first") / "one", TENANTS, settings=SETTINGS)


@pytest.fixture
def fleet(first: MemoryFleet, tmp_path: Path) -> MemoryFleet:
    """Two canaries on hosts of their own, four others; all on 1.0.0."""
    return first.copy(tmp_path / "mine")


def planned(workspace: Workspace, version: str = NEW, **more: Any) -> RolloutPlan:
    return plan_rollout(workspace, "echo", RolloutRequest(version=version, rehearse=False, **more))


def rolled_out(workspace: Workspace, what: RolloutPlan | None = None, on_event: Any = ignore) -> Progress:
    what = what or planned(workspace)
    return rollout(workspace, what, confirm=Confirmation(digest=what.digest), on_event=on_event)


def outcomes(progress: Progress) -> dict[str, str]:
    return {name: state.outcome for name, state in progress.states.items()}


def versions(fleet: MemoryFleet) -> dict[str, str]:
    """What visitors get."""
    return {name: fleet.runs(name) for name in TENANTS}


def written(workspace: Workspace) -> dict[str, str]:
    """What the inventory says."""
    folder = workspace.root / "inventory/tenants"
    return {name: yaml.safe_load((folder / f"{name}.yaml").read_text())["version"] for name in TENANTS}


def every(version: str) -> dict[str, str]:
    return dict.fromkeys(TENANTS, version)


def in_wave(what: RolloutPlan, ring: str) -> list[str]:
    return [member.tenant for wave in what.rollout.waves if wave.ring == ring for member in wave.members]


def test_all_goes_well_ring_after_ring(fleet: MemoryFleet) -> None:
    workspace, told = fleet.workspace(parallel=4), []
    done = rolled_out(workspace, on_event=lambda heard: told.append(heard.event))
    assert set(outcomes(done).values()) == {"changed"}
    assert versions(fleet) == written(workspace) == every(NEW)
    judged = [(event.ring, event.verdict) for event in told if isinstance(event, WaveJudged)]
    assert judged == [("canary", "pass"), ("50%", "pass"), ("all", "pass")]
    rings = [event.ring for event in told if isinstance(event, WaveStarted | MemberEnded)]
    assert rings == sorted(rings, key=["canary", "50%", "all"].index), "no ring begins before the last is over"
    (known,) = rollouts(workspace, "echo").rollouts
    assert known.stands == "over"
    assert planned(workspace).empty, "nothing is left to do"


def test_hosts_work_side_by_side_and_on_one_tenant_at_a_time(fleet: MemoryFleet) -> None:
    workspace = fleet.workspace(parallel=8)
    rollout = planned(workspace).rollout
    members = [member for wave in rollout.waves for member in wave.members if member.host != "web-3"]
    assert sorted(member.host for member in members) == ["web-1", "web-1", "web-2", "web-2"]
    busy: set[str] = set()
    together, second = threading.Barrier(2), threading.Event()

    def change(wards: Wards, member: Member, state: MemberState) -> MemberState:
        if member.host in busy:
            second.set()
        assert member.host not in busy
        busy.add(member.host)
        together.wait(timeout=10)
        second.wait(timeout=0.3)  # a second one on a host has this long to begin
        together.wait(timeout=10)
        busy.remove(member.host)
        together.wait(timeout=10)
        return state

    states = look(workspace, rollout).states
    stop = Stop(rollout.waves[0], states)
    ended = carried(Wards(workspace, rollout, ignore), members, states, change=change, stop=stop)
    assert set(ended) == {member.tenant for member in members}


def test_another_upgrade_on_the_host_is_let_end_first(fleet: MemoryFleet) -> None:
    workspace = fleet.workspace()
    what = planned(workspace)
    fleet.hosts["web-1"].stuck.add("anna")
    upgrade_one(workspace, "anna", "2.0.0", identifier="0mhcq2k3a-somebody-s")
    stuck = Journal(fleet.hosts["web-1"], "0mhcq2k3a-somebody-s")

    def hear(heard: HeardEvent) -> None:
        if isinstance(heard.event, OperationStarted) and heard.host == "web-1":
            assert stuck.outcome() is not None

    @dataclass
    class Ending(FleetClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            fleet.hosts["web-1"].stuck.clear()
            engine.settle_all(fleet.hosts["web-1"])

    done = rolled_out(replace(workspace, clock=Ending(fleet.hosts)), what, hear)
    assert outcomes(done)["canary-1"] == "changed"


def test_what_a_host_heard_before_counts_no_more(fleet: MemoryFleet) -> None:
    """One that was away while the others were told to go on."""
    workspace = fleet.workspace()
    what = planned(workspace)
    prepare(workspace, what.rollout)
    say(workspace, what.rollout, Intent(serial=1, what="halt"))
    member, states = what.rollout.waves[0].members[0], look(workspace, what.rollout).states
    with pytest.raises(Halted):
        forth(Wards(workspace, what.rollout, ignore), member, states[member.tenant])
    done = forth(Wards(workspace, what.rollout, ignore, serial=2), member, states[member.tenant])
    assert done.outcome == "changed"


def test_a_canary_that_fails_halts_and_the_rest_is_untouched(fleet: MemoryFleet) -> None:
    fleet.hosts["web-1"].sick.add(("canary-1", NEW))
    workspace = fleet.workspace()
    done = rolled_out(workspace)
    assert {name for name, outcome in outcomes(done).items() if outcome == "failed"} == {"canary-1"}
    assert versions(fleet) == written(workspace) == every(OLD) | {"canary-2": NEW}
    assert done.intent is not None and done.intent.what == "halt"
    assert "canary: fail: 1 of 2 failed; none may fail" in done.intent.reason
    assert all(fleet.operations(name, "upgrade") == [] for name in ("anna", "bert", "carl"))
    with pytest.raises(StateError, match="ring canary failed") as caught:
        go_on(workspace, done.rollout)
    assert "--accept" in caught.value.hint

    done = go_on(workspace, done.rollout, accept=True)
    assert versions(fleet) == every(NEW) | {"canary-1": OLD}
    assert fleet.operations("canary-1", "upgrade") == [done.states["canary-1"].operation], "it is not tried again"
    assert done.intent is not None and done.intent.what == "over"


def test_what_failed_within_the_budget_stops_nothing(fleet: MemoryFleet) -> None:
    settings = fleet.root / "launchpad.yaml"
    settings.write_text(settings.read_text().replace("rollout: {", "rollout: {budget: 1, "))
    fleet.hosts["web-1"].sick.add(("canary-1", NEW))
    done = rolled_out(fleet.workspace())
    assert versions(fleet) == every(NEW) | {"canary-1": OLD}
    assert done.intent is not None and done.intent.what == "over"


def test_a_ring_whose_budget_is_spent_begins_nothing_more(fleet: MemoryFleet) -> None:
    """One after the other here, so that what comes behind the failure has not begun."""
    workspace = fleet.workspace()
    what = planned(workspace)
    first, *rest = in_wave(what, "all")
    fleet.hosts[TENANTS[first]].sick.add((first, NEW))
    done = rolled_out(workspace, what)
    assert outcomes(done)[first] == "failed"
    assert rest and all(outcomes(done)[name] == "waiting" for name in rest)


def test_one_that_is_not_well_any_more_at_the_end_of_the_soak_fails_its_ring(fleet: MemoryFleet) -> None:
    workspace = fleet.workspace()

    def hear(heard: HeardEvent) -> None:
        if isinstance(heard.event, MemberEnded) and heard.tenant == "canary-2":
            fleet.hosts["web-2"].sick.add(("canary-2", NEW))

    done = rolled_out(workspace, on_event=hear)
    assert done.states["canary-2"].outcome == "failed"
    assert "was upgraded, but ready" in done.states["canary-2"].message
    assert versions(fleet)["anna"] == OLD
    take_back(workspace, done.rollout)
    fleet.hosts["web-2"].sick.clear()
    assert versions(fleet) == every(OLD)


def test_one_whose_host_has_only_just_come_back_is_waited_for(fleet: MemoryFleet) -> None:
    workspace, slept = fleet.workspace(), []
    file = workspace.root / "launchpad.yaml"
    file.write_text(file.read_text().replace("patience: 1s", "patience: 60s"))

    def hear(heard: HeardEvent) -> None:
        if isinstance(heard.event, MemberEnded) and heard.tenant == "canary-2":
            fleet.hosts["web-2"].sick.add(("canary-2", NEW))

    class Booting(FleetClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            slept.append(seconds)
            if len(slept) == 3:
                fleet.hosts["web-2"].sick.clear()

    done = rolled_out(workspace, on_event=hear)
    assert done.intent is not None and "canary: fail" in done.intent.reason
    go_on(replace(workspace, clock=Booting(fleet.hosts)), done.rollout)
    assert versions(fleet) == every(NEW)


def test_one_that_was_not_well_before_proves_nothing_and_the_verdict_is_asked_for(fleet: MemoryFleet) -> None:
    host = fleet.hosts["web-1"]
    host.sick |= {("canary-1", OLD)}
    workspace = fleet.workspace()
    done = rolled_out(workspace)
    assert done.intent is not None
    assert (
        done.intent.reason == "ring canary: inconclusive: 1 of 2 were unhealthy before the rollout too; none may fail"
    )
    done = go_on(workspace, done.rollout, accept=True)
    assert versions(fleet) == every(NEW)


def test_one_that_hangs_is_cancelled_and_counts_as_failed(fleet: MemoryFleet) -> None:
    fleet.hosts["web-2"].stuck.add("canary-2")
    workspace, told = fleet.workspace(), []
    done = rolled_out(workspace, on_event=lambda heard: told.append(f"{outcome_of(heard)}"))
    assert done.states["canary-2"].outcome == "failed"
    assert done.states["canary-2"].message == "cancelled"
    assert "failed: did not end within 60 s and was undone" in told
    fleet.hosts["web-2"].stuck.clear()
    assert versions(fleet) == written(workspace)
    assert versions(fleet)["canary-2"] == OLD


def outcome_of(heard: HeardEvent) -> str:
    return f"{heard.event.outcome}: {heard.event.message}" if isinstance(heard.event, MemberEnded) else ""


def test_a_dead_host_fails_no_other_and_its_verdict_is_inconclusive(fleet: MemoryFleet) -> None:
    workspace = fleet.workspace()
    what = planned(workspace)

    def hear(heard: HeardEvent) -> None:
        if isinstance(heard.event, MemberEnded) and heard.tenant == "canary-2":
            fleet.hosts["web-3"].dead = True

    done = rolled_out(workspace, what, hear)
    lost = {name for name, host in TENANTS.items() if host == "web-3"}
    assert {name for name, outcome in outcomes(done).items() if outcome == "unknown"} == lost
    ring = next(wave.ring for wave in what.rollout.waves if lost & {member.tenant for member in wave.members})
    assert done.intent is not None and f"ring {ring}: inconclusive" in done.intent.reason
    assert all(outcomes(done)[name] == "changed" for name in in_wave(what, ring) if name not in lost)
    assert go_on(workspace, what.rollout).intent == done.intent.but(serial=done.intent.serial + 2), "it still is dead"

    fleet.hosts["web-3"].dead = False
    done = go_on(workspace, what.rollout)
    assert versions(fleet) == written(workspace) == every(NEW)
    assert done.intent is not None and done.intent.what == "over"


def test_a_host_that_dies_behind_its_ring_holds_nothing_up(fleet: MemoryFleet) -> None:
    workspace = fleet.workspace()

    def hear(heard: HeardEvent) -> None:
        if isinstance(heard.event, WaveStarted) and heard.event.ring == "50%":
            fleet.hosts["web-2"].dead = True

    what = planned(workspace)
    done = rolled_out(workspace, what, hear)
    assert done.intent is not None and 0 in done.intent.passed
    assert "canary" not in done.intent.reason


def test_a_host_that_does_not_answer_at_first_is_left_out_and_said_so(fleet: MemoryFleet) -> None:
    fleet.hosts["web-3"].dead = True
    what = planned(fleet.workspace())
    assert {item.tenant: item.reason for item in what.left_out} == dict.fromkeys(
        ("carl",), "cannot connect to launchpad@192.0.2.3: no route to host"
    )


def test_who_cannot_follow_is_left_out_with_the_reason(fleet: MemoryFleet) -> None:
    workspace = fleet.workspace()
    upgrade_one(workspace, "anna", NEW)
    upgrade_one(workspace, "bert", "2.0.0")
    file = fleet.root / "inventory/tenants/carl.yaml"
    file.write_text(file.read_text().replace("{", '{"running": false, ', 1))
    (fleet.root / "inventory/secrets/canary-1.yaml").unlink()
    told = {item.tenant: item.reason for item in planned(workspace).left_out}
    assert told.pop("canary-1").startswith("cannot be rendered: ")
    assert told == {
        "anna": "already runs 1.1.0",
        "bert": "runs 2.0.0, which is newer",
        "carl": "must not run: its file has running: false",
    }


def upgrade_one(workspace: Workspace, name: str, version: str, *, identifier: str = "") -> None:
    """And let it go at once when it does not end."""
    what = plan_upgrade(workspace, name, UpgradeRequest(version=version, soak_seconds=0, rehearse=False))
    patience = Patience(within=10)
    upgrade(workspace, what, confirm=Confirmation(digest=what.digest, identifier=identifier, patience=patience))


def test_the_record_is_on_every_host_before_anything_begins(fleet: MemoryFleet) -> None:
    workspace = fleet.workspace()
    what = planned(workspace)
    fleet.hosts["web-2"].dead = True
    with pytest.raises(PartialError, match="1 of 3 hosts failed: web-2"):
        rolled_out(workspace, what)
    assert all(fleet.operations(name, "upgrade") == [] for name in TENANTS)
    fleet.hosts["web-2"].dead = False
    other = fleet.workspace(operator="bob")
    assert find(other, "echo").stands == "prepared"
    go_on(other, find(other, "echo").rollout)
    assert versions(fleet) == every(NEW)


def test_a_second_one_waits_for_the_first(fleet: MemoryFleet) -> None:
    workspace = fleet.workspace()
    what = planned(workspace)
    fleet.hosts["web-1"].sick.add(("canary-1", NEW))
    kill = killing(lambda heard: isinstance(heard.event, Committed))
    with pytest.raises(Killed):
        rolled_out(workspace, what, kill)
    with pytest.raises(StateError, match="has not ended") as caught:
        planned(workspace)
    assert "--resume" in caught.value.hint
    halt(workspace, find(workspace, "echo"))
    assert planned(workspace).rollout.id != what.rollout.id


def test_halt_by_another_operator_begins_nothing_more(fleet: MemoryFleet) -> None:
    workspace, other = fleet.workspace(), fleet.workspace(operator="bob")

    def hear(heard: HeardEvent) -> None:
        if isinstance(heard.event, MemberEnded) and heard.tenant.startswith("canary"):
            known = find(other, "echo")
            if known.intent and known.intent.what == "go":
                halt(other, known)

    done = rolled_out(workspace, on_event=hear)
    assert sorted(outcomes(done).values()) == ["changed", *["waiting"] * 4]
    assert done.intent is not None and done.intent.reason == "halted by bob"
    assert set(outcomes(go_on(workspace, done.rollout)).values()) == {"changed"}


def test_undo_takes_everything_back_and_may_be_said_again(fleet: MemoryFleet) -> None:
    workspace = fleet.workspace(parallel=4)
    done = rolled_out(workspace)
    undone = take_back(workspace, done.rollout)
    assert set(outcomes(undone).values()) == {"undone"}
    assert undone.intent is not None and undone.intent.what == "undone"
    assert versions(fleet) == written(workspace) == every(OLD)
    take_back(workspace, done.rollout)
    assert all(len(fleet.operations(name, "rollback")) == 1 for name in TENANTS)
    with pytest.raises(StateError, match="being undone"):
        go_on(workspace, done.rollout)


def test_an_undo_waits_for_a_host_that_is_dead(fleet: MemoryFleet) -> None:
    workspace = fleet.workspace()
    done = rolled_out(workspace)
    fleet.hosts["web-3"].dead = True
    undone = take_back(workspace, done.rollout)
    assert undone.intent is not None and undone.intent.what == "undo"
    fleet.hosts["web-3"].dead = False
    undone = take_back(fleet.workspace(operator="bob"), done.rollout)
    assert undone.intent is not None and undone.intent.what == "undone"
    assert versions(fleet) == every(OLD)


def test_an_upgrade_that_is_under_way_is_cancelled_by_the_undo(fleet: MemoryFleet) -> None:
    workspace = fleet.workspace()
    what = planned(workspace)
    first = in_wave(what, "canary")[0]
    fleet.hosts[TENANTS[first]].stuck.add(first)
    prepare(workspace, what.rollout)
    say(workspace, what.rollout, Intent(serial=1, what="go"))
    upgrade_one(workspace, first, NEW, identifier=operation_id(what.rollout.id, first, FORTH))
    assert look(workspace, what.rollout).states[first].outcome == "running"
    undone = take_back(workspace, what.rollout)
    assert undone.states[first].outcome == "failed"
    assert undone.states[first].message == "cancelled"
    assert versions(fleet) == every(OLD)


def test_just_the_confirmed_plan_begins(fleet: MemoryFleet) -> None:
    workspace = fleet.workspace()
    what = planned(workspace)
    other = replace(what, rollout=what.rollout.but(rehearse=True))
    with pytest.raises(StateError, match="was not confirmed"):
        rollout(workspace, other, confirm=Confirmation(digest=what.digest))
    assert rollouts(workspace).rollouts == ()


# --- the operator is killed -------------------------------------------------------------------------------------------


def killing(when: Callable[[HeardEvent], bool]) -> Callable[[HeardEvent], None]:
    """An operator that dies at the first event that is so."""

    def hear(heard: HeardEvent) -> None:
        if when(heard):
            raise Killed

    return hear


def counting(number: int) -> Callable[[HeardEvent], None]:
    """An operator that dies at the event of that number, from 1; never for 0."""
    seen = 0

    def hear(heard: HeardEvent) -> None:
        nonlocal seen
        seen += 1
        if seen == number:
            raise Killed

    hear.seen = lambda: seen  # type: ignore[attr-defined]
    return hear


@pytest.mark.parametrize("share", [number / 4 for number in range(4)])
def test_whoever_resumes_after_a_kill_ends_where_the_first_would_have(
    fleet: MemoryFleet, tmp_path: Path, share: float
) -> None:
    """A second operator with a checkout of the same commit, without the first one's edits."""
    fleet.hosts["web-1"].sick.add(("canary-1", NEW))
    settings = fleet.root / "launchpad.yaml"
    settings.write_text(settings.read_text().replace("rollout: {", "rollout: {budget: 1, "))
    commit(fleet.root)
    checkout = tmp_path / "second/fleet"
    checkout.parent.mkdir()
    git(tmp_path, "clone", "--quiet", str(fleet.root), str(checkout))
    (checkout.parent / "identity").write_bytes((fleet.root.parent / "identity").read_bytes())
    workspace, second = fleet.workspace(), fleet.workspace(checkout, operator="bob")
    what = planned(workspace)
    with pytest.raises(Killed):
        rolled_out(workspace, what, counting(1 + int(share * EVENTS)))
    known = find(second, "echo")
    done = go_on(second, known.rollout)
    assert known.rollout == what.rollout
    assert done.intent is not None and done.intent.what == "over"
    assert versions(fleet) == written(second) == every(NEW) | {"canary-1": OLD}
    assert all(len(fleet.operations(name, "upgrade")) == 1 for name in TENANTS), "nothing is done twice"
    undone = take_back(workspace, what.rollout)
    assert versions(fleet) == every(OLD)
    assert undone.intent is not None and undone.intent.what == "undone"


def test_the_kills_reach_all_of_it(fleet: MemoryFleet) -> None:
    hear = counting(0)
    rolled_out(fleet.workspace(), on_event=hear)
    assert 0.8 * hear.seen() <= EVENTS <= hear.seen()  # type: ignore[attr-defined]


EVENTS = 205


def test_status_is_read_from_the_hosts(fleet: MemoryFleet) -> None:
    workspace = fleet.workspace()
    done = rolled_out(workspace)
    assert outcomes(look(fleet.workspace(operator="bob"), done.rollout)) == outcomes(done)
