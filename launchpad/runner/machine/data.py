"""Tenants' data on Btrfs, and their secrets at rest, sealed with systemd-creds."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from contextlib import suppress

from launchpad.runner.host import Failed
from launchpad.runner.machine import btrfs, walk
from launchpad.runner.machine.command import run
from launchpad.runner.machine.files import DiskFiles

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MEGABYTE = 1024 * 1024
_QUOTAS_OFF = (errno.ENOTCONN, errno.EINVAL)
_SEAL_SECONDS = 30


class BtrfsData(DiskFiles):
    """Data, on Btrfs with simple quotas and by systemd-creds."""

    def make_data(self, path: str, *, volumes: Sequence[str], disk_mb: int, uid: int) -> None:
        with walk.explained(path), walk.parent(path, make=True) as (folder, name):
            if not exists(folder, name):
                _create(folder, name, path)
            data = os.open(name, _FOLDER, dir_fd=folder)
            try:
                if os.fstat(data).st_ino != btrfs.SUBVOLUME_INODE:
                    raise Failed(
                        f"{path}: is a plain folder, not a Btrfs subvolume; nothing was changed",
                        code="data-not-subvolume",
                    )
                limit((folder, data), disk_mb * _MEGABYTE, path)
                for volume in volumes:
                    _make_volume(data, volume, uid)
                os.fsync(data)
            finally:
                os.close(data)
            os.fsync(folder)

    def has_data(self, path: str) -> bool:
        with walk.explained(path):
            try:
                with walk.folder(path) as folder:
                    return os.fstat(folder).st_ino == btrfs.SUBVOLUME_INODE
            except FileNotFoundError:
                return False

    def usage(self, path: str) -> int:
        with walk.explained(path), walk.folder(path) as data:
            return btrfs.charged(data)

    def quota(self, path: str) -> tuple[int, int]:
        with walk.explained(path), walk.folder(path) as data:
            return btrfs.counted(data), btrfs.limit_of(data)

    def set_quota(self, path: str, disk_mb: int) -> None:
        with walk.explained(path), walk.parent(path) as (folder, _), walk.folder(path) as data:
            limit((folder, data), disk_mb * _MEGABYTE, path)

    def seal(self, path: str, name: str, value: bytes) -> None:
        sealed = _creds("encrypt", name, value)
        self.write(path, sealed, mode=0o600)

    def unseal(self, path: str, name: str) -> bytes:
        sealed = self.read(path)
        if sealed is None:
            raise Failed(f"{path}: this secret is not on the host", code="secret-missing-on-host")
        return _creds("decrypt", name, sealed)


def exists(folder: int, name: str) -> bool:
    """Whether the open folder has an entry of that name."""
    with suppress(FileNotFoundError):
        os.lstat(name, dir_fd=folder)
        return True
    return False


def _create(folder: int, name: str, path: str) -> None:
    try:
        btrfs.create(folder, name)
    except OSError as error:
        if error.errno == errno.ENOTTY:
            raise Failed(f"{path}: is not on Btrfs; provision the host again", code="not-on-btrfs") from error
        raise


def limit(places: tuple[int, int], size: int, path: str) -> None:
    """`btrfs.limit` of (an open folder outside, the open subvolume), with an error message for people."""
    try:
        btrfs.limit(*places, size)
    except OSError as error:
        if error.errno in _QUOTAS_OFF:
            raise Failed(
                f"{path}: Btrfs has no simple quotas here; provision the host again", code="no-simple-quotas"
            ) from error
        raise


def _make_volume(data: int, volume: str, uid: int) -> None:
    """Create the folder of a volume. Existing content stays; a link in its place is refused, not followed."""
    with suppress(FileExistsError):
        os.mkdir(volume, 0o700, dir_fd=data)
    file = os.open(volume, _FOLDER, dir_fd=data)
    try:
        if os.fstat(file).st_uid != uid:
            os.fchown(file, uid, uid)
            os.fchmod(file, 0o700)
        os.fsync(file)
    finally:
        os.close(file)


def _creds(verb: str, name: str, value: bytes) -> bytes:
    said = run(["systemd-creds", verb, f"--name={name}", "-", "-"], stdin=value, seconds=_SEAL_SECONDS)
    if said.code:
        words = said.err.decode(errors="replace").strip().splitlines()
        raise Failed(
            f"systemd-creds cannot {verb} {name}: {words[-1] if words else f'exit status {said.code}'}",
            code="systemd-creds-failed",
        )
    return said.out
