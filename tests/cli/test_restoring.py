"""launchpad restore from a backup, from the words typed to what is brought to the host, which is in memory."""

from __future__ import annotations

from dataclasses import replace

import pytest

from launchpad.operations.backups.backup import backup
from launchpad.runner import paths
from launchpad.workspace import Workspace
from tests.cli.test_operations import launchpad
from tests.cli.unreported import Unreported
from tests.memory.data import File
from tests.memory.host import MemoryHost
from tests.memory.restic import Repository
from tests.operations.backups.test_afterwards import carl
from tests.operations.backups.test_backup import host, workspace

__all__ = ["carl", "host", "workspace"]


def brought(host: MemoryHost) -> list[str]:
    return [name for name in host.files if name.startswith(f"{paths.tenant('alice')}/generations/")]


@pytest.mark.parametrize("words", [("--at", "2999-01-01"), ("--at", "00000000"), ("--to", "alice")])
def test_nothing_is_brought_before_somebody_said_yes(
    workspace: Workspace, host: MemoryHost, carl: object, words: tuple[str, ...]
) -> None:
    done = backup(workspace, "alice")
    words = tuple(done.targets[0].snapshot if word == "00000000" else word for word in words)
    ran = launchpad(workspace, "restore", "carl" if "--to" in words else "alice", *words)
    assert ran.code == 4 and "Cannot ask" in str(ran.error), ran
    assert brought(host) == []


def test_a_backup_of_another_version_is_not_brought(workspace: Workspace, host: MemoryHost) -> None:
    backup(workspace, "alice")
    for repository in host.repositories.values():
        for snapshot in repository.snapshots:
            snapshot["tags"] = ["version=0.9" if tag.startswith("version=") else tag for tag in snapshot["tags"]]
    ran = launchpad(workspace, "restore", "alice", "--at", "2999-01-01", "--yes")
    assert ran.code == 4 and "has data of version 0.9, but version 1 is running" in str(ran.error), ran
    assert "first run version 0.9 on alice" in str(getattr(ran.error, "hint", ""))
    assert brought(host) == []


def test_after_a_yes_the_very_backup_that_was_asked_about_comes_back(workspace: Workspace, host: MemoryHost) -> None:
    first = backup(workspace, "alice")
    host.clock += 3600
    host.files[f"{paths.data('alice')}/state/note"] = File(b"changed")
    backup(workspace, "alice")
    ran = launchpad(workspace, "restore", "alice", "--at", first.targets[0].snapshot, "--yes")
    assert ran.code == 0, ran
    assert host.files[f"{paths.data('alice')}/state/note"].data == b"remember"


def test_another_tenants_newest_backup_is_the_newest_each_time(
    workspace: Workspace, host: MemoryHost, carl: Repository
) -> None:
    workspace = replace(workspace, begun=Unreported(workspace.root))
    note = f"{paths.data('alice')}/state/note"
    command = ("restore", "carl", "--to", "alice", "--yes")
    assert launchpad(workspace, *command).code == 0
    assert host.files[note].data == b"of carl"
    host.files[note] = File(b"written since")
    assert launchpad(workspace, *command).code == 0
    assert host.files[note].data == b"written since", "the very same command: its end was not reported"
    newer = carl.snapshots[0] | {"id": f"{8:064x}", "time": "2026-11-21T00:00:00+00:00"}
    newer["tags"] = [tag.replace("generation=backup-of-carl", "generation=later-of-carl") for tag in newer["tags"]]
    carl.snapshots.append(newer)
    carl.content[newer["id"]] = {"/state/note": File(b"of carl, later", uid=9)}
    ran = launchpad(workspace, *command)
    assert (ran.code, host.files[note].data) == (0, b"of carl, later"), ran
