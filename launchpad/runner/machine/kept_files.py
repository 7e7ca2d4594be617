"""The machine for the watch, which reads the same few files again and again.

An answer is kept while the kernel reports the same file, or, where the file is missing, the same nearest folder: one
call instead of opening each folder of the path.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from launchpad.runner import paths
from launchpad.runner.machine import Machine
from launchpad.runner.machine.files import DiskFiles

Answer = TypeVar("Answer")

FRESH_NS = 50_000_000
"""The kernel advances the time of a change each few milliseconds. An answer about a file that changed just now is not
kept, because a second change could have the same time."""
MOST_KEPT, LARGEST = 4096, 64 << 10
"""Answers, and bytes of one file."""


class KeptFiles(DiskFiles):
    """Files that are read anew only after a change. Threads may share it."""

    below: ClassVar[tuple[str, ...]] = (f"{paths.ROOT}/", f"{paths.STATE}/", f"{paths.RUN}/", f"{paths.ETC}/")
    """Launchpad's own folders. Elsewhere, as in /proc, a file may change while the kernel reports no change."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: dict[tuple[str, str], tuple[tuple[Any, ...], Any]] = {}

    def read(self, path: str) -> bytes | None:
        return self._answer("read", path, super().read)

    def names(self, path: str) -> list[str]:
        return [*self._answer("names", path, super().names)]

    def _answer(self, kind: str, path: str, ask: Callable[[str], Answer]) -> Answer:
        if not path.startswith(self.below):
            return ask(path)
        look = _look_of(path)
        if (kept := self._kept.get((kind, path))) is not None and kept[0] == look:
            known: Answer = kept[1]
            return known
        answer = ask(path)  # after `look`: a change between the two makes the next call read again
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
        if abs(time.time_ns() - look[-1]) > FRESH_NS and (not isinstance(answer, bytes) or len(answer) <= LARGEST):
            self._kept[kind, path] = (look, answer)
        else:
            self._kept.pop((kind, path), None)
        return answer


class WatchingMachine(KeptFiles, Machine):
    """The machine, as the watch's process sees it."""

    def lock_owner(self, name: str) -> dict[str, Any] | None:
        # The file is empty unless somebody holds the lock, or was killed while holding the lock.
        return super().lock_owner(name) if _look_of(f"{paths.LOCKS}/{name}")[4] else None


def _look_of(path: str) -> tuple[Any, ...]:
    """What the kernel reports of the file. For a missing file: of the nearest folder, which changes when the file is
    created."""
    while True:
        try:
            found = os.stat(path)  # noqa: PTH116  pathlib costs an import
        except (FileNotFoundError, NotADirectoryError):
            path = path.rpartition("/")[0] or "/"
            continue
        identity = (path, found.st_dev, found.st_ino, found.st_mode)
        return *identity, found.st_size, found.st_mtime_ns, found.st_ctime_ns
