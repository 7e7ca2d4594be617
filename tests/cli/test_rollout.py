"""launchpad rollout and rollouts, from the words typed to the lines printed, over a fleet in memory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.test_operations import launchpad
from tests.memory.fleet import MemoryFleet, memory_fleet

pytestmark = pytest.mark.programs  # Git, whose checkouts are an operator's each

TENANTS = {"canary-1": "web-1", "alice": "web-1", "bob": "web-2"}
SETTINGS = "rollout: {rings: [canary, 50%, all], soak: 90s, tenant_soak: 5s, patience: 1s}\n"
OLD, NEW = "1.0.0", "1.1.0"
TO = ("rollout", "echo", "--to", NEW, "--no-rehearsal")


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> MemoryFleet:
    return memory_fleet(tmp_path_factory.mktemp("first") / "one", TENANTS, settings=SETTINGS)


@pytest.fixture
def fleet(first: MemoryFleet, tmp_path: Path) -> MemoryFleet:
    return first.copy(tmp_path / "mine")


def test_a_plan_says_who_is_in_which_ring_and_nothing_begins_without_a_yes(fleet: MemoryFleet) -> None:
    workspace = fleet.workspace()
    file = fleet.root / "inventory/tenants/bob.yaml"
    file.write_text(file.read_text().replace("{", '{"running": false, ', 1))
    for words in ((*TO, "--dry-run"), TO):
        shown = launchpad(workspace, *words)
        lines = shown.out.splitlines()
        assert lines[0].split() == ["RING", "TENANTS", "HOSTS", "SOAK", "MAY", "FAIL", "WHO"]
        assert lines[1].split() == ["canary", "1", "1", "1", "min", "30", "s", "0", "canary-1"]
        assert lines[2].split() == ["all", "1", "1", "1", "min", "30", "s", "0", "alice"]
        assert max(map(len, lines)) <= 80
        assert shown.err.splitlines()[:2] == ["echo → 1.1.0", "  without a rehearsal"]
        assert "skipped: bob on web-2: must not run: its file has running: false" in shown.err
    assert shown.code == 4
    assert "Upgrade 2 tenants of echo to 1.1.0, ring by ring? Cannot ask" in str(shown.error)
    assert launchpad(workspace, "rollouts").out == "no rollout yet\n"
    plan = json.loads(launchpad(workspace, "--json", *TO, "--dry-run").out)
    assert [item["tenant"] for item in plan["left_out"]] == ["bob"]


def test_a_host_that_does_not_answer_is_no_plan_that_is_done(fleet: MemoryFleet) -> None:
    workspace = fleet.workspace()
    fleet.hosts["web-1"].dead = True
    shown = launchpad(workspace, *TO, "--dry-run")
    assert (shown.code, "warning: web-1: cannot connect" in shown.err) == (8, True)
    assert shown.out.splitlines()[1].split()[-1] == "bob"
    assert launchpad(workspace, "--json", *TO, "--dry-run").code == 8
    fleet.hosts["web-2"].dead = True
    for words in ((*TO, "--dry-run"), (*TO, "--yes")):
        shown = launchpad(workspace, *words)
        assert (shown.code, shown.out) == (8, "")


def test_all_goes_well(fleet: MemoryFleet) -> None:
    workspace = fleet.workspace()
    done = launchpad(workspace, *TO, "--yes")
    assert done.code == 0, done
    told = ["canary-1", "web-1", "canary", "changed", OLD, "→", NEW]
    assert done.out.splitlines()[-3].split()[:7] == told
    for line in ("• rollout: ring canary: 1 tenant on 1 host", "✓ canary-1: changed in 8.7 s",
                 "• rollout: ring canary: watching for 1 min 30 s", "✓ rollout: ring canary: pass",
                 "echo 1.1.0: 3 changed",
                 "commit the inventory: it now has the running versions of 3 tenants"):  # fmt: skip
        assert line in done.err.splitlines(), line
    listed = launchpad(workspace, "rollouts", "echo").out.splitlines()[1].split()
    assert listed[3:] == ["echo", NEW, "3", "alice", "over"]
    again = launchpad(workspace, *TO, "--yes")
    assert (again.code, again.out) == (0, "nothing to do\n")


def test_a_failure_is_told_with_what_to_do_and_the_rest_can_go_on_or_back(fleet: MemoryFleet) -> None:
    fleet.hosts["web-1"].sick.add(("canary-1", NEW))
    workspace = fleet.workspace()
    done = launchpad(workspace, *TO, "--yes")
    assert done.code == 8
    assert "✗ rollout: ring canary: fail: 1 of 1 failed; none may fail" in done.err
    assert "warning: the rollout is halted: ring canary: fail: 1 of 1 failed; none may fail" in done.err
    assert "launchpad rollout echo --resume --accept" in done.err
    status = launchpad(workspace, "rollout", "echo", "--status")
    assert status.code == 0
    assert [line.split()[3] for line in status.out.splitlines()[1:]] == ["failed", "waiting", "waiting"]
    assert "(launchpad history canary-1 --steps)" in status.err

    refused = launchpad(workspace, "rollout", "echo", "--resume")
    assert (refused.code, "ring canary failed" in str(refused.error)) == (4, True)
    asked = launchpad(workspace, "rollout", "echo", "--resume", "--accept")
    assert (asked.code, "Continue past ring canary (fail: 1 of 1 failed" in str(asked.error)) == (4, True)
    gone_on = launchpad(workspace, "rollout", "echo", "--resume", "--accept", "--yes")
    assert (gone_on.code, "2 changed" in gone_on.err) == (8, True)
    asked = launchpad(workspace, "rollout", "echo", "--undo")
    assert (asked.code, "Return 2 tenants to the earlier release" in str(asked.error)) == (4, True)
    lines = launchpad(workspace, "--json", "rollout", "echo", "--undo", "--yes").lines
    assert {item["outcome"] for item in lines[-1]["tenants"]} == {"undone", "failed"}
    assert lines[-1]["stands"] == "undone"
    assert [fleet.runs(name) for name in TENANTS] == [OLD] * 3


def test_a_halt_is_said_to_all(fleet: MemoryFleet) -> None:
    workspace = fleet.workspace()
    missing = launchpad(workspace, "rollout", "echo", "--halt")
    assert (missing.code, "no rollout of echo" in str(missing.error)) == (4, True)
    launchpad(workspace, *TO, "--yes")
    over = launchpad(workspace, "rollout", "echo", "--halt")
    assert (over.code, "is over" in str(over.error)) == (4, True)


@pytest.mark.parametrize("words", [(), ("--resume", "--undo"), ("--to", NEW, "--accept")])
def test_one_thing_at_a_time(fleet: MemoryFleet, words: tuple[str, ...]) -> None:
    ran = launchpad(fleet.workspace(), "rollout", "echo", *words)
    assert ran.code == 2 and ("takes one of" in str(ran.error) or "goes with" in str(ran.error))


@pytest.mark.parametrize("option", ["--dry-run", "--no-rehearsal"])
@pytest.mark.parametrize("verb", ["--resume", "--halt", "--undo", "--status"])
def test_what_is_only_of_a_beginning_is_refused_elsewhere(fleet: MemoryFleet, verb: str, option: str) -> None:
    workspace = fleet.workspace()
    fleet.hosts["web-1"].sick.add(("canary-1", NEW))
    launchpad(workspace, *TO, "--yes")
    ran = launchpad(workspace, "rollout", "echo", verb, option, "--yes")
    assert (ran.code, f"{option} goes with --to or --latest" in str(ran.error)) == (2, True)
    assert [fleet.runs(name) for name in TENANTS] == [OLD] * 3
    stands = json.loads(launchpad(workspace, "--json", "rollouts").out)["rollouts"][0]["stands"]
    assert stands == "halted"
