"""generations, snapshot, restore: what is kept of a tenant's data, and putting it back."""

from __future__ import annotations

from pathlib import Path

import pytest

from launchpad.errors import StateError
from launchpad.operations.generations.generations import generations
from launchpad.operations.generations.restore import plan_restore, restore
from launchpad.operations.generations.snapshot import snapshot
from launchpad.operations.requests.confirmation import Confirmation
from launchpad.runner.caller import Caller
from launchpad.runner.verbs.generations import generations as answer
from launchpad.workspace import Workspace
from tests.operations.past import (
    GENERATION,
    NEW,
    OLD,
    TAKEN,
    ending,
    file_of_alice,
    generation,
    keeps,
    submitted,
    workspace_with_a_past,
)
from tests.operations.places import behave, replies, requests
from tests.runner.test_kill_points import NEW as NEW_RELEASE
from tests.runner.test_kill_points import OLD as OLD_RELEASE
from tests.runner.test_kill_points import Scenario, prepared, run, upgrade
from tests.ssh.sshd import Sshd


@pytest.fixture
def workspace(tmp_path: Path, sshd: Sshd) -> Workspace:
    return workspace_with_a_past(tmp_path, sshd)


def test_what_is_kept_is_told_as_the_host_tells_it(workspace: Workspace, sshd: Sshd) -> None:
    newer = generation() | {"a key of": "a newer runner"}
    behave(sshd, generations=keeps((OLD, "1.0.0", GENERATION), generations=(newer,), incomplete=("0mhcq2k3b-00000",)))
    past = generations(workspace, "alice")
    assert [(item.id, item.incomplete, item.why) for item in past.generations] == [
        (GENERATION, False, "upgrade"),
        ("0mhcq2k3b-00000", True, ""),
    ]
    assert past.running.release == OLD
    assert past.as_json()["generations"][0]["at"] == TAKEN
    assert requests(sshd)[0]["body"] == {"tenant": "alice"}


def test_a_runner_s_own_answer_is_understood(workspace: Workspace, sshd: Sshd) -> None:
    scenario = Scenario("past", upgrade(NEW_RELEASE), (OLD_RELEASE,))
    host = prepared(scenario)
    assert run(host, scenario.operation) == "done"
    (reply,) = answer(host, {"tenant": "alice"}, Caller("alice"))
    behave(sshd, generations=replies(reply["body"]))
    past = generations(workspace, "alice")
    assert [(item.version, item.running) for item in past.releases] == [("2", True), ("1", False)]
    assert past.generation(past.releases[1].generation).why == "upgrade"
    assert {item.why for item in past.generations} == {"upgrade", "manual"}


def test_an_answer_that_is_none_is_the_host_s_error(workspace: Workspace, sshd: Sshd) -> None:
    behave(sshd, generations=replies({"generations": [{"id": "x"}], "releases": []}))
    with pytest.raises(StateError, match=r"web-1: the host.s answer cannot be read: reply\.generations"):
        generations(workspace, "alice")


def test_a_snapshot_is_asked_for_by_the_tenant_s_name(workspace: Workspace, sshd: Sshd) -> None:
    behave(sshd, submit=ending())
    assert snapshot(workspace, "alice", identifier=GENERATION).outcome == "done"
    assert submitted(sshd) == [{"kind": "snapshot", "tenant": "alice"}]


def test_data_goes_back_once_it_is_confirmed_and_the_inventory_stays(workspace: Workspace, sshd: Sshd) -> None:
    behave(sshd, generations=keeps((OLD, "1.0.0", ""), generations=(generation(),)), submit=ending())
    before = file_of_alice(workspace)
    what = plan_restore(workspace, "alice", generation=GENERATION)
    assert (what.release, what.version, what.at) == (OLD, "1.0.0", TAKEN)
    with pytest.raises(StateError, match="restore was not confirmed"):
        restore(workspace, what, confirm=Confirmation(digest="0" * 12))
    assert submitted(sshd) == []
    restore(workspace, what, confirm=Confirmation(digest=what.digest))
    assert submitted(sshd) == [{"kind": "restore", "tenant": "alice", "generation": GENERATION, "replaces": OLD}]
    assert file_of_alice(workspace) == before


def test_data_of_another_version_comes_back_with_that_version_alone(workspace: Workspace, sshd: Sshd) -> None:
    left = generation("2.0.0", identifier=f"{GENERATION}-new", why="soak")
    past = keeps((NEW, "1.2.0", ""), (OLD, "1.1.0", GENERATION), generations=(left, generation("1.1.0")))
    behave(sshd, generations=past)
    with pytest.raises(StateError, match=r"has data of version 1\.1\.0, but version 1\.2\.0 is running") as caught:
        plan_restore(workspace, "alice", generation=GENERATION)
    assert caught.value.hint == f"launchpad rollback alice --to {OLD}"
    with pytest.raises(StateError, match=r"has data of version 2\.0\.0, but version 1\.2\.0 is running") as caught:
        plan_restore(workspace, "alice", generation=f"{GENERATION}-new")
    assert caught.value.hint.startswith("first run version 2.0.0 on alice")


@pytest.mark.parametrize("identifier", ["nothing", "0mhcq2k3b-00000"])
def test_a_generation_that_is_not_whole_is_none(workspace: Workspace, sshd: Sshd, identifier: str) -> None:
    behave(sshd, generations=keeps((OLD, "1.0.0", ""), incomplete=("0mhcq2k3b-00000",)))
    with pytest.raises(StateError, match=f"alice has no generation {identifier}") as caught:
        plan_restore(workspace, "alice", generation=identifier)
    assert caught.value.hint == "launchpad generations alice"


def test_a_tenant_of_which_nothing_runs_has_nothing_to_restore(workspace: Workspace, sshd: Sshd) -> None:
    behave(sshd, generations=keeps(generations=(generation(),)))
    with pytest.raises(StateError, match="alice is not deployed on web-1"):
        plan_restore(workspace, "alice", generation=GENERATION)
