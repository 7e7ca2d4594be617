"""A generation as a tar, in the sandbox: whole, or what differs from an earlier one. No link in it is followed.

Entries are named volume/path and carry mode and time; the owner is the tenant's uid wherever they come to lie. Hard
links come as files of their own; what is neither file, folder nor link (a socket, a pipe) is passed over, and counted.
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
"""Where the earlier generation lies in the sandbox."""
GONE = ".launchpad-gone"
"""The first entry of a tar of differences: a JSON list of the paths that are no more. No volume has such a name."""
MOST_TOLD = 20
UNSURE_SECONDS = 2.0
"""A file that was written so shortly before the earlier generation may have been written right after it, in the same
tick of the kernel's clock, and is sent again."""
MOST_TIMES = 4
"""What is read of a tenant, holes, hard links and shared extents and all, is at most so many times its quota."""


class TooLarge(Exception):
    """Reading it would take far longer than what lies on the disk: files have holes, or share what they have."""


def pack(task: Mapping[str, Any], say: Say) -> dict[str, Any]:
    """Say the tar in pieces ({"data": base64}), encrypted for the recipients where there are any; then what was sent:
    {"files", "bytes", "digest" of the tar in the clear, "pieces" (digest of what was said), "gone", "passed_over",
    "unreadable": [the first paths]}. OSError when age fails; TooLarge, before anything is sent, as of `judge_sizes`."""
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
    """TooLarge, which names a file, when one with holes is larger than `most` bytes, or all files together are larger
    than some times that: whoever reads them reads every hole. A file that really takes its room is fine."""
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
    """One go through the generation."""

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
                tar.members = []  # type: ignore[attr-defined]  # it would keep every entry for a look-up that nobody makes

    def _gone(self) -> Iterator[str]:
        """What the earlier generation has and this one has not, or has as something of another kind. Of a folder that
        is gone only itself."""
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
    """What changes with whatever is done to a file or folder: nobody but the clock's owner can set a ctime."""
    return found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def _below(root: str, cannot: Callable[[str], None]) -> Iterator[str]:
    """Every path below, a folder before what is in it, in one order for the same content. Not by recursion: a tenant
    may nest folders deeper than Python's calls go."""
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
