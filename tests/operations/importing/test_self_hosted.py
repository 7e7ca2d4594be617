"""Somebody's own machine over a real sshd: what is copied, what is refused, and that nothing is written there."""

from __future__ import annotations

import getpass
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from launchpad.archives.opening import ArchiveRefused
from launchpad.errors import StateError, StepFailed
from launchpad.operations.hosts.trust import Offer
from launchpad.operations.importing import self_hosted
from launchpad.operations.importing.self_hosted import SshLogin
from launchpad.ssh.problems import HostKeyUnknown
from launchpad.workspace import Workspace
from tests.operations.places import open_workspace, write_workspace
from tests.ssh.sshd import Sshd

PLACES = (".openclaw", ".clawdbot", "clawd")
MARKERS = ("openclaw.json", "clawdbot.json")
MOST = 1 << 20


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Sshd]:
    server = Sshd(tmp_path / "machine", command='sh -c \\"$SSH_ORIGINAL_COMMAND\\"')
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def workspace(tmp_path: Path, machine: Sshd) -> Workspace:
    return open_workspace(write_workspace(tmp_path / "fleet", {"web-1": 22}, {"alice": "web-1"}), machine)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a quote in its name, two of the app's places and something else."""
    folder = tmp_path / "bob's home"
    for name in (".clawdbot/clawdbot.json", "clawd/SOUL.md", "Documents/taxes.pdf"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def login(machine: Sshd, path: str, *, known: bool = True) -> SshLogin:
    def confirm(offer: Offer) -> bool:
        return known and offer.key.fingerprint == machine.fingerprint

    return SshLogin(
        user=getpass.getuser(), address="127.0.0.1", path=path, port=machine.port, key=machine.key, confirm_key=confirm
    )


def copied(workspace: Workspace, where: SshLogin, to: Path, most: int = MOST) -> set[str]:
    made = self_hosted.copy(workspace, where, PLACES, MARKERS, to=to, most_bytes=most)
    assert made.home == str(Path(where.path).resolve())
    with tarfile.open(to) as tar:
        return {entry.name for entry in tar if entry.isreg()}


def test_the_apps_own_places_are_copied_and_nothing_else(
    workspace: Workspace, machine: Sshd, home: Path, tmp_path: Path
) -> None:
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*")}
    found = copied(workspace, login(machine, str(home)), tmp_path / "a.tgz")
    assert found == {".clawdbot/clawdbot.json", "clawd/SOUL.md"}
    assert {path: path.stat().st_mtime_ns for path in home.rglob("*")} == before


def test_the_apps_own_folder_is_copied_whole(workspace: Workspace, machine: Sshd, home: Path, tmp_path: Path) -> None:
    found = copied(workspace, login(machine, str(home / ".clawdbot")), tmp_path / "a.tgz")
    assert found == {"./clawdbot.json"}


def test_a_home_without_the_app_is_not_copied_to_find_that_out(
    workspace: Workspace, machine: Sshd, home: Path, tmp_path: Path
) -> None:
    (home / "other/.ssh").mkdir(parents=True)
    (home / "other/.ssh/id_ed25519").write_text("a key")
    with pytest.raises(ArchiveRefused, match=r"the folder has none of \.openclaw, \.clawdbot, clawd") as caught:
        copied(workspace, login(machine, str(home / "other")), tmp_path / "a.tgz")
    assert "the app's own folder in it" in caught.value.hint
    assert (tmp_path / "a.tgz").read_bytes() == b"", "something of it came over"


def test_a_key_that_nobody_confirms_stops_it_and_one_that_is_confirmed_is_remembered(
    workspace: Workspace, machine: Sshd, home: Path, tmp_path: Path
) -> None:
    with pytest.raises(HostKeyUnknown) as refused:
        copied(workspace, login(machine, str(home), known=False), tmp_path / "a.tgz")
    assert refused.value.hint == f"--fingerprint {machine.fingerprint}"
    copied(workspace, login(machine, str(home)), tmp_path / "b.tgz")
    copied(workspace, login(machine, str(home), known=False), tmp_path / "c.tgz")


def test_a_folder_that_is_not_there_and_one_that_is_too_large(
    workspace: Workspace, machine: Sshd, home: Path, tmp_path: Path
) -> None:
    with pytest.raises(StateError, match="folder not found"):
        copied(workspace, login(machine, str(home / "nothing")), tmp_path / "a.tgz")
    with pytest.raises(ArchiveRefused, match="more than 0 MiB"):
        copied(workspace, login(machine, str(home)), tmp_path / "b.tgz", most=10)


def test_what_stops_it_runs_there_and_says_so_when_it_fails(
    workspace: Workspace, machine: Sshd, home: Path, tmp_path: Path
) -> None:
    self_hosted.stop(workspace, login(machine, ""), f"touch '{tmp_path}/stopped'")
    assert (tmp_path / "stopped").exists()
    with pytest.raises(StepFailed, match="ended with 3: it goes on"):
        self_hosted.stop(workspace, login(machine, ""), "echo it goes on >&2; exit 3")
