"""Pack a generation as a tar in the sandbox: all of it, or the differences from an earlier one. Follows no link.

Entries are named volume/path and have a mode and a time; the owner is the tenant's uid on any host. Hard links become
separate files. Sockets, pipes and devices are skipped and counted.
"""

from __future__ import annotations

import json
import os
import stat
import tarfile
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from typing import Any

from launchpad.runner.carrying.saying import BUFFER, Digested, PieceWriter, Say, encrypted

ROOT = "/srv/generation"
BASE = "/srv/base"
"""The folder of the earlier generation in the sandbox."""
GONE = ".launchpad-gone"
"""The first entry of a tar of differences: a JSON list of the removed paths. No volume can have this name."""
MOST_TOLD = 20
UNSURE_SECONDS = 2.0
"""A file that was written within so many seconds before the earlier generation is sent again: it may have changed after
the generation, in the same tick of the kernel's clock."""
MOST_TIMES = 4
"""At most so many times the tenant's quota is read, counting holes, hard links and shared extents."""


class TooLarge(Exception):
    """Reading the data would take far longer than its size on disk: files have holes or share content."""


def pack(task: Mapping[str, Any], say: Say) -> dict[str, Any]:
    """Write the tar in pieces ({"data": base64}), encrypted for the recipients if there are any, and return what was
    sent: {"files", "bytes", "digest" of the plain tar, "pieces" (digest of the written pieces), "gone", "passed_over",
    "unreadable": [the first paths]}. OSError when age fails; TooLarge, before anything is sent: see `judge_sizes`."""
    root, base = str(task.get("root", ROOT)), str(task.get("base_root", BASE)) if task.get("base") else ""
    judge_sizes(root, int(task["most"]))
    said = PieceWriter(say)
    with encrypted(task["recipients"], said) as out:
        clear = Digested(out)
        packed = _Packed(root, base, float(task.get("base_at", 0.0)))
        packed.write(clear)
        out.flush()
    said.flush()
    return packed.told() | {"digest": f"sha256:{clear.digest.hexdigest()}", "pieces": f"sha256:{said.hexdigest()}"}


def judge_sizes(root: str, most: int) -> None:
    """TooLarge, with a file's name, when a file with holes is larger than `most` bytes, or all files together are
    larger than MOST_TIMES that: a reader reads every hole. A file without holes may be larger."""
    total, worst = 0, (0, "")
    for path in _below(root, lambda _path: None):
        found = _look(root, path)
        if found is None or not stat.S_ISREG(found.st_mode):
            continue
        room = found.st_blocks * 512
        if found.st_size > most and room < found.st_size:
            raise TooLarge(
                f"{_shown(path)} has {_size(found.st_size)}, of which {_size(room)} are on disk, but the tenant's disk "
                f"quota is {_size(most)}: delete this file, or have the app write a smaller one"
            )
        total += found.st_size
        worst = max(worst, (found.st_size, path))
    if total > MOST_TIMES * most:
        raise TooLarge(
            f"the files have {_size(total)} together, but the tenant's disk quota is {_size(most)}: some have holes or "
            f"share content; the largest is {_shown(worst[1])} with {_size(worst[0])}"
        )


def _shown(path: str) -> str:
    return path.encode(errors="replace").decode()[:200]


def _size(number: int) -> str:
    for power, unit in ((40, "TiB"), (30, "GiB"), (20, "MiB")):
        if number >= 1 << power:
            return f"{number / (1 << power):.1f} {unit}".replace(".0 ", " ")
    return f"{number >> 10} KiB"


