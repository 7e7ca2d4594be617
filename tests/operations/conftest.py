"""One host that answers, and a workspace with tenants alice and bob on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from launchpad.workspace import Workspace
from tests.operations.places import open_workspace, write_workspace
from tests.ssh.sshd import Sshd


@pytest.fixture
def workspace(tmp_path: Path, sshd: Sshd) -> Workspace:
    root = write_workspace(tmp_path / "fleet", {"web-1": sshd}, {"alice": "web-1", "bob": "web-1"})
    return open_workspace(root, sshd)
