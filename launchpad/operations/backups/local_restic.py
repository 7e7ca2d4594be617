"""Run the backup sandbox's program on this machine, for work that no host may do. The program needs restic."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from launchpad.errors import ServiceError, StateError

Progress = Callable[[str], None]
Work = Callable[[Mapping[str, Any], Progress], dict[str, Any]]
"""Runs one request, reports its progress, and returns its answer: {"result"} or {"failed", "code"}."""
SECONDS = 6 * 3600
LOCKED, WRONG_KEY = 11, 12
"""restic's exit codes when a lock was not free within two minutes, and when the key is wrong."""


def run_here(task: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Run the program in a folder of its own and without a terminal, so that neither restic nor ssh can prompt. Secrets
    go only through standard input. The program's child processes end with it, also on a timeout or Ctrl-C."""
    if shutil.which("restic") is None:
        raise StateError(
            "restic is not on this machine", code="restic-not-installed", hint="install restic 0.17 or newer"
        )
    words = [sys.executable, "-m", "launchpad.runner", "inside"]
    with (
        tempfile.TemporaryDirectory(prefix="launchpad-") as folder,
        subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "TMPDIR": folder},
            start_new_session=True,
        ) as process,
    ):
        late = threading.Event()

        def give_up() -> None:
            late.set()
            _end(process)

        timer = threading.Timer(SECONDS, give_up)
        timer.start()
        try:
            answer = _answer(process, task, progress)
        finally:
            timer.cancel()
            _end(process)
    if late.is_set():
        raise ServiceError(f"restic is still running after {SECONDS // 3600} h", code="restic-timeout")
    if not answer:
        raise ServiceError(
            "the program that runs restic on this machine crashed", code="restic-helper-crashed", hint="restic version"
        )
    return answer


def _answer(process: subprocess.Popen[bytes], task: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """The program's answer; its progress lines go to `progress`."""
    assert process.stdin is not None
    assert process.stdout is not None
    answer: dict[str, Any] = {}
    with suppress(BrokenPipeError):
        process.stdin.write(json.dumps({**task, "uid": os.getuid()}).encode() + b"\n")
        process.stdin.close()
    for line in process.stdout:
        with suppress(ValueError):
            said = json.loads(line)
            if "progress" in said:
                progress(str(said["progress"]))
            else:
                answer = said
    return answer


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the program and its child processes; restic releases its lock when it is asked to end."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
