"""Two clones of an inventory, of which one does not know what the other deployed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from launchpad.errors import StateError
from launchpad.fleet.keeping.revision import MOST_ANCESTORS
from launchpad.fleet.words.mistakes import InventoryMistakes
from launchpad.fleet.words.names import SecretName, TenantName
from launchpad.fleet.words.secret import Secret
from launchpad.operations.moving.move import move, plan_move
from launchpad.operations.observation.status import status
from launchpad.operations.requests.confirmation import Confirmation
from launchpad.operations.requests.history import history
from launchpad.operations.rollouts.rollout import RolloutRequest, plan_rollout
from launchpad.operations.tenants.apply import apply
from launchpad.operations.tenants.deploy import DeployOptions, deploy
from launchpad.operations.tenants.plan_fleet import plan_fleet
from launchpad.operations.tenants.renumber import renumber
from launchpad.operations.tenants.restart import restart
from launchpad.operations.tenants.start import start
from launchpad.operations.tenants.stop import stop
from launchpad.operations.versions.upgrade import UpgradeRequest, plan_upgrade, upgrade
from launchpad.workspace import Workspace
from tests.memory.fleet import MemoryFleet, commit, commits_for, git, memory_fleet


@pytest.fixture
def fleet(tmp_path: Path) -> MemoryFleet:
    return memory_fleet(tmp_path, {"alice": "web-1", "bob": "web-1", "zoe": "web-2"})


@pytest.fixture
def stale(fleet: MemoryFleet, tmp_path: Path) -> Workspace:
    """A clone of before ann deployed another secret of alice, whose commit nobody else has."""
    shutil.copytree(fleet.root, tmp_path / "clone")
    ann = fleet.workspace(operator="ann")
    ann.secrets.set(TenantName("alice"), SecretName("ECHO_TOKEN"), Secret("another-token"))
    assert deploy(fleet.workspace(operator="ann"), "alice").outcome == "done"
    return fleet.workspace(tmp_path / "clone", operator="bob")


def test_a_plan_never_offers_to_take_back_what_it_does_not_know(stale: Workspace) -> None:
    plan = plan_fleet(stale)
    assert plan.changes == ()
    (note,) = plan.notes
    assert note.tenant == "alice"
    assert "ann deployed the running release from revision" in note.text
    assert "not carried out: deploy, secrets changed: ECHO_TOKEN" in note.text
    assert note.hint.startswith("git pull; if the revision is lost: launchpad deploy alice --after ")
    assert apply(stale, confirm=plan.digest).results == {}
    (alice, bob, _) = status(stale).tenants
    assert "ann deployed the running release" in alice.remarks[0]
    assert bob.remarks == ()


def test_what_no_inventory_is_sent_with_is_not_refused(stale: Workspace) -> None:
    for verb in (stop, start, restart):
        assert verb(stale, "alice").outcome == "done"


def test_an_upgrade_and_a_rollout_are_refused_and_say_the_way_on(stale: Workspace) -> None:
    what = plan_upgrade(stale, "alice", UpgradeRequest(version="1.1.0", soak_seconds=0, rehearse=False))
    with pytest.raises(StateError, match="does not descend") as refused:
        upgrade(stale, what, confirm=Confirmation(digest=what.digest))
    assert "launchpad deploy alice --after " in refused.value.hint
    plan = plan_rollout(stale, "echo", RolloutRequest(version="1.1.0", rehearse=False))
    assert [item.tenant for item in plan.left_out] == ["alice"]
    assert "does not descend" in plan.left_out[0].reason


def test_a_move_does_not_take_it_back_on_the_way(stale: Workspace) -> None:
    what = plan_move(stale, "alice", to="web-2")
    with pytest.raises(StateError, match="ann deployed the running release from revision") as refused:
        move(stale, what, confirm=Confirmation(digest=what.digest))
    assert "launchpad deploy alice --after " in refused.value.hint
    assert status(stale, ["alice"]).tenants[0].state == "healthy"


def test_whoever_has_seen_it_goes_on_and_it_is_written_down(fleet: MemoryFleet, stale: Workspace) -> None:
    commit(stale.root)
    with pytest.raises(StateError, match="would change secret ECHO_TOKEN") as refused:
        deploy(stale, "alice")
    shown = refused.value.hint.rpartition(" ")[2]
    with pytest.raises(StateError, match="--after names"):
        deploy(stale, "alice", how=DeployOptions(after="0" * 12))
    assert deploy(stale, "alice", how=DeployOptions(after=shown)).outcome == "done"
    assert [entry.after for entry in history(stale, ["alice"]).entries][:2] == [shown, ""]
    assert plan_fleet(stale).changes == ()
    with pytest.raises(StateError, match="bob deployed the running release"):
        deploy(fleet.workspace(operator="ann"), "alice")


def test_a_commit_that_was_amended_is_gone_on_from(fleet: MemoryFleet, tmp_path: Path) -> None:
    workspace = fleet.workspace()
    workspace.secrets.set(TenantName("alice"), SecretName("ECHO_TOKEN"), Secret("another-token"))
    commit(fleet.root)
    assert deploy(workspace, "alice").outcome == "done"
    git(fleet.root, "commit", "--quiet", "--amend", "-m", "Said better")
    with pytest.raises(StateError, match="would change nothing but the revision") as refused:
        deploy(workspace, "alice")
    assert plan_fleet(workspace).changes == (), "nothing is to do"
    shown = refused.value.hint.rpartition(" ")[2]
    assert deploy(workspace, "alice", how=DeployOptions(after=shown)).outcome == "done"
    assert deploy(workspace, "alice").outcome == "unchanged"


def test_a_conflict_in_one_file_keeps_nobody_from_the_rest(fleet: MemoryFleet) -> None:
    file = fleet.root / "inventory/tenants/alice.yaml"
    file.write_text("<<<<<<< HEAD\n" + file.read_text())
    workspace = fleet.workspace()
    (alice, bob, _) = status(workspace).tenants
    assert (alice.state, alice.good, bob.state, bob.good) == ("healthy", False, "healthy", True)
    assert "an unresolved Git conflict" in alice.remarks[0]
    (note,) = plan_fleet(workspace).notes
    assert (note.tenant, note.host) == ("alice", "web-1")
    assert "launchpad retire" not in note.hint, "it is not to be taken for a stranger"
    assert restart(workspace, "bob").outcome == "done"
    for verb in (deploy, restart, stop):
        with pytest.raises(InventoryMistakes, match="an unresolved Git conflict"):
            verb(workspace, "alice")
    with pytest.raises(InventoryMistakes, match="an unresolved Git conflict"):
        status(workspace, ["alice"])


def test_of_two_tenants_in_one_slot_the_one_that_was_never_deployed_gets_another(fleet: MemoryFleet) -> None:
    bob = (fleet.root / "inventory/tenants/bob.yaml").read_text()
    (fleet.root / "inventory/tenants/carol.yaml").write_text(bob.replace("bob", "carol"))
    workspace = fleet.workspace()
    assert sorted(workspace.fleet.load().unreadable) == ["bob", "carol"]
    with pytest.raises(StateError, match="bob: it is deployed on web-1 in slot 2") as refused:
        renumber(workspace, "bob")
    assert refused.value.hint == "launchpad tenant renumber carol"
    assert renumber(workspace, "carol").slot == 4
    assert plan_fleet(workspace, ["bob"]).changes == ()


def with_domain(root: Path, domain: str) -> None:
    """Another domain of alice, not committed."""
    path = root / "inventory/tenants/alice.yaml"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"domains": [domain]}))


def test_a_tenant_nobody_touched_for_many_commits_is_deployed_upgraded_and_moved(fleet: MemoryFleet) -> None:
    commits_for(fleet.root, "bob", MOST_ANCESTORS + 10)
    with_domain(fleet.root, "later.example.com")
    commit(fleet.root)
    workspace = fleet.workspace()
    assert [change.tenant for change in plan_fleet(workspace).changes] == ["alice", "bob"]
    assert deploy(workspace, "alice", how=DeployOptions(identifier="after-many-1")).outcome == "done"
    assert fleet.operations("alice", "deploy")[-1] == "after-many-1", "sent twice, carried out once"
    commits_for(fleet.root, "bob", MOST_ANCESTORS + 10)
    what = plan_upgrade(fleet.workspace(), "alice", UpgradeRequest(version="1.1.0", soak_seconds=0))
    assert upgrade(fleet.workspace(), what, confirm=Confirmation(digest=what.digest)).outcome == "done"
    commits_for(fleet.root, "bob", MOST_ANCESTORS + 10)
    there = plan_move(fleet.workspace(), "alice", to="web-2")
    with pytest.raises(StateError, match="no recipients to encrypt data for"):  # asked for after the descent was judged
        move(fleet.workspace(), there, confirm=Confirmation(digest=there.digest))


@pytest.mark.parametrize("then", ["committed", "amended", "only here"])
def test_what_was_deployed_before_its_commit_is_known_after_many_commits(
    fleet: MemoryFleet, tmp_path: Path, then: str
) -> None:
    """In a clone only when it was committed as it was deployed: otherwise the clone would revert what nobody sent."""
    with_domain(fleet.root, "deployed.example.com")
    assert deploy(fleet.workspace(), "alice").outcome == "done"
    if then == "amended":
        with_domain(fleet.root, "committed.example.com")
    if then == "only here":
        git(fleet.root, "stash")
    commit(fleet.root)
    commits_for(fleet.root, "bob", MOST_ANCESTORS + 10)
    git(tmp_path, "clone", "--quiet", str(fleet.root), "clone")
    with_domain(fleet.root, "later.example.com")
    with_domain(tmp_path / "clone", "later.example.com")
    if then == "committed":
        assert deploy(fleet.workspace(tmp_path / "clone"), "alice").outcome == "done"
    else:
        with pytest.raises(StateError, match="does not descend"):
            deploy(fleet.workspace(tmp_path / "clone"), "alice")
        assert deploy(fleet.workspace(), "alice").outcome == "done", "this checkout remembers what it sent"


def test_an_old_checkout_and_a_rewritten_history_are_refused_after_many_commits(
    fleet: MemoryFleet, tmp_path: Path
) -> None:
    git(tmp_path, "clone", "--quiet", str(fleet.root), "clone")
    with_domain(fleet.root, "newer.example.com")
    commit(fleet.root)
    assert deploy(fleet.workspace(), "alice").outcome == "done"
    git(fleet.root, "reset", "--quiet", "--hard", "HEAD~1")
    for root in (tmp_path / "clone", fleet.root):
        commits_for(root, "bob", MOST_ANCESTORS + 10)
        with pytest.raises(StateError, match="does not descend") as refused:
            deploy(fleet.workspace(root), "alice")
        assert "git pull" in refused.value.hint
    assert plan_fleet(fleet.workspace()).changes[0].tenant == "bob", "and alice's change is not offered"
