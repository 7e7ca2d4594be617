"""doctor finds what is wrong on the operator's own side, names it once, and repairs what is safe."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from launchpad import __version__
from launchpad.errors import HostError
from launchpad.fleet.keeping.scaffold import Owner, scaffold
from launchpad.fleet.model.host import Host
from launchpad.fleet.sealing.age import new_identity
from launchpad.fleet.sealing.keys import Keys, new_ssh_key
from launchpad.fleet.words.names import OperatorName
from launchpad.operations.hosts.doctor import DoctorReport, doctor
from launchpad.settings import Settings
from launchpad.ssh.archive import runner_archive
from launchpad.workspace import Workspace

pytestmark = pytest.mark.programs  # Git and ssh-keygen

HOSTS = """
web-1: {address: 203.0.113.7, resources: {memory: 4GiB, cpus: 2, disk: 30GiB}}
web-2: {address: 203.0.113.8, resources: {memory: 4GiB, cpus: 2, disk: 30GiB}}
"""
NOW = 1_000_000.0


@dataclass
class Asked:
    """A host that answers `hello`."""

    reply: Mapping[str, Any]
    name: str = "web-1"

    def ask(self, verb: str, body: Mapping[str, Any], *, seconds: float | None = 60) -> dict[str, Any]:
        assert (verb, body) == ("hello", {})
        return dict(self.reply)


@dataclass
class AnsweringHosts:
    """Every host is well until a test says otherwise."""

    replies: dict[str, dict[str, Any]] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)

    @contextmanager
    def reach(self, host: Host) -> Iterator[Any]:
        if host.name in self.silent:
            raise HostError(
                f"{host.name}: cannot connect to launchpad@203.0.113.8: Connection timed out", hint="ssh -v"
            )
        well = {"runner": __version__, "digest": runner_archive().digest.removeprefix("sha256:")[:12], "clock": NOW}
        yield Asked(well | self.replies.get(str(host.name), {}))


class StandingClock:
    def now(self) -> float:
        return NOW

    def monotonic(self) -> float:
        return NOW

    def sleep(self, seconds: float) -> None:
        raise AssertionError("nobody waits")


@dataclass
class Desk:
    """An operator's machine on which nothing is wrong."""

    root: Path
    keys: Keys
    tools: Path
    hosts: AnsweringHosts
    environment: dict[str, str]

    def look(self, *, fix: bool = False) -> DoctorReport:
        settings = Settings.of(self.environment, home=self.root.parent)
        workspace = Workspace.open(self.root, settings=settings, environment=self.environment, hosts=self.hosts)
        object.__setattr__(workspace, "clock", StandingClock())
        return doctor(workspace, self.keys, environment=self.environment, fix=fix)

    def git(self, *words: str, at: Path | None = None) -> None:
        own = ["-c", "user.name=ann", "-c", "user.email=ann@example.com", "-c", "init.defaultBranch=main"]
        subprocess.run(["git", "-C", str(at or self.root), *own, *words], check=True, capture_output=True)

    def commit(self, name: str = "note", *, at: Path | None = None) -> None:
        folder = at or self.root
        (folder / name).write_text(name)
        self.git("add", "-A", at=at)
        self.git("commit", "-qm", name, at=at)

    def settings(self, **more: Any) -> None:
        """Change launchpad.yaml, and commit and push that."""
        file = self.root / "launchpad.yaml"
        file.write_text(
            file.read_text() + "\n".join(f"{key}: {json.dumps(value)}" for key, value in more.items()) + "\n"
        )
        self.git("commit", "-qam", "settings")
        self.git("push", "-q")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    config, root, tools = tmp_path / "config", tmp_path / "fleet", tmp_path / "bin"
    keys = Keys(config / "identity", config / "ssh_ed25519", config / "signing_ed25519")
    keys.make_missing(comment="ann")
    scaffold(root, Owner(OperatorName("ann"), keys.ssh_public, keys.signing_public, keys.recipient))
    (root / "inventory/hosts.yaml").write_text(HOSTS)
    tools.mkdir()
    for name in ("git", "ssh", "ssh-keygen"):
        (tools / name).symlink_to(str(shutil.which(name)))
    environment = {
        "PATH": str(tools),
        "HOME": str(tmp_path),
        "LAUNCHPAD_CONFIG": str(config),
        "LAUNCHPAD_OPERATOR": "ann",
    }
    made = Desk(root, keys, tools, AnsweringHosts(), environment)
    for name in ("apps", "tenants"):
        (root / "inventory" / name / ".gitkeep").touch()
    made.git("init", "-q", "--bare", str(tmp_path / "origin.git"))
    made.git("init", "-q")
    made.git("add", "-A")
    made.git("commit", "-qm", "fleet")
    made.git("remote", "add", "origin", str(tmp_path / "origin.git"))
    made.git("push", "-q", "--set-upstream", "origin", "main")
    return made


