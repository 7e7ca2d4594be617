"""Two people, two checkouts: the one that is behind is refused, and nothing is changed by it."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.lab.world import Done, World

WHO = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]


def git(world: World, *words: str) -> str:
    argv = ["git", *WHO, "-C", str(world.root), *words]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def commit(world: World, message: str) -> None:
    git(world, "add", "--all")
    git(world, "commit", "--quiet", "--message", message)


def standing_of(world: World, tenant: str) -> dict[str, Any]:
    """Everything about the tenant and its host that a refused request must leave as it is."""
    tenants = world.host.exec(["find", "/srv/launchpad/tenants", "-printf", "%p %s %T@ %l\n"]).stdout.splitlines()
    return {
        "containers": world.containers(tenant),
        "reloads": world.reloads(),
        "answer": world.get(tenant, "/").json["version"],
        "files": sorted(line for line in tenants if "/data/" not in line),
        "operations": world.host.exec(["ls", "/var/lib/launchpad/operations"]).stdout,
    }


def refused(world: World, tenant: str, act: Callable[[], Done]) -> Done:
    """What was said to a request that was refused with nothing changed."""
    before = standing_of(world, tenant)
    done = act()
    assert standing_of(world, tenant) == before
    return done


@pytest.fixture
def pair(world: World, tmp_path: Path) -> tuple[World, World]:
    """The first checkout, the second, and a bare repository between them; as they were before anything changed."""
    (world.root / ".gitignore").open("a").write(".config/\n")
    git(world, "init", "--quiet", "--initial-branch=main")
    commit(world, "The workspace")
    shared = tmp_path / "shared.git"
    subprocess.run(["git", "clone", "--quiet", "--bare", str(world.root), str(shared)], check=True)
    git(world, "remote", "add", "origin", str(shared))
    git(world, "push", "--quiet", "--set-upstream", "origin", "HEAD")
    other = replace(world, root=tmp_path / "second")
    subprocess.run(["git", "clone", "--quiet", str(shared), str(other.root)], check=True)
    shutil.copytree(world.root / ".config", other.root / ".config")
    return world, other


def test_a_checkout_that_is_behind_is_refused_until_it_has_pulled(pair: tuple[World, World]) -> None:
    first, second = pair
    first.add_tenant("alice")
    commit(first, "Add alice")
    git(first, "push", "--quiet")
    first.deploy("alice")
    first.wait_for("alice")
    git(second, "pull", "--quiet")
    assert second.deploy("alice")["outcome"] == "unchanged", "the control: a checkout that is level may deploy"

    first.set_tenant("alice", version="1.1.0")
    commit(first, "Alice gets 1.1.0")
    git(first, "push", "--quiet")
    first.deploy("alice")

    stale = refused(second, "alice", lambda: second.launchpad("deploy", "alice", check=False))
    assert stale.code == 4, stale
    assert "does not descend" in stale.err
    assert "git pull" in stale.err
    applied = refused(second, "alice", lambda: second.launchpad("apply", "--yes", check=False))
    assert applied.code in (0, 4), applied  # a version never moves down by itself, so there may be nothing to apply

    tiers = second.root / "inventory/tiers.yaml"
    tiers.write_text(tiers.read_text().replace("128MiB", "160MiB"))
    commit(second, "More memory for all, decided without knowing of 1.1.0")
    diverged = refused(second, "alice", lambda: second.launchpad("deploy", "alice", check=False))
    assert diverged.code == 4
    assert "git pull" in diverged.err

    git(second, "pull", "--quiet", "--rebase")
    assert second.deploy("alice")["outcome"] == "done"
    told = json.loads(second.launchpad("--json", "status", "alice").out)["tenants"][0]
    assert (told["version"], told["good"]) == ("1.1.0", True)
    behind = refused(first, "alice", lambda: first.launchpad("deploy", "alice", check=False))
    assert behind.code == 4, "now the first is the one that is behind"


def test_without_git_a_copy_that_is_behind_is_refused_too(world: World, tmp_path: Path) -> None:
    shutil.rmtree(world.root / ".git", ignore_errors=True)
    world.add_tenant("bob")
    world.deploy("bob")
    world.wait_for("bob")
    copy = replace(world, root=tmp_path / "copy")
    shutil.copytree(world.root, copy.root)
    assert copy.deploy("bob")["outcome"] == "unchanged", "the control: a copy that is level may deploy"

    world.set_tenant("bob", version="1.1.0")
    world.deploy("bob")
    stale = refused(copy, "bob", lambda: copy.launchpad("deploy", "bob", check=False))
    assert stale.code == 4, stale
    assert "does not descend" in stale.err

    shutil.rmtree(copy.root / "inventory")
    shutil.copytree(world.root / "inventory", copy.root / "inventory")
    assert copy.deploy("bob")["outcome"] == "unchanged"
    copy.set_tenant("bob", tier="standard")
    assert copy.deploy("bob")["outcome"] == "done", "it goes on from there"
    assert refused(world, "bob", lambda: world.launchpad("deploy", "bob", check=False)).code == 4


def test_a_copy_without_the_edit_of_an_upgrade_does_not_move_the_version_down(world: World, tmp_path: Path) -> None:
    shutil.rmtree(world.root / ".git", ignore_errors=True)
    world.add_tenant("carol")
    world.deploy("carol")
    world.wait_for("carol")
    copy = replace(world, root=tmp_path / "without-the-edit")
    shutil.copytree(world.root, copy.root)

    world.launchpad("upgrade", "carol", "--to", "1.1.0", "--yes", "--soak", "0s", "--no-rehearsal")
    stale = refused(copy, "carol", lambda: copy.launchpad("deploy", "carol", check=False))
    assert stale.code == 4, stale
    assert "does not descend" in stale.err

    assert "version 1.0.0 → 1.1.0" in copy.launchpad("adopt", "carol").out
    assert json.loads(copy.launchpad("status", "carol", "--json").out)["tenants"][0]["remarks"] == []
