"""The files of one container's log, as Docker's `local` driver rotates and compresses them."""

from __future__ import annotations

import io
import json
import os
import time
from contextlib import suppress
from typing import Any

from launchpad.runner.machine.local_records import nano_of

MOST_FILES = 20
"""The most that a tier may have."""
_HEADER = 12
"""Bytes of a compressed file before its extra field."""


COMPRESSING_SECONDS = 60.0
"""A compressed file that is not complete after so long stays so: Docker died."""
Kept = tuple[str, int]
"""A file's path and inode."""


def kept_files(path: str) -> list[Kept]:
    """From the newest to the oldest. Docker removes a rotated file when its compressed form is complete. While Docker
    rotates, some may be missing: only two equal answers, one after the other, can be relied on."""
    found = [(path,), *((f"{path}.{index}", f"{path}.{index}.gz") for index in range(1, MOST_FILES))]
    there = ([(name, inode) for name in each if (inode := inode_of(name))] for each in found)
    return [each[0] for each in there if each]


Seen = tuple[int, int, float]
"""The inode and size of the file that is being written, and when it was looked at."""


def grown(path: str, before: Seen | None) -> tuple[int, Seen | None]:
    """How many bytes were written since then, at least, and what is seen now."""
    try:
        found = os.stat(path)  # noqa: PTH116  pathlib costs an import
    except FileNotFoundError:
        return 0, before
    now = (found.st_ino, found.st_size, time.time())
    if before is None:
        return 0, now
    if found.st_ino == before[0]:
        return found.st_size - before[1], now
    rotated = sum(_length_of(name) for name, _ in kept_files(path)[1:] if _changed_at(name) >= before[2])
    return found.st_size + max(0, rotated - before[1]), now


def _changed_at(path: str) -> float:
    try:
        return os.stat(path).st_mtime  # noqa: PTH116  pathlib costs an import
    except FileNotFoundError:
        return 0.0


def _length_of(path: str) -> int:
    """Of the content, which a compressed file has in its last bytes."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123  pathlib costs an import
            size = file.seek(0, os.SEEK_END)
            if not path.endswith(".gz"):
                return size
            file.seek(max(0, size - 4))
            return int.from_bytes(file.read(4), "little")
    except FileNotFoundError:
        return 0


def opened(path: str) -> tuple[Any, int]:
    """The file, and its inode; 0 for a compressed one, which is read as a whole. FileNotFoundError for one that is not
    complete yet."""
    file = open(path, "rb", buffering=0)  # noqa: PTH123, SIM115  pathlib costs an import; it stays open
    if not path.endswith(".gz"):
        return file, os.fstat(file.fileno()).st_ino
    import zlib

    unpacker, content = zlib.decompressobj(31), b""
    with file, suppress(zlib.error):
        content = unpacker.decompress(file.read())
    if not unpacker.eof and _changed_at(path) > time.time() - COMPRESSING_SECONDS:
        raise FileNotFoundError(path)
    return io.BytesIO(content), 0


def which_is(files: list[Kept], inode: int, nano: int) -> int | None:
    """Which of the files has this inode, or is compressed and ends with a record of this time; None when none does."""
    for index, (path, own) in enumerate(files):
        # Docker removes a file a moment after its compressed form, which may be what was read, is complete.
        if own == inode or (nano and last_time(f"{path.removesuffix('.gz')}.gz") == nano):
            return index
    return None


def inode_of(path: str) -> int:
    try:
        return os.stat(path).st_ino  # noqa: PTH116  pathlib costs an import
    except FileNotFoundError:
        return 0


def last_time(path: str) -> int:
    """The time of a compressed file's last record, from its header; 0 without one."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123  pathlib costs an import
            head = file.read(_HEADER)
            if len(head) < _HEADER or not head[3] & 4:
                return 0
            return nano_of(json.loads(file.read(int.from_bytes(head[10:12], "little")))["lastTime"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return 0