def test_nothing_is_found_where_nothing_is_wrong(desk: Desk) -> None:
    found = desk.look()
    assert found.findings == ()
    assert found.good
    assert found.versions["host web-2"] == found.versions["launchpad"] == __version__
    assert found.versions["git"].startswith("version ")
    assert found.versions["restic"] == ""


def another_checkout_pushes(desk: Desk) -> None:
    other = desk.root.parent / "other"
    desk.git("clone", "-q", str(desk.root.parent / "origin.git"), str(other))
    desk.commit(at=other)
    desk.git("push", "-q", at=other)


def without_upstream(desk: Desk) -> None:
    desk.git("branch", "-q", "--unset-upstream")


def a_kit(desk: Desk, *, days: float | None, good: bool = True) -> None:
    _, public = new_ssh_key("recovery")
    _, recipient = new_identity()
    desk.settings(recovery={"recipient": str(recipient), "ssh_key": str(public), "signing_key": str(public)})
    if days is not None:
        record = {"recipient": str(recipient), "at": NOW - days * 86_400, "good": good}
        (desk.root / "kit-tested.json").write_text(json.dumps(record))
        desk.commit()
        desk.git("push", "-q")


def a_target(desk: Desk) -> None:
    (desk.root / "inventory/targets.yaml").write_text("attic: {kind: local, url: /mnt/attic}\n")
    desk.commit()
    desk.git("push", "-q")


def not_an_operator(desk: Desk) -> None:
    for path in (desk.keys.ssh, desk.keys.signing):
        path.unlink()
        path.with_name(f"{path.name}.pub").unlink()
    desk.keys.make_missing(comment="ann")


def without_a_commit(desk: Desk) -> None:
    """As `launchpad init` leaves it."""
    shutil.rmtree(desk.root / ".git")
    subprocess.run(["git", "init", "--quiet", desk.root], check=True)


