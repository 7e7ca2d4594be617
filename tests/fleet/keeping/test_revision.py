"""A revision descends from what its checkout came from, and an old checkout's does not descend from a newer one's."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from launchpad.errors import StateError
from launchpad.fleet.keeping.revision import MOST_ANCESTORS, Revisions
from launchpad.runner.protocol import Inventory
from tests.fleet.inventory import write

ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
}
TENANT = "inventory/tenants/bob.yaml"


def now(root: Path, tenant: str = "") -> Inventory:
    return Revisions(root, environment=dict(os.environ)).now(tenant)


def git(root: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", "-C", str(root), *arguments]
    return subprocess.run(command, env=ENVIRONMENT, check=True, capture_output=True, text=True).stdout.strip()


def commit(root: Path, message: str = "x") -> str:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--allow-empty", "-m", message)
    return git(root, "rev-parse", "HEAD")


def edit(root: Path, text: str, name: str = TENANT) -> None:
    with (root / name).open("a") as file:
        file.write(f"# {text}\n")


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    return write(tmp_path / "plain")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = write(tmp_path / "repository")
    (root / ".gitignore").write_text(".launchpad/\n")
    git(root, "init", "--quiet")
    commit(root)
    return root


def test_without_git_it_is_the_content(plain: Path, tmp_path: Path) -> None:
    revision = now(plain)
    assert now(plain) == revision
    assert revision.ancestors == (revision.revision,)
    assert now(write(tmp_path / "same")).revision == revision.revision


@pytest.mark.parametrize(
    "change",
    [
        lambda root: edit(root, "x"),
        lambda root: (root / TENANT).rename(root / "inventory/tenants/rob.yaml"),
        lambda root: write(root, {"templates/compose/echo/compose.yaml.j2": "x"}),
        lambda root: write(root, {"inventory/secrets/bob.yaml": "x"}),
        lambda root: write(root, {"launchpad.yaml": "x"}),
    ],
)
def test_everything_that_makes_a_release_counts(plain: Path, change: object) -> None:
    before = now(plain)
    change(plain)  # type: ignore[operator]
    after = now(plain)
    assert after.revision != before.revision
    assert after.ancestors == (after.revision, before.revision)


def test_without_git_a_stale_copy_does_not_descend(plain: Path, tmp_path: Path) -> None:
    now(plain)
    copy = tmp_path / "copy"
    shutil.copytree(plain, copy)
    edit(plain, "newer")
    newer = now(plain)
    assert newer.revision not in now(copy).ancestors
    edit(copy, "other")
    assert newer.revision not in now(copy).ancestors


def test_without_git_going_back_on_purpose_descends(plain: Path) -> None:
    old = now(plain)
    before = (plain / TENANT).read_bytes()
    edit(plain, "a mistake")
    wrong = now(plain)
    (plain / TENANT).write_bytes(before)
    again = now(plain)
    assert again.revision == old.revision
    assert wrong.revision in again.ancestors


def test_with_git_it_is_the_commit(repository: Path) -> None:
    first = git(repository, "rev-parse", "HEAD")
    edit(repository, "x")
    second = commit(repository)
    revision = now(repository)
    assert revision.revision == second
    assert revision.ancestors[0] == second
    assert first in revision.ancestors


def test_an_uncommitted_change_is_marked_and_stays_an_ancestor(repository: Path) -> None:
    head = git(repository, "rev-parse", "HEAD")
    edit(repository, "one")
    one = now(repository)
    assert one.revision.startswith(f"{head}+")
    assert len(one.revision) == 40 + 1 + 8
    edit(repository, "two")
    two = now(repository)
    assert two.ancestors[:3] == (two.revision, one.revision, head)
    commit(repository)
    assert {one.revision, two.revision, head} <= set(now(repository).ancestors)


def test_an_untracked_tenant_is_a_change(repository: Path) -> None:
    write(repository, {"inventory/tenants/new.yaml": "x"})
    assert "+" in now(repository).revision


def test_a_file_beside_the_inventory_is_none(repository: Path) -> None:
    head = git(repository, "rev-parse", "HEAD")
    (repository / "notes.txt").write_text("x")
    assert now(repository).revision == head


def test_a_stale_clone_does_not_descend_and_a_pulled_one_does(repository: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(repository), str(clone))
    edit(repository, "newer")
    newer = commit(repository)
    assert newer not in now(clone).ancestors
    git(clone, "pull", "--quiet")
    assert newer in now(clone).ancestors


def test_what_was_deployed_before_it_was_committed_is_known_to_those_who_pull(repository: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(repository), str(clone))
    edit(repository, "deployed, then committed")
    deployed = now(repository).revision
    commit(repository)
    assert deployed not in now(clone).ancestors
    git(clone, "pull", "--quiet")
    assert deployed in now(clone).ancestors


def test_what_was_deployed_before_it_was_committed_stays_known_over_later_changes(
    repository: Path, tmp_path: Path
) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(repository), str(clone))
    edit(repository, "deployed, then committed")
    deployed = now(repository, "bob").revision
    commit(repository)
    for number in range(5):
        edit(repository, f"later {number}", "inventory/tiers.yaml")
        commit(repository)
    git(clone, "pull", "--quiet")
    assert deployed in now(clone, "bob").ancestors
    edit(clone, "and something that is not committed")
    assert deployed in now(clone, "bob").ancestors


def test_a_merge_knows_what_both_sides_deployed(repository: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(repository), str(clone))
    deployed = []
    for root, tenant in ((repository, "alice"), (clone, "bob")):
        edit(root, "deployed", f"inventory/tenants/{tenant}.yaml")
        deployed.append((tenant, now(root, tenant).revision))
        commit(root)
    git(clone, "pull", "--quiet", "--no-rebase", "--no-edit")
    edit(clone, "merged", "inventory/tiers.yaml")
    commit(clone)
    for tenant, revision in deployed:
        assert revision in now(clone, tenant).ancestors


def test_two_tenants_changed_one_after_the_other_are_known_to_those_who_pull(repository: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(repository), str(clone))
    deployed = {}
    for tenant in ("alice", "bob"):
        edit(repository, "upgraded", f"inventory/tenants/{tenant}.yaml")
        deployed[tenant] = now(repository, tenant).revision
        assert deployed[tenant] not in now(clone, tenant).ancestors
    commit(repository)
    git(clone, "pull", "--quiet")
    for tenant, revision in deployed.items():
        assert revision in now(clone, tenant).ancestors
        assert revision in now(repository, tenant).ancestors


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("inventory/tenants/alice.yaml", False),
        ("inventory/secrets/alice.yaml", False),
        ("inventory/slots.yaml", False),
        ("inventory/tenants/bob.yaml", True),
        ("inventory/secrets/bob.yaml", True),
        ("inventory/apps/echo.yaml", True),
        ("inventory/tiers.yaml", True),
        ("launchpad.yaml", True),
        ("templates/compose/echo/compose.yaml.j2", True),
    ],
)
def test_a_tenant_s_revision_is_of_what_can_change_its_release(
    repository: Path, plain: Path, name: str, counts: bool
) -> None:
    for root in (repository, plain):
        before = now(root, "bob")
        write(root, {name: "# changed"})
        after = now(root, "bob")
        assert (after.revision != before.revision) is counts
        assert before.revision in after.ancestors


def test_many_changes_of_others_do_not_make_a_tenant_s_own_forgotten(plain: Path) -> None:
    first = now(plain, "bob").revision
    (plain / ".launchpad/revisions").write_text(
        "".join(f"{number:064x} alice\n" for number in range(600)) + f"{first} bob\n"
    )
    edit(plain, "x")
    assert now(plain, "bob").ancestors[1:] == (first,)


def test_a_workspace_below_the_repository_s_top_has_its_own_changes(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    root = write(tmp_path / "fleet")
    (tmp_path / ".gitignore").write_text(".launchpad/\n")
    commit(tmp_path)
    edit(root, "x")
    assert "+" in now(root, "bob").revision
    assert "+" not in now(root, "alice").revision


def test_another_branch_does_not_descend(repository: Path) -> None:
    git(repository, "checkout", "--quiet", "-b", "side")
    edit(repository, "side")
    dirty = now(repository).revision
    side = commit(repository)
    git(repository, "checkout", "--quiet", "-")
    edit(repository, "main")
    commit(repository)
    ancestors = now(repository).ancestors
    assert side not in ancestors
    assert dirty in ancestors  # it lay on what is still below


def test_a_workspace_that_moves_into_git_keeps_its_past(plain: Path) -> None:
    before = now(plain).revision
    git(plain, "init", "--quiet")
    assert now(plain).revision == before  # nothing is committed yet
    commit(plain)
    assert before in now(plain).ancestors


def test_a_workspace_that_another_repository_does_not_track_is_plain(repository: Path) -> None:
    inner = write(repository / "ignored")
    (repository / ".gitignore").write_text("ignored/\n.launchpad/\n")
    assert len(now(inner).revision) == 64


def test_never_more_ancestors_than_a_host_takes(plain: Path) -> None:
    (plain / ".launchpad").mkdir()
    lines = "".join(f"{number:064x}\n" for number in range(600))
    (plain / ".launchpad/revisions").write_text(lines)
    assert len(now(plain).ancestors) == MOST_ANCESTORS


def test_variables_of_a_git_hook_do_not_mislead(repository: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "GIT_DIR": str(tmp_path / "nowhere"), "GIT_WORK_TREE": str(tmp_path)}
    assert Revisions(repository, environment=environment).now().revision == git(repository, "rev-parse", "HEAD")


def test_a_broken_repository_is_told_of(repository: Path) -> None:
    (repository / ".git/HEAD").write_text("nonsense\n")
    with pytest.raises(StateError, match="git status failed"):
        now(repository)


def test_without_git_installed(repository: Path) -> None:
    with pytest.raises(StateError, match="git is not installed"):
        Revisions(repository, environment={"PATH": "/nonexistent"}).now()


@pytest.mark.parametrize("kind", ["plain", "repository"])
def test_a_templates_name_may_be_any_bytes(kind: str, request: pytest.FixtureRequest) -> None:
    root: Path = request.getfixturevalue(kind)
    (root / "templates").mkdir(exist_ok=True)
    with (root / os.fsdecode(b"templates/f\xfcr-alice.j2")).open("w") as file:
        file.write("hello")
    deployed = now(root).revision
    if kind == "repository":
        assert "+" in deployed, "it is not committed"
        commit(root)
        (root / ".launchpad/revisions").unlink()
        assert deployed in now(root).ancestors, "it was deployed before it was committed"


def test_without_git_every_revision_of_this_checkout_is_known(plain: Path) -> None:
    revisions = [now(plain, "bob").revision]
    for number in range(MOST_ANCESTORS + 1):
        edit(plain, f"tier {number}", "inventory/tiers.yaml")
        revisions.append(now(plain, "bob").revision)
    first, last = revisions[0], revisions[-1]
    assert first not in now(plain, "bob").ancestors
    here = Revisions(plain, environment=os.environ)
    assert here.descends(last, first, tenant="bob")
    assert not here.descends(last, "0" * 64, tenant="bob")


@pytest.mark.parametrize("said", ["", "+", "--all", "HEAD", "HEAD+12345678", "0" * 40, f"{'0' * 40}+12345678"])
def test_what_is_no_known_commit_is_no_ancestor(repository: Path, said: str) -> None:
    here = Revisions(repository, environment=os.environ)
    assert not here.descends(here.now().revision, said)
