"""Generations of a tenant's data on Btrfs: taken as snapshots, restored by one exchange of names."""

from __future__ import annotations

import errno
import os
from contextlib import suppress

from launchpad.runner.host import Failed
from launchpad.runner.machine import btrfs, walk
from launchpad.runner.machine.command import run
from launchpad.runner.machine.data import exists, limit
from launchpad.runner.machine.files import PARTIAL, DiskFiles

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MEGABYTE = 1024 * 1024
_EXCHANGE = 2
"""linux/fs.h: RENAME_EXCHANGE."""


class BtrfsSnapshots(DiskFiles):
    """Snapshots, writable copies, and restoring them."""

    def snapshot(self, data: str, to: str) -> None:
        with walk.explained(data), walk.folder(data) as source:
            _be_subvolume(source, data)
            with walk.explained(to), walk.parent(to, make=True) as (folder, name):
                if not exists(folder, name):
                    btrfs.snapshot(source, folder, name, read_only=True)

    def clone(self, source: str, to: str, *, disk_mb: int) -> None:
        with walk.explained(to), walk.parent(to, make=True) as (folder, name):
            if not exists(folder, name):
                _copy(source, folder, name)
            _limit(folder, name, disk_mb, to)
            os.fsync(folder)

    def restore(self, source: str, data: str, *, disk_mb: int) -> None:
        above, _, name = data.rpartition("/")
        beside, aside = f".{name}{PARTIAL}", f".{name}-before{PARTIAL}"
        self.remove(f"{above}/{beside}")  # left by a killed run: an unfinished copy, or the replaced data
        with walk.explained(data), walk.parent(data) as (folder, name):
            _copy(source, folder, beside)
            _limit(folder, beside, disk_mb, data)
            if exists(folder, name):
                self.remove(f"{above}/{aside}")
                _take_its_place(folder, beside, name, aside)
            else:
                os.rename(beside, name, src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)
        self.remove(f"{above}/{beside}")
        self.remove(f"{above}/{aside}")

    def room(self, path: str) -> int:
        with walk.explained(path):
            found = os.statvfs(path)
        return found.f_bavail * found.f_frsize

    def reclaim(self, path: str, *, seconds: float) -> None:
        with suppress(Failed):
            run(["btrfs", "subvolume", "sync", "--", path], seconds=seconds)


def _copy(source: str, folder: int, name: str) -> None:
    """A writable copy of the snapshot in the open folder."""
    with walk.explained(source), walk.folder(source) as snapshot:
        _be_subvolume(snapshot, source)
        btrfs.snapshot(snapshot, folder, name, read_only=False)


def _be_subvolume(folder: int, path: str) -> None:
    if os.fstat(folder).st_ino != btrfs.SUBVOLUME_INODE:
        raise Failed(f"{path}: is not a Btrfs subvolume; nothing was changed", code="snapshot-not-subvolume")


def _limit(folder: int, name: str, disk_mb: int, path: str) -> None:
    subvolume = os.open(name, _FOLDER, dir_fd=folder)
    try:
        limit((folder, subvolume), disk_mb * _MEGABYTE, path)
    finally:
        os.close(subvolume)


def _take_its_place(folder: int, beside: str, name: str, aside: str) -> None:
    """Put the copy in place in one step. When Btrfs has no space for an exchange, use two renames: a run that dies
    between them leaves nothing under the name, and the next run completes the restore. OSError."""
    try:
        _exchange(folder, beside, name)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        os.rename(name, aside, src_dir_fd=folder, dst_dir_fd=folder)
        os.rename(beside, name, src_dir_fd=folder, dst_dir_fd=folder)


def _exchange(folder: int, one: str, other: str) -> None:
    """Exchange two names in the open folder, in one step. OSError."""
    import ctypes  # imported late: `status` does not need it

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(folder, os.fsencode(one), folder, os.fsencode(other), _EXCHANGE):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
