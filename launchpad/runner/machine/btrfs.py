"""Btrfs by ioctl: subvolumes and simple quotas, without starting programs and without paths that could be links.

A tenant's container cannot create subvolumes (see `contained` among provisioning's files), unless it was started by an
older runner. A nested subvolume has its own quota group. So the limit is set on a group one level above (1/<id>): with
simple quotas a nested subvolume joins the groups of its parent.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from contextlib import suppress

from launchpad.runner.host import Failed
from launchpad.runner.machine.command import succeed

SUBVOLUME_INODE = 256
"""The inode number of the root of every Btrfs subvolume."""

# linux/btrfs.h
_CREATE = 0x5000940E
_SNAPSHOT = 0x50009417
_DESTROY = 0x5000940F
_INO_LOOKUP = 0xD0009412
_SYNC = 0x9408
_SEARCH = 0xD0009411
_QGROUP_ASSIGN = 0x40189429
_QGROUP_CREATE = 0x4010942A
_QGROUP_LIMIT = 0x8030942B
_READ_ONLY = 1 << 1
_LIMIT_REFERENCED = 1
_LEVEL_ONE = 1 << 48
_QUOTA_TREE, _QGROUP_INFO, _QGROUP_LIMITS = 8, 242, 244
_EVERY = (1 << 64) - 1
_LONGEST_NAME = 255


def create(folder: int, name: str) -> None:
    """Create a subvolume in the open folder. OSError; ENOTTY when the file system is not Btrfs."""
    fcntl.ioctl(folder, _CREATE, _volume_args(name))


def snapshot(subvolume: int, folder: int, name: str, *, read_only: bool) -> None:
    """Create a snapshot of the open subvolume in the open folder, in one step; on disk when this returns, with all
    earlier writes. OSError."""
    flags = _READ_ONLY if read_only else 0
    fcntl.ioctl(folder, _SNAPSHOT, bytearray(struct.pack("=qQQ32s4040s", subvolume, 0, flags, b"", _name(name))))


def limit(folder: int, subvolume: int, size: int) -> None:
    """Limit the open subvolume, with nested ones, to so many bytes. OSError when quotas are off.

    `folder` is any open folder outside the subvolume, because a full subvolume rejects a new limit."""
    member = identity(subvolume)
    group = _LEVEL_ONE | member
    with suppress(FileExistsError):
        fcntl.ioctl(folder, _QGROUP_CREATE, struct.pack("=QQ", 1, group))
    with suppress(FileExistsError):
        fcntl.ioctl(folder, _QGROUP_ASSIGN, struct.pack("=QQQ", 1, member, group))
    fcntl.ioctl(folder, _QGROUP_LIMIT, struct.pack("=QQQQQQ", group, _LIMIT_REFERENCED, size, 0, 0, 0))


def charged(subvolume: int) -> int:
    """The bytes that count against the limit of the open subvolume: everything written through it that it or a snapshot
    still holds. 0 without a limit. OSError."""
    fcntl.ioctl(subvolume, _SYNC)  # the numbers are from the last commit
    return counted(subvolume)


def counted(subvolume: int) -> int:
    """The same number as of the last commit."""
    return _of_group(subvolume, _QGROUP_INFO)


def limit_of(subvolume: int) -> int:
    """The limit of the open subvolume in bytes; 0 without a limit. OSError."""
    return _of_group(subvolume, _QGROUP_LIMITS)


def _of_group(subvolume: int, kind: int) -> int:
    group = _LEVEL_ONE | identity(subvolume)
    bounds = (_QUOTA_TREE, 0, 0, group, group, 0, _EVERY, kind, kind, 1)
    found = bytearray(struct.pack("=7Q3I4x32x3992x", *bounds))
    fcntl.ioctl(subvolume, _SEARCH, found)
    items = struct.unpack_from("=I", found, 64)[0]
    # After the key (104 bytes) and the item's header (32): generation or flags, referenced bytes or their limit, ….
    return int(struct.unpack_from("<Q", found, 104 + 32 + 8)[0]) if items else 0


def identity(subvolume: int) -> int:
    """The number of the open subvolume."""
    # A bytearray, because fcntl accepts at most 1,024 immutable bytes.
    found = bytearray(struct.pack("=QQ4080x", 0, SUBVOLUME_INODE))
    fcntl.ioctl(subvolume, _INO_LOOKUP, found)
    return int(struct.unpack_from("=Q", found)[0])


def destroy(folder: int, name: str, path: str) -> bool:
    """Remove a subvolume with its content; False when it is not a subvolume. `path` is the same place by name."""
    subvolume = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        member = identity(subvolume)
    except OSError:
        return False  # another file system, where a folder may have this inode number
    finally:
        os.close(subvolume)
    _drop_group(folder, member)
    try:
        fcntl.ioctl(folder, _DESTROY, _volume_args(name))
    except OSError as error:
        if error.errno != errno.ENOTEMPTY:
            raise
        # Nested subvolumes. The tenant has no process when its data is removed, so no path can change meanwhile.
        succeed(["btrfs", "subvolume", "delete", "--recursive", "--", path])
    return True


def _drop_group(folder: int, member: int) -> None:
    """Remove the quota group of a subvolume. A group with nested subvolumes stays and does no harm."""
    with suppress(OSError):
        fcntl.ioctl(folder, _QGROUP_ASSIGN, struct.pack("=QQQ", 0, member, _LEVEL_ONE | member))
    with suppress(OSError):
        fcntl.ioctl(folder, _QGROUP_CREATE, struct.pack("=QQ", 0, _LEVEL_ONE | member))


def _volume_args(name: str) -> bytearray:
    return bytearray(struct.pack("=q4088s", 0, _name(name)))


def _name(name: str) -> bytes:
    encoded = name.encode()
    if len(encoded) > _LONGEST_NAME or b"/" in encoded or b"\0" in encoded:
        raise Failed(f"{name!r}: not a subvolume's name", code="not-subvolume-name")
    return encoded
