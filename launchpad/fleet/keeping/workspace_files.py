"""Writing files of the workspace: whole or not at all, and one writer at a time."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from launchpad.errors import InventoryError, LockedError, StateError

STATE = ".launchpad"
"""The folder of a workspace for what is this checkout's own; Git does not see it."""


def replace_file(path: Path, content: bytes, *, mode: int | None = None) -> None:
    """Replace the file in one step: a reader sees the old or the new content, never half. A new file gets `mode`, or
    what the umask leaves; an old one keeps its own unless `mode` says otherwise. StateError, and the old content, when
    it cannot be written."""
    with told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if mode is None:
            mode = path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask()
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(file.fileno(), mode)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            with suppress(FileNotFoundError):
                Path(name).unlink()
            raise
        _sync_folder(path.parent)


def refuse_no_folder(path: Path) -> None:
    """InventoryError unless there is a folder that the path could be made in; StateError when this user may not."""
    folder = path.absolute().parent
    if not folder.is_dir():
        raise InventoryError(f"{folder} is no folder", hint=f"mkdir -p {folder}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StateError(f"{folder}: you may not write there", hint=f"ls -ld {folder}")


def remove_file(path: Path) -> None:
    """Take the file away, for good also after a power cut; one that is gone already is right."""
    with told(path), suppress(FileNotFoundError):
        path.unlink()
        _sync_folder(path.parent)


def private_folder(folder: Path) -> None:
    """Make a folder that only its owner can look into; one that is there stays as it is."""
    with told(folder):
        if not folder.exists():
            folder.mkdir(parents=True, mode=0o700)


def state_folder(root: Path) -> Path:
    """The workspace's folder for this checkout's own state, made when missing, and out of Git by itself."""
    folder = root / STATE
    if not (folder / ".gitignore").exists():
        replace_file(folder / ".gitignore", b"*\n")
    return folder


@contextmanager
def writing(root: Path) -> Iterator[None]:
    """Be the only one that edits this workspace, among all threads and processes; LockedError when another does."""
    path = state_folder(root) / "lock"
    with told(path):
        lock = path.open("w")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _wait_for(lock.fileno(), root)
        yield


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Say of what the system refuses which file it was."""
    try:
        yield
    except OSError as error:
        folder = path.parent
        raise StateError(
            f"{path}: cannot be written: {error.strerror or error}", hint=f"ls -ld {folder}; df {folder}"
        ) from error


def _wait_for(descriptor: int, root: Path) -> None:
    """Edits take milliseconds: wait for the other's, but not for ever."""
    import time

    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(0.02)
    raise LockedError(f"{root}: another command has been editing this workspace for 10 s", hint="try again")


def _umask() -> int:
    for line in Path("/proc/self/status").read_text().splitlines() if Path("/proc/self/status").exists() else ():
        if line.startswith("Umask:"):
            return int(line.split()[1], 8)
    return 0o022


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
