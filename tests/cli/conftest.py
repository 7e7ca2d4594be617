"""The terminals that tests of commands type into."""

from __future__ import annotations

from pathlib import Path

import pytest

from launchpad.fleet.sealing.keys import Keys
from tests.cli.terminal import Terminal
from tests.fleet.inventory import RIGHT, write


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An operator's keys, made once for all tests."""
    folder = tmp_path_factory.mktemp("home") / "launchpad"
    Keys(folder / "identity", folder / "ssh_ed25519", folder / "signing_ed25519").make_missing(comment="ann")
    return folder


@pytest.fixture
def empty(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    """In an empty folder."""
    root = tmp_path / "empty"
    root.mkdir()
    return Terminal(root, home, patch=monkeypatch, capture=capsys)


@pytest.fixture
def terminal(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Terminal:
    """In a workspace that is right."""
    recipient = (home / "identity").read_text().splitlines()[0].rpartition(" ")[2]
    root = write(tmp_path / "workspace", {"launchpad.yaml": RIGHT["launchpad.yaml"] + f"recipients: [{recipient}]\n"})
    return Terminal(root, home, patch=monkeypatch, capture=capsys)
