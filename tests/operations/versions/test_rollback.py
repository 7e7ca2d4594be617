"""rollback: which release is meant, what becomes of the data, and the inventory afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from launchpad.errors import InventoryError, StateError
from launchpad.operations.observation.status import status
from launchpad.operations.requests.confirmation import Confirmation
from launchpad.operations.versions.rollback import Back, Rollback, plan_rollback, rollback
from launchpad.workspace import Workspace
from tests.operations.past import (
    GENERATION,
    NEW,
    OLD,
    OLDEST,
    TAKEN,
    ending,
    file_of_alice,
    generation,
    keeps,
    release_at,
    runs,
    submitted,
    workspace_with_a_past,
)
from tests.operations.places import behave, replies
from tests.ssh.sshd import Sshd


@pytest.fixture
def workspace(tmp_path: Path, sshd: Sshd) -> Workspace:
    """With an inventory that says 2.0.0."""
    workspace = workspace_with_a_past(tmp_path, sshd)
    file = workspace.root / "inventory/tenants/alice.yaml"
    file.write_text(file.read_text().replace("1.0.0", "2.0.0"))
    return workspace


def planned(workspace: Workspace, to: str = "", **more: object) -> Rollback:
    return plan_rollback(workspace, "alice", Back(to=to, **more))  # type: ignore[arg-type]


PAST = keeps(
    (NEW, "2.0.0", ""), (OLD, "1.1.0", GENERATION), (OLDEST, "1.0.0", GENERATION), generations=(generation("1.1.0"),)
)


def test_the_release_before_comes_back_with_its_data_and_the_inventory_follows(
    workspace: Workspace, sshd: Sshd
) -> None:
    old = release_at(workspace, "1.1.0")
    past = keeps((NEW, "2.0.0", ""), (old, "1.1.0", GENERATION), generations=(generation("1.1.0"),))
    behave(sshd, generations=past, submit=ending(release=old))
    before = file_of_alice(workspace)
    what = planned(workspace)
    assert (what.version_before, what.version, what.generation, what.at) == ("2.0.0", "1.1.0", GENERATION, TAKEN)
    done = rollback(workspace, what, confirm=Confirmation(digest=what.digest))
    assert (done.outcome, done.version, done.written) == ("done", "1.1.0", True)
    assert file_of_alice(workspace) == before.replace('"2.0.0"', "1.1.0")
    asked, told = submitted(sshd)
    assert asked == {"kind": "rollback", "tenant": "alice", "to": old, "keep_data": False, "soak": 0, "replaces": NEW}
    assert (told["kind"], told["replaces"]) == ("deploy", old)


@pytest.mark.parametrize(("to", "release"), [("", OLD), ("1.0.0", OLDEST), (OLDEST, OLDEST), ("1.1.0", OLD)])
def test_a_release_is_named_by_itself_or_by_its_version(
    workspace: Workspace, sshd: Sshd, to: str, release: str
) -> None:
    behave(sshd, generations=PAST)
    assert planned(workspace, to).release == release


def test_after_a_rollback_the_newer_release_is_not_the_one_before(workspace: Workspace, sshd: Sshd) -> None:
    past = keeps((OLD, "1.1.0", ""), (NEW, "2.0.0", GENERATION), generations=(generation("2.0.0", why="rollback"),))
    behave(sshd, generations=past)
    with pytest.raises(StateError, match="no release ran before") as caught:
        planned(workspace)
    assert caught.value.hint == "launchpad rollback alice --list"
    assert planned(workspace, "2.0.0").release == NEW, "by name a rollback can be rolled back"


@pytest.mark.parametrize(
    ("to", "message"),
    [("9", "web-1 has no release 9"), ("2.0.0", "2.0.0 is the running release"), (NEW, "is the running release")],
)
def test_what_is_not_there_is_refused_with_the_list(workspace: Workspace, sshd: Sshd, to: str, message: str) -> None:
    behave(sshd, generations=PAST)
    with pytest.raises(StateError, match=message) as caught:
        planned(workspace, to)
    assert caught.value.hint == "launchpad rollback alice --list"


def test_a_release_that_was_pruned_is_said_to_be(workspace: Workspace, sshd: Sshd) -> None:
    pruned = {"release": OLD, "version": "1.1.0", "kept": False, "running": False, "generation": ""}
    running = {"release": NEW, "version": "2.0.0", "kept": True, "running": True, "generation": ""}
    behave(sshd, generations=replies({"generations": [], "releases": [running, pruned]}))
    with pytest.raises(StateError, match=rf"no longer keeps release {OLD} \(1\.1\.0\)"):
        planned(workspace)


def test_data_is_kept_only_where_the_older_version_says_that_it_reads_it(workspace: Workspace, sshd: Sshd) -> None:
    behave(sshd, generations=PAST)
    with pytest.raises(StateError, match=r"version 1\.1\.0 may not be able to read the data of version 2\.0\.0"):
        planned(workspace, keep_data=True)
    app = workspace.root / "inventory/apps/echo.yaml"
    app.write_text(app.read_text().replace("    notes: faster", "    follows: [1.0.0, 2.0.0]"))
    what = planned(workspace, keep_data=True)
    assert (what.generation, what.at) == ("", 0.0)
    behave(sshd, generations=PAST, submit=ending())
    rollback(workspace, what, confirm=Confirmation(digest=what.digest))
    assert submitted(sshd)[0]["keep_data"] is True


def test_without_its_data_a_release_comes_back_only_on_what_there_is(workspace: Workspace, sshd: Sshd) -> None:
    behave(sshd, generations=keeps((NEW, "2.0.0", ""), (OLD, "1.1.0", "")))
    with pytest.raises(StateError, match="no data of release") as caught:
        planned(workspace)
    assert caught.value.hint == "launchpad rollback alice --list"
    app = workspace.root / "inventory/apps/echo.yaml"
    app.write_text(app.read_text().replace("strategy: swap", "strategy: beside"))
    with pytest.raises(StateError, match="no data of release") as caught:
        planned(workspace)
    assert caught.value.hint == "add --keep-data"
    assert planned(workspace, keep_data=True).release == OLD


def test_a_version_that_the_app_lists_no_more_runs_and_is_not_written(workspace: Workspace, sshd: Sshd) -> None:
    past = keeps((NEW, "2.0.0", ""), (OLD, "0.9.0", GENERATION), generations=(generation("0.9.0"),))
    behave(sshd, generations=past, submit=ending())
    what = planned(workspace)
    done = rollback(workspace, what, confirm=Confirmation(digest=what.digest))
    assert (done.outcome, done.written) == ("done", False)
    assert isinstance(done.problem, InventoryError)
    assert "2.0.0" in file_of_alice(workspace)


def test_a_rollback_whose_edit_was_lost_is_not_taken_back_by_the_next_plan(workspace: Workspace, sshd: Sshd) -> None:
    behave(sshd, observe=runs("1.1.0", rolled_back_from="2.0.0"))
    (standing,) = status(workspace, ["alice"]).tenants
    assert standing.remarks == ("rolled back from 2.0.0, which the inventory still names: launchpad adopt alice",)


def test_just_the_confirmed_plan_is_carried_out(workspace: Workspace, sshd: Sshd) -> None:
    behave(sshd, generations=PAST)
    with pytest.raises(StateError, match="was not confirmed"):
        rollback(workspace, planned(workspace), confirm=Confirmation(digest=planned(workspace, "1.0.0").digest))
    assert submitted(sshd) == []
