"""The kernel's locks, and the start of an operation's unit."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from launchpad.runner import paths
from launchpad.runner.host import Busy
from launchpad.runner.machine import walk
from launchpad.runner.machine.command import succeed
from launchpad.runner.machine.kernel import told

_RETRY_SECONDS = 0.05
_MOST_OWNER = 65536


class KernelLocks:
    """Operations, by flock and systemd. A lock's file stays after the release: removing it would be a race."""

    @contextmanager
    def lock(self, name: str, owner: Mapping[str, Any], *, seconds: float = 0) -> Iterator[None]:
        file = _open(name)
        try:
            _take(file, name, seconds)
            _write_owner(file, name, json.dumps(dict(owner)).encode())
            try:
                yield
            finally:
                _write_owner(file, name, b"")
        finally:
            os.close(file)

    def lock_owner(self, name: str) -> dict[str, Any] | None:
        """What the lock's holder wrote into the lock; None when the lock is free. Never takes the lock."""
        path = f"{paths.LOCKS}/{name}"
        with walk.explained(path):
            try:
                with walk.parent(path) as (folder, leaf):
                    file = os.open(leaf, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            except FileNotFoundError:
                return None
        try:
            info = os.fstat(file)
            # A holder writes its name; only what a killed runner left makes it necessary to ask the kernel, whose list
            # of all locks is long.
            return _owner(file) if info.st_size and _is_held(info) else None
        finally:
            os.close(file)

    def begin(self, operation: str) -> None:
        succeed(["systemctl", "start", "--no-block", f"launchpad-operation@{operation}.service"])


def _open(name: str) -> int:
    path = f"{paths.LOCKS}/{name}"
    with walk.explained(path), walk.parent(path, make=True) as (folder, leaf):
        return os.open(leaf, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)


def _take(file: int, name: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise Busy(name, _owner(file)) from None
        # flock has no time limit, and an alarm works only in the main thread.
        time.sleep(_RETRY_SECONDS)


def _write_owner(file: int, name: str, owner: bytes) -> None:
    with walk.explained(f"{paths.LOCKS}/{name}"):
        os.ftruncate(file, 0)
        os.pwrite(file, owner, 0)


def _owner(file: int) -> dict[str, Any]:
    try:
        owner = json.loads(os.pread(file, _MOST_OWNER, 0))
    except ValueError:
        return {}
    return owner if isinstance(owner, dict) else {}


def _is_held(info: os.stat_result) -> bool:
    place = f"{os.major(info.st_dev):02x}:{os.minor(info.st_dev):02x}:{info.st_ino}"
    held = (line.split() for line in told("/proc/locks").splitlines())
    return any(words[1] == "FLOCK" and place in words for words in held)
