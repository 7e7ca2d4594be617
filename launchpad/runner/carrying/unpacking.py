"""Unpack a tar from outside into a tenant's empty volumes, in the sandbox: only files, folders and links.

Every path is opened from the volume's folder downward without following a link, so that no entry lands outside,
whatever earlier entries created. Everything belongs to the tenant's uid, with a mode of at most rwxrwxrwx.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import tarfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO

from launchpad.runner.carrying.packing import GONE, ROOT

MOST_GONE_BYTES = 64 * 1024 * 1024
MOST_FOLDERS = 2_000_000
MOST_DEPTH = 2048
"""Depth of nested folders; the same limit as in packing."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK = 256 * 1024


class BadArchive(Exception):
    """The archive has an entry that is not allowed; the text says what and where."""


def unpack(task: Mapping[str, Any], stream: BinaryIO) -> dict[str, Any]:
    """Unpack the stream into the volumes: {"files", "bytes"}. BadArchive; OSError when the disk quota is full."""
    unpacked = _Unpacked(str(task.get("root", ROOT)), frozenset(task["volumes"]))
    try:
        with tarfile.open(fileobj=stream, mode="r|", bufsize=_CHUNK, errorlevel=2) as tar:
            for entry in tar:
                unpacked.take(tar, entry)
                tar.members = []  # type: ignore[attr-defined]  # it would keep every entry
    except (tarfile.TarError, EOFError, UnicodeError, ValueError, RecursionError) as error:
        raise BadArchive(f"the archive is not a tar, or is incomplete: {error}") from error
    while stream.read(_CHUNK):
        pass  # read the sender's stream to its end
    unpacked.finish()
    return {"files": unpacked.files, "bytes": unpacked.bytes}


