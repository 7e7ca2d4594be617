"""Files: replaced as a whole, on disk when a call returns; no link in a path is followed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from launchpad.runner.host import Failed
from launchpad.runner.machine import btrfs, walk

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NAMES, _ATTRIBUTE = 8 << 20, 15_000
"""A reserve file also gets so many bytes of attributes (at most half its size), each of which takes a leaf of Btrfs's
tree: to exchange two names, Btrfs needs about 4 MiB of metadata space."""
PARTIAL = ".launchpad-partial"
"""The suffix of a file that is being written; always the same, so that a kill leaves at most one such file."""


class DiskFiles:
    """Files, on the host's disk."""

    def read(self, path: str) -> bytes | None:
        with walk.explained(path):
            try:
                with walk.parent(path) as (folder, name):
                    file = os.open(name, _READ, dir_fd=folder)
            except FileNotFoundError:
                return None
            with os.fdopen(file, "rb") as stream:
                if not stat.S_ISREG(os.fstat(file).st_mode):
                    raise Failed(f"{path}: not a file", code="file-missing-on-host")
                return stream.read()

    def write(self, path: str, data: bytes, *, mode: int = 0o644, uid: int = 0) -> None:
        with walk.explained(path), walk.parent(path, make=True) as (folder, name), _partial(folder, name) as partial:
            file = os.open(partial, _CREATE, 0o600, dir_fd=folder)
            try:
                _own(file, mode=mode, uid=uid)
                _write_all(file, data)
                os.fsync(file)
            finally:
                os.close(file)
            os.rename(partial, name, src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)

    def set_aside(self, path: str, size: int) -> None:
        self.write(path, bytes(size), mode=0o600)
        with walk.explained(path), walk.parent(path) as (folder, name):
            file = os.open(name, _READ, dir_fd=folder)
            try:
                with suppress(OSError):  # a file system without such attributes has no separate metadata space
                    for number in range(min(_NAMES, size // 2) // _ATTRIBUTE):
                        os.setxattr(file, f"user.room.{number}", os.urandom(_ATTRIBUTE))
                os.fsync(file)
            finally:
                os.close(file)

    def append(self, path: str, data: bytes) -> None:
        with walk.explained(path), walk.parent(path, make=True) as (folder, name):
            file = os.open(name, _APPEND, 0o600, dir_fd=folder)
            try:
                before = os.fstat(file)
                if not stat.S_ISREG(before.st_mode):
                    raise Failed(f"{path}: not a file", code="file-missing-on-host")
                try:
                    _write_all(file, data)
                    os.fsync(file)
                except OSError:
                    os.ftruncate(file, before.st_size)  # a full disk must not leave half a line
                    raise
                if not before.st_size:
                    os.fsync(folder)
            finally:
                os.close(file)

    def remove(self, path: str) -> None:
        with walk.explained(path), suppress(FileNotFoundError), walk.parent(path) as (folder, name):
            _remove(folder, name, path)
            os.fsync(folder)

    def names(self, path: str) -> list[str]:
        with walk.explained(path):
            try:
                with walk.folder(path) as folder:
                    return [name for name in _entries(folder) if not name.endswith(PARTIAL)]
            except FileNotFoundError:
                return []

    def folder(self, path: str, *, mode: int = 0o755, uid: int = 0) -> None:
        with walk.explained(path), walk.folder(path, make=True) as folder:
            _own(folder, mode=mode, uid=uid)
            os.fsync(folder)

    def link(self, path: str, target: str) -> None:
        with walk.explained(path), walk.parent(path, make=True) as (folder, name), _partial(folder, name) as partial:
            os.symlink(target, partial, dir_fd=folder)
            os.rename(partial, name, src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)

    def target(self, path: str) -> str | None:
        with walk.explained(path):
            try:
                with walk.parent(path) as (folder, name):
                    if not stat.S_ISLNK(os.lstat(name, dir_fd=folder).st_mode):
                        return None
                    return os.readlink(name, dir_fd=folder)
            except FileNotFoundError:
                return None


def _entries(folder: int) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries)


def _own(file: int, *, mode: int, uid: int) -> None:
    """Owner first, because changing the owner clears bits of the mode."""
    now = os.fstat(file)
    if (now.st_uid, now.st_gid) != (uid, uid):
        os.fchown(file, uid, uid)
    os.fchmod(file, mode)


def _write_all(file: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(file, left) :]


@contextmanager
def _partial(folder: int, name: str) -> Iterator[str]:
    """The name to write under before the rename; removed first, and removed after a failure."""
    partial = f".{name}{PARTIAL}"
    _unlink(folder, partial)
    try:
        yield partial
    except OSError:
        _unlink(folder, partial)
        raise


def _unlink(folder: int, name: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)


def _remove(folder: int, name: str, path: str) -> None:
    info = os.lstat(name, dir_fd=folder)
    if not stat.S_ISDIR(info.st_mode):
        os.unlink(name, dir_fd=folder)
        return
    if info.st_ino == btrfs.SUBVOLUME_INODE and btrfs.destroy(folder, name, path):
        return
    below = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        for entry in _entries(below):
            _remove(below, entry, f"{path}/{entry}")
    finally:
        os.close(below)
    os.rmdir(name, dir_fd=folder)
