"""Write files of the workspace: completely or not at all, with one writer at a time."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from launchpad.errors import InventoryError, LockedError, StateError

STATE = ".launchpad"
"""The folder of a workspace for this checkout's own state; Git ignores the folder."""


def replace_file(path: Path, content: bytes, *, mode: int | None = None) -> None:
    """Replace the file in one step: a reader sees the old or the new content, never half. A new file gets `mode`, or
    the umask's mode; an existing file keeps its mode unless `mode` is given. StateError, and the old content stays,
    when the file cannot be written."""
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
    """InventoryError without a folder in which the path can be created; StateError when this user may not write to the
    folder."""
    folder = path.absolute().parent
    if not folder.is_dir():
        raise InventoryError(f"{folder} is not a folder", code="workspace-not-folder", hint=f"mkdir -p {folder}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StateError(f"{folder}: no permission to write", code="file-not-writable", hint=f"ls -ld {folder}")


def remove_file(path: Path) -> None:
    """Remove the file, durably also after a power cut; a missing file is no error."""
    with told(path), suppress(FileNotFoundError):
        path.unlink()
        _sync_folder(path.parent)


def private_folder(folder: Path) -> None:
    """Make a folder that only its owner can read; an existing folder does not change."""
    with told(folder):
        if not folder.exists():
            folder.mkdir(parents=True, mode=0o700)


def state_folder(root: Path) -> Path:
    """The workspace's folder for this checkout's own state, made when missing, and ignored by Git."""
    folder = root / STATE
    if not (folder / ".gitignore").exists():
        replace_file(folder / ".gitignore", b"*\n")
    return folder


@contextmanager
def writing(root: Path) -> Iterator[None]:
    """Lock the workspace for edits, among all threads and processes; LockedError when another command edits it."""
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
    """Convert the system's errors to errors that name the file."""
    try:
        yield
    except OSError as error:
        folder = path.parent
        raise StateError(
            f"{path}: cannot be written: {error.strerror or error}",
            code="file-write-failed",
            hint=f"ls -ld {folder}; df {folder}",
        ) from error


def _wait_for(descriptor: int, root: Path) -> None:
    """Wait for another command's edit, which takes milliseconds, for a limited time."""
    import time

    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(0.02)
    raise LockedError(
        f"{root}: another command has been editing this workspace for 10 s", code="workspace-locked", hint="try again"
    )


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