class _Unpacked:
    """One pass through the archive. Folders get their modes and times at the end: later entries would change the times,
    or be blocked by the modes."""

    def __init__(self, root: str, volumes: Collection[str]) -> None:
        self.root, self.volumes = root, volumes
        self.files = self.bytes = 0
        self.folders: dict[str, tuple[int, int]] = {}
        """Path → mode and time, in ns."""

    def take(self, tar: tarfile.TarFile, entry: tarfile.TarInfo) -> None:
        if entry.name == GONE:
            self._drop(tar, entry)
            return
        parts = self._judged(entry)
        if entry.isdir():
            self._folder(parts, entry)
            return
        if len(parts) < 2:
            raise BadArchive(f"{entry.name[:200]!r} is not in a volume")
        with self._parent(parts) as folder:
            _remove(folder, parts[-1])
            if entry.issym():
                os.symlink(entry.linkname, parts[-1], dir_fd=folder)
                os.utime(parts[-1], ns=_times(entry), dir_fd=folder, follow_symlinks=False)
            else:
                self._file(tar, entry, folder, parts[-1])

    def finish(self) -> None:
        """Set the folders' modes and times, deepest first: a read-only folder closes after its content."""
        for path in sorted(self.folders, key=lambda item: item.count("/"), reverse=True):
            mode, time = self.folders[path]
            with self._open(path.split("/")) as folder:
                os.utime(folder, ns=(time, time))
                os.fchmod(folder, mode)

    def _judged(self, entry: tarfile.TarInfo) -> list[str]:
        """The entry's path, part by part."""
        shown = f"{entry.name[:200]!r}"
        if not (entry.isreg() or entry.isdir() or entry.issym()) or entry.issparse():
            raise BadArchive(f"{shown} is neither a file, a folder nor a link")
        if entry.mode & ~0o777:
            raise BadArchive(f"{shown} has the mode {entry.mode:o}")
        if entry.issym() and (not entry.linkname or "\0" in entry.linkname):
            raise BadArchive(f"{shown} is a link to nowhere")
        return self._parts(entry.name)

    def _parts(self, name: str) -> list[str]:
        parts = name.removesuffix("/").split("/")
        if "\0" in name or not {"", ".", ".."}.isdisjoint(parts) or len(parts) > MOST_DEPTH:
            raise BadArchive(f"{name[:200]!r} is not a plain path in a volume")
        if parts[0] not in self.volumes:
            raise BadArchive(f"{name[:200]!r} is in no volume of the tenant ({', '.join(sorted(self.volumes))})")
        return parts

    def _drop(self, tar: tarfile.TarFile, entry: tarfile.TarInfo) -> None:
        """Remove the paths that the entry lists. A volume itself is never removed, only emptied."""
        if not entry.isreg() or entry.size > MOST_GONE_BYTES:
            raise BadArchive("the list of removed paths is not valid")
        stream = tar.extractfile(entry)
        listed = json.loads(stream.read()) if stream else None
        if not isinstance(listed, list) or not all(isinstance(item, str) for item in listed):
            raise BadArchive("the list of removed paths is not valid")
        for name in listed:
            parts = self._parts(name)
            if len(parts) == 1:
                with self._open(parts) as folder:
                    for below in os.listdir(folder):  # noqa: PTH208
                        _remove(folder, below)
            else:
                with self._parent(parts) as folder:
                    _remove(folder, parts[-1])

    def _folder(self, parts: list[str], entry: tarfile.TarInfo) -> None:
        if len(parts) > 1:
            with self._parent(parts) as folder:
                try:
                    os.mkdir(parts[-1], 0o700, dir_fd=folder)
                except FileExistsError:
                    if not stat.S_ISDIR(os.lstat(parts[-1], dir_fd=folder).st_mode):
                        _remove(folder, parts[-1])
                        os.mkdir(parts[-1], 0o700, dir_fd=folder)
        self._note("/".join(parts), entry.mode, _times(entry)[0])

    def _file(self, tar: tarfile.TarFile, entry: tarfile.TarInfo, folder: int, name: str) -> None:
        stream = tar.extractfile(entry)
        assert stream is not None
        file = os.open(name, _NEW, 0o600, dir_fd=folder)
        try:
            while chunk := stream.read(_CHUNK):
                if chunk.count(0) == len(chunk):  # write zeros as a hole
                    os.lseek(file, len(chunk), os.SEEK_CUR)
                    continue
                left = memoryview(chunk)
                while left:
                    left = left[os.write(file, left) :]
            os.ftruncate(file, entry.size)
            os.fchmod(file, entry.mode)
            os.utime(file, ns=_times(entry))
        finally:
            os.close(file)
        self.files += 1
        self.bytes += entry.size

    @contextmanager
    def _parent(self, parts: list[str]) -> Iterator[int]:
        """The open folder that the last part is in, writable for now."""
        with self._open(parts[:-1]) as folder:
            found, path = os.fstat(folder), "/".join(parts[:-1])
            if path not in self.folders:  # a folder from the base, in which something changes: it keeps its mode
                self._note(path, stat.S_IMODE(found.st_mode) & 0o777, found.st_mtime_ns)
            if found.st_mode & 0o300 != 0o300:
                os.fchmod(folder, stat.S_IMODE(found.st_mode) | 0o700)
            yield folder

    @contextmanager
    def _open(self, parts: list[str]) -> Iterator[int]:
        """The folder, opened part by part; BadArchive when a part is missing or not a folder."""
        file = os.open(self.root, _FOLDER)
        try:
            for part in parts:
                try:
                    below = _enter(file, part)
                except OSError as error:
                    raise BadArchive(f"{'/'.join(parts)[:200]!r}: its folder does not come before it") from error
                os.close(file)
                file = below
            yield file
        finally:
            os.close(file)

    def _note(self, path: str, mode: int, time: int) -> None:
        self.folders[path] = (mode, time)
        if len(self.folders) > MOST_FOLDERS:
            raise BadArchive(f"more than {MOST_FOLDERS} folders")


def _enter(folder: int, part: str) -> int:
    """Open the folder of that name in the open folder. If its mode denies the owner, change the mode first."""
    with suppress(PermissionError):
        return os.open(part, _FOLDER, dir_fd=folder)
    found = os.lstat(part, dir_fd=folder)
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(part)
    os.chmod(part, stat.S_IMODE(found.st_mode) | 0o700, dir_fd=folder)
    return os.open(part, _FOLDER, dir_fd=folder)


def _remove(folder: int, name: str) -> None:
    """Remove the entry of that name in the open folder with its content; no link is followed."""
    try:
        found = os.lstat(name, dir_fd=folder)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(found.st_mode):
        os.unlink(name, dir_fd=folder)
        return
    _open_up(folder, name)
    shutil.rmtree(name, dir_fd=folder)


def _open_up(folder: int, name: str) -> None:
    """Change modes so that the owner can empty the folder and those below. No other process can change them
    meanwhile."""
    waiting = [f"/proc/self/fd/{folder}/{name}"]
    while waiting:
        path = waiting.pop()
        os.chmod(path, 0o700)  # noqa: PTH101
        with os.scandir(path) as entries:
            waiting += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]


def _times(entry: tarfile.TarInfo) -> tuple[int, int]:
    """Access and change time in ns, limited to what a file system can store."""
    time = int(min(max(float(entry.mtime), 0.0), 2.0**33) * 1_000_000_000)
    return time, time
