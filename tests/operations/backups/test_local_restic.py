"""What is done with restic on this machine: it asks nobody, ends when it should, and says what is missing."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest

from launchpad.errors import ServiceError, StateError
from launchpad.operations.backups import local_restic as module
from launchpad.operations.backups.local_restic import run_here

TASK = {"do": "snapshots", "tenant": "alice"}
TASK["repository"] = {"kind": "local", "url": "/nowhere", "password": "x", "credentials": {}, "host_keys": []}  # type: ignore[assignment]


def put(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A restic of our own, first in the PATH."""
    program = folder / "restic"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_without_restic_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StateError, match="restic is not on this machine"):
        run_here(TASK, print)


def test_nothing_can_ask_on_the_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ssh, started by restic, would open its session's terminal."""
    put(tmp_path, f"cut -d' ' -f6 /proc/$$/stat > {tmp_path}/session; exit 10", monkeypatch)
    assert run_here(TASK, print) == {"result": {"snapshots": [], "there": False}}
    assert int((tmp_path / "session").read_text()) != os.getsid(0)


@pytest.mark.programs
def test_what_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, f"echo $$ > {tmp_path}/pid; exec sleep 600", monkeypatch)
    monkeypatch.setattr(module, "SECONDS", 2)
    begun = time.monotonic()
    with pytest.raises(ServiceError, match="is still running"):
        run_here(TASK, print)
    assert time.monotonic() - begun < 30
    own = Path("/proc") / (tmp_path / "pid").read_text().strip() / "stat"
    until = time.monotonic() + 10
    while own.exists() and own.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < until, "restic goes on without anybody"
        os.sched_yield()
