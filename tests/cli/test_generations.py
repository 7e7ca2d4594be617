"""launchpad generations --drop, from the words typed to what is kept on the host, which is in memory."""

from __future__ import annotations

from launchpad.operations.generations.snapshot import snapshot
from launchpad.runner import generation_records
from launchpad.workspace import Workspace
from tests.cli.test_operations import launchpad
from tests.memory.host import MemoryHost
from tests.operations.backups.test_backup import host, workspace

__all__ = ["host", "workspace"]


def kept(host: MemoryHost) -> list[str]:
    return [item.id for item in generation_records.kept(host, "alice")]


def test_one_is_dropped_once_somebody_said_yes(workspace: Workspace, host: MemoryHost) -> None:
    first, second = snapshot(workspace, "alice").id, snapshot(workspace, "alice").id
    ran = launchpad(workspace, "generations", "alice", "--drop", first)
    assert ran.code == 4 and f"generation {first} (taken by an operator)" in str(ran.error), ran
    assert kept(host) == [second, first]
    ran = launchpad(workspace, "generations", "alice", "--drop", first, "--yes")
    assert (ran.code, ran.out.strip()) == (0, f"alice: {first} removed on web-1"), ran
    assert kept(host) == [second]


def test_of_a_mistyped_one_nothing_is_dropped(workspace: Workspace, host: MemoryHost) -> None:
    first = snapshot(workspace, "alice").id
    ran = launchpad(workspace, "generations", "alice", "--drop", first, "--drop", "0mhcq2k3a-7f3k9", "--yes")
    assert ran.code == 4 and "alice has no generation 0mhcq2k3a-7f3k9" in str(ran.error), ran
    assert kept(host) == [first]
