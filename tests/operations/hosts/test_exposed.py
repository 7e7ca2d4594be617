"""exposed: what somebody who left could read is named until it has another value, by whoever asks."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from launchpad.fleet.model.host import Operator
from launchpad.fleet.words.names import SecretName, TargetName, TenantName
from launchpad.fleet.words.secret import Secret
from launchpad.operations.backups.reseal import reseal
from launchpad.operations.hosts.exposed import exposed, unlisted
from launchpad.operations.hosts.operators import add_operator, remove_operator
from launchpad.workspace import Workspace
from tests.operations.hosts.test_operators import bob
from tests.operations.hosts.test_provision import change, workspace

__all__ = ["bob", "workspace"]

OFFSITE, PASSWORD = TargetName("offsite"), SecretName("REST_PASSWORD")


def git(root: Path, *words: str) -> None:
    own = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main")
    subprocess.run(["git", *own, "-C", str(root), *words], check=True, capture_output=True)


def commit(workspace: Workspace) -> None:
    git(workspace.root, "add", "-A")
    git(workspace.root, "commit", "-m", "x")


def named(workspace: Workspace) -> dict[str, tuple[str, ...]]:
    return {f"{item.owner} {item.name}": item.people for item in exposed(workspace, os.environ)}


def test_what_was_readable_is_named_until_it_changed(workspace: Workspace, bob: Operator) -> None:
    git(workspace.root, "init")
    commit(workspace)
    workspace.secrets.set(TenantName("alice"), SecretName("TOKEN"), Secret("before"))
    add_operator(workspace, bob)
    commit(workspace)
    assert named(workspace) == {}
    remove_operator(workspace, "bob")
    assert named(workspace) == {"alice TOKEN": ("bob",), "target offsite REST_PASSWORD": ("bob",)}, "not committed yet"
    commit(workspace)
    workspace.secrets.set(TenantName("alice"), SecretName("TOKEN"), Secret("after"))
    workspace.secrets.set(TenantName("alice"), SecretName("LATER"), Secret("never bob's"))
    (left,) = exposed(workspace, os.environ)
    assert (left.owner, left.rotate) == ("target offsite", "launchpad target credential offsite REST_PASSWORD")
    workspace.target_secrets.remove(OFFSITE, PASSWORD)
    assert named(workspace) == {}


def test_what_no_commit_has_is_counted_as_unlisted(workspace: Workspace, bob: Operator) -> None:
    git(workspace.root, "init")
    commit(workspace)
    workspace.secrets.set(TenantName("alice"), SecretName("TOKEN"), Secret("before"))
    add_operator(workspace, bob)
    could_read = [(item.owner, item.name) for item in remove_operator(workspace, "bob").rotate]
    assert unlisted(workspace, os.environ, person="bob", secrets=could_read) == len(could_read) == 2
    add_operator(workspace, bob)
    commit(workspace)
    remove_operator(workspace, "bob")
    assert unlisted(workspace, os.environ, person="bob", secrets=could_read) == 0


def test_a_branch_that_was_merged_later_counts(workspace: Workspace, bob: Operator) -> None:
    git(workspace.root, "init")
    add_operator(workspace, bob)
    commit(workspace)
    git(workspace.root, "switch", "-c", "colleague")
    workspace.target_secrets.set(OFFSITE, PASSWORD, Secret("changed where bob still reads"))
    commit(workspace)
    git(workspace.root, "switch", "main")
    remove_operator(workspace, "bob")
    commit(workspace)
    git(workspace.root, "merge", "-X", "theirs", "colleague")
    reseal(workspace)
    commit(workspace)
    assert named(workspace) == {"target offsite REST_PASSWORD": ("bob",)}


def test_keys_that_are_no_operators_and_earlier_keys_of_one_count(workspace: Workspace, bob: Operator) -> None:
    git(workspace.root, "init")
    add_operator(workspace, bob)
    commit(workspace)
    file = workspace.root / "launchpad.yaml"
    other = bob.recipients[0]
    remove_operator(workspace, "bob")
    add_operator(workspace, bob.model_copy(update={"recipients": ()}))
    assert named(workspace) == {"target offsite REST_PASSWORD": ("bob",)}
    workspace.target_secrets.set(OFFSITE, PASSWORD, Secret("another"))
    mine = [str(item) for item in workspace.fleet.load().defaults.recipients]
    change(file, recipients=[*mine, str(other)])
    reseal(workspace)
    commit(workspace)
    change(file, recipients=mine)
    assert named(workspace) == {"target offsite REST_PASSWORD": (str(other),)}


def test_a_workspace_without_git_has_no_such_list(workspace: Workspace) -> None:
    assert named(workspace) == {}