class _Packed:
    """One pass through the generation."""

    def __init__(self, root: str, base: str, base_at: float) -> None:
        self.root, self.base, self.base_at = root, base, base_at
        self.files = self.bytes = self.passed_over = self.unread = 0
        self.gone: list[str] = []
        self.unreadable: list[str] = []

    def told(self) -> dict[str, Any]:
        return {
            "files": self.files,
            "bytes": self.bytes,
            "gone": len(self.gone),
            "passed_over": self.passed_over,
            "unread": self.unread,
            "unreadable": self.unreadable,
        }

    def write(self, out: Any) -> None:
        with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT, bufsize=BUFFER) as tar:
            if self.base:
                self.gone = list(self._gone())
                listed = json.dumps(self.gone).encode()
                entry = tarfile.TarInfo(GONE)
                entry.size = len(listed)
                tar.addfile(entry, BytesIO(listed))
            for path in _below(self.root, self._cannot):
                self._add(tar, path)
                tar.members = []  # type: ignore[attr-defined]  # or else tarfile keeps every entry in memory

    def _gone(self) -> Iterator[str]:
        """The paths of the earlier generation that are missing now, or are of another kind now. Of a removed folder,
        only the folder itself."""
        last = "\0"
        for path in _below(self.base, self._cannot):
            if path.startswith(f"{last}/"):
                continue
            before, now = _look(self.base, path), _look(self.root, path)
            if before is not None and (now is None or stat.S_IFMT(now.st_mode) != stat.S_IFMT(before.st_mode)):
                last = path
                yield path

    def _add(self, tar: tarfile.TarFile, path: str) -> None:
        found = _look(self.root, path)
        if found is None or (self.base and self._is_as_before(path, found)):
            return
        entry = tarfile.TarInfo(path)
        entry.mode, entry.mtime = stat.S_IMODE(found.st_mode) & 0o777, found.st_mtime
        if stat.S_ISDIR(found.st_mode):
            entry.type = tarfile.DIRTYPE
            tar.addfile(entry)
        elif stat.S_ISLNK(found.st_mode):
            entry.type, entry.linkname = tarfile.SYMTYPE, os.readlink(_at(self.root, path))  # noqa: PTH115
            tar.addfile(entry)
        elif stat.S_ISREG(found.st_mode):
            self._add_file(tar, entry, path)
        else:
            self.passed_over += 1

    def _add_file(self, tar: tarfile.TarFile, entry: tarfile.TarInfo, path: str) -> None:
        try:
            file = os.open(_at(self.root, path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            self._cannot(path)
            return
        with os.fdopen(file, "rb") as stream:
            entry.size = os.fstat(file).st_size
            tar.addfile(entry, stream)
        self.files += 1
        self.bytes += entry.size

    def _is_as_before(self, path: str, now: os.stat_result) -> bool:
        before = _look(self.base, path)
        if before is None or now.st_ctime >= self.base_at - UNSURE_SECONDS:
            return False
        return _signs(before) == _signs(now)

    def _cannot(self, path: str) -> None:
        self.unread += 1
        if len(self.unreadable) < MOST_TOLD:
            self.unreadable.append(path)


def _signs(found: os.stat_result) -> tuple[int, ...]:
    """What changes with every change of a file or folder: a program cannot set the ctime."""
    return found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def _below(root: str, cannot: Callable[[str], None]) -> Iterator[str]:
    """Every path below the root, a folder before its content, always in the same order. Without recursion: a tenant may
    nest folders deeper than Python's call limit."""
    waiting = [iter(_names(root, "", cannot))]
    while waiting:
        path = next(waiting[-1], None)
        if path is None:
            waiting.pop()
            continue
        yield path
        found = _look(root, path)
        if found is not None and stat.S_ISDIR(found.st_mode):
            waiting.append(iter(_names(root, path, cannot)))


def _names(root: str, path: str, cannot: Callable[[str], None]) -> list[str]:
    try:
        names = sorted(os.listdir(_at(root, path)))  # noqa: PTH208 (a tenant's names may be no text)
    except OSError:
        cannot(path)
        return []
    return [f"{path}/{name}" if path else name for name in names]


def _look(root: str, path: str) -> os.stat_result | None:
    try:
        return os.lstat(_at(root, path))
    except OSError:
        return None


def _at(root: str, path: str) -> str:
    return f"{root}/{path}" if path else root