BROKEN: dict[str, tuple[Callable[[Desk], object], list[tuple[str, str]]]] = {
    "mode": (lambda desk: desk.keys.identity.chmod(0o644), [("keys", "others can read")]),
    "folder's mode": (lambda desk: desk.keys.ssh.parent.chmod(0o777), [("keys", "others can replace keys")]),
    "no key": (lambda desk: desk.keys.identity.unlink(), [("keys", "(identity) is missing")]),
    "no operator": (not_an_operator, [("keys", "this operator's ssh key"), ("keys", "this operator's signing key")]),
    "no folder": (
        lambda desk: shutil.rmtree(desk.root / "inventory/apps"),
        [("workspace", "apps is missing"), ("Git", "not committed: inventory/apps/.gitkeep")],
    ),
    "a key in Git": (
        lambda desk: shutil.copy(desk.keys.ssh, desk.root / "key"),
        [("workspace", "is a private key that `git add` would stage"), ("Git", "not committed: key")],
    ),
    "a mistake": (
        lambda desk: (desk.root / "inventory/tiers.yaml").write_text("light: {memory: 1, cpus: 1, disk: 1GiB}\n"),
        [("inventory", "inventory/tiers.yaml:1"), ("Git", "not committed: inventory/tiers.yaml")],
    ),
    "not committed": (lambda desk: (desk.root / "note").touch(), [("Git", "not committed: note")]),
    "not pushed": (lambda desk: desk.commit(), [("Git", "1 commit is not pushed to origin/main")]),
    "behind": (another_checkout_pushes, [("Git", "origin/main has commits that this clone does not have")]),
    "no upstream": (without_upstream, [("Git", "the branch has no upstream")]),
    "a remote that was never named": (
        lambda desk: desk.git("remote", "remove", "origin"),
        [("Git", "the branch has no upstream: its commits are only on this machine")],
    ),
    "no remote": (lambda desk: shutil.rmtree(desk.root.parent / "origin.git"), [("Git", "git ls-remote failed")]),
    "no Git": (lambda desk: shutil.rmtree(desk.root / ".git"), [("Git", "is not in Git")]),
    "no commit": (without_a_commit, [("Git", "has no commit yet")]),
    "no git": (lambda desk: (desk.tools / "git").unlink(), [("programs", "git is missing"), ("Git", "not installed")]),
    "no ssh-keygen": (lambda desk: (desk.tools / "ssh-keygen").unlink(), [("programs", "ssh-keygen is missing")]),
    "a target": (a_target, [("programs", "restic is missing"), ("kit", "there is no emergency kit")]),
    "a kit never tested": (lambda desk: a_kit(desk, days=None), [("kit", "never tested")]),
    "a kit tested long ago": (lambda desk: a_kit(desk, days=100), [("kit", "tested 100 days ago")]),
    "a kit that failed": (lambda desk: a_kit(desk, days=1, good=False), [("kit", "did not open everything")]),
    "a silent host": (lambda desk: desk.hosts.silent.add("web-2"), [("host web-2", "cannot connect")]),
    "an old runner": (
        lambda desk: desk.hosts.replies.update({"web-1": {"runner": "0.0.9", "digest": "0" * 12}}),
        [("host web-1", "the host's runner 0.0.9 differs from the runner of Launchpad")],
    ),
    "a newer runner": (
        lambda desk: desk.hosts.replies.update({"web-1": {"runner": "99.0", "digest": "0" * 12}}),
        [("host web-1", "newer than Launchpad")],
    ),
    "a clock ahead": (
        lambda desk: desk.hosts.replies.update({"web-1": {"clock": NOW + 61}}),
        [("host web-1", "its clock is 61 s ahead of this machine's")],
    ),
    "a clock behind": (
        lambda desk: desk.hosts.replies.update({"web-1": {"clock": NOW - 61}}),
        [("host web-1", "its clock is 61 s behind this machine's")],
    ),
}
"""What is broken → how, and each finding: what it is about, and what it says."""


@pytest.mark.parametrize("broken", BROKEN)
def test_each_thing_that_is_wrong_is_found_alone_with_a_line_to_type(desk: Desk, broken: str) -> None:
    breaks, expected = BROKEN[broken]
    breaks(desk)
    found = desk.look().findings
    assert len(found) == len(expected), found
    for finding, (about, message) in zip(found, expected, strict=True):
        assert finding.about == about
        assert message in finding.message
        assert finding.hint


def test_fix_repairs_what_is_safe_and_a_second_look_finds_nothing(desk: Desk) -> None:
    desk.keys.identity.chmod(0o644)
    desk.keys.identity.parent.chmod(0o777)
    for name in ("apps", "tenants"):
        shutil.rmtree(desk.root / "inventory" / name)
    desk.git("commit", "-qam", "empty folders")
    desk.git("push", "-q")
    (desk.root / ".launchpad").mkdir(exist_ok=True)
    (desk.root / ".launchpad/.gitignore").unlink(missing_ok=True)
    before = desk.look()
    assert not before.good
    assert len(before.findings) == 5
    fixed = desk.look(fix=True)
    assert fixed.good
    assert all(item.fixed for item in fixed.findings)
    assert stat.S_IMODE(desk.keys.identity.stat().st_mode) == 0o600
    assert desk.look().findings == ()


def test_fix_leaves_alone_what_needs_a_decision(desk: Desk) -> None:
    (desk.root / "note").write_text("mine")
    desk.hosts.silent.add("web-1")
    found = desk.look(fix=True)
    assert not found.good
    assert [item.fixed for item in found.findings] == [False, False]
    assert (desk.root / "note").read_text() == "mine"
