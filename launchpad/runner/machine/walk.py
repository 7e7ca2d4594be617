"""Open a path part by part, so that no symbolic link in it is followed."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from launchpad.runner.host import Failed

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def folder(path: str, *, make: bool = False) -> Iterator[int]:
    """The open folder. OSError when it is missing or the path has a link. With `make`, missing folders are created
    (0755, root), each on disk before the next."""
    parts = _parts(path)
    file = os.open("/", _FOLDER)
    try:
        for part in parts:
            below = _enter(file, part, make=make)
            os.close(file)
            file = below
        yield file
    finally:
        os.close(file)


@contextmanager
def parent(path: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
    """The open folder that the path's last part is in, and that part."""
    if not _parts(path):
        raise Failed("/: not a file", code="file-missing-on-host")
    above, _, last = path.rpartition("/")
    with folder(above or "/", make=make) as file:
        yield file, last


@contextmanager
def explained(path: str) -> Iterator[None]:
    """Turn an OSError in the block into Failed with the path and the cause."""
    try:
        yield
    except OSError as error:
        raise Failed(f"{path}: {_cause(error)}", code="file-operation-failed") from error


def _enter(file: int, part: str, *, make: bool) -> int:
    try:
        return os.open(part, _FOLDER, dir_fd=file)
    except FileNotFoundError:
        if not make:
            raise
    with suppress(FileExistsError):
        os.mkdir(part, 0o755, dir_fd=file)
        os.fsync(file)
    below = os.open(part, _FOLDER, dir_fd=file)
    os.fchmod(below, 0o755)  # whatever the umask was
    return below


def _parts(path: str) -> list[str]:
    if path == "/":
        return []
    start, *parts = path.split("/")
    if start or not parts or "\0" in path or not {"", ".", ".."}.isdisjoint(parts):
        raise Failed(f"{path!r}: not a plain absolute path", code="not-plain-absolute-path")
    return parts


def _cause(error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return "the path is a symbolic link or leads through a symbolic link"
    if error.errno == errno.ENOTDIR:
        return "a part of the path is not a folder, or is a symbolic link"
    return error.strerror or str(error)
