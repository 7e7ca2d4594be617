"""Read the files in which Docker's `local` driver keeps a container's lines, in the order in which Docker wrote them.

Docker's API cannot show that a reader was too slow: when two rotations pass a reader, dockerd skips the lines, and
warns in its own journal only. The files show what is missing: the file that was read to its end is known by its inode,
or by the time of its last record, which Docker writes into the header of each compressed file. Reading the files also
costs dockerd nothing.

`container.log` is being written; `container.log.1` is the file before, and is compressed to `container.log.1.gz`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

from launchpad.runner.machine.local_files import Kept, Seen, grown, inode_of, kept_files, opened, which_is
from launchpad.runner.machine.local_records import Place, is_damaged, joined, nano_of, places_in, stamp_of
from launchpad.runner.view import ContainerLine

CHUNK = 1 << 16
_TRIES = 20
Choose = Callable[[list[Place]], int | None]
"""Finds a record's index among those of one file, if it is there."""


class LocalLog:
    """One container's lines from a place on. `at` and `count` mark the place: behind the count-th record of that time
    in its file."""

    def __init__(self, folder: str) -> None:
        self.identity = folder.rsplit("/", 1)[-1][:12]
        """The container's id: a container that is created again has other files."""
        self._path = f"{folder}/local-logs/container.log"
        self._stream: Any = None
        self._inode = 0
        """Of the file that is read; 0 for a compressed one."""
        self._rest = b""
        self._nano, self.count, self._begins = 0, 0, True
        self._parts: dict[bytes, bytearray] = {}
        self._lost_after = ""
        self._seen: Seen | None = None

    @property
    def at(self) -> str:
        """The time of the last record that was read; empty at the beginning."""
        return stamp_of(self._nano) if self._nano else ""

    def is_gone(self) -> bool:
        """Whether the container was removed."""
        return not os.path.isdir(os.path.dirname(self._path))  # noqa: PTH112, PTH120  pathlib costs an import

    def tail(self, records: int) -> bool:
        """Go to the place before the last so many records; whether this is the beginning of all that is kept."""

        def chooser() -> Choose:
            left = records

            def choose(places: list[Place]) -> int | None:
                nonlocal left
                if places and len(places) >= left:
                    return len(places) - left
                left -= len(places)
                return None

            return choose

        return not self._go(chooser)

    def since(self, at: float) -> None:
        """Go to the first record that is not older (seconds since 1970)."""
        nano = int(at * 1e9)

        def choose(places: list[Place]) -> int | None:
            if not places or places[0][2] >= nano:
                return None
            return next((index for index, place in enumerate(places) if place[2] >= nano), len(places))

        self._go(lambda: choose)

    def after(self, at: str, count: int) -> None:
        """Go to the place with this mark. When Docker has rotated it away: to the oldest record, which then follows a
        gap."""
        nano = nano_of(at) if at else 0

        def choose(places: list[Place]) -> int | None:
            equal = [index for index, place in enumerate(places) if place[2] == nano]
            return equal[count - 1] + 1 if nano and len(equal) >= count else None

        if not self._go(lambda: choose) and nano:
            self._lost_after = at
            self._nano, self.count = nano, count

    def read(self, most: int) -> list[ContainerLine]:
        """The next lines, from about so many bytes; none when nothing new is there."""
        found: list[ContainerLine] = []
        if self._stream is None:
            self._go(lambda: lambda _places: None)
        while most > 0 and self._stream is not None:
            if data := self._stream.read(min(most, CHUNK)):
                most -= len(data)
                found += self._lines(data)
            elif not self._move_on():
                break
        return found

    def written(self) -> int:
        """How many bytes were written since the last call, at least; 0 at the first call."""
        count, self._seen = grown(self._path, self._seen)
        return count

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    # --- from file to file

    def _go(self, chooser: Callable[[], Choose]) -> bool:
        """Go to the record whose index `choose` finds in a file, from the newest file back; whether there is one. Else
        to the beginning of the oldest file."""
        for _ in range(_TRIES):
            files, found = kept_files(self._path), None
            try:
                found = self._look_through(files, chooser())
            except FileNotFoundError:
                continue  # rotated meanwhile
            if found or kept_files(self._path) == files:
                return bool(found)
        return False

    def _look_through(self, files: list[Kept], choose: Choose) -> bool:
        self._nano = self.count = 0
        for path, _ in files:
            self._take(*opened(path))
            places = list(places_in(self._stream.read()))
            index = choose(places)
            self._stream.seek(places[index - 1][1] if index else 0)
            if index is not None:
                self._nano = places[index - 1][2] if index else 0
                self.count = sum(place[2] == self._nano for place in places[:index])
                self._begins = index == 0
                return True
        return False

    def _take(self, stream: Any, inode: int) -> None:
        self.close()
        self._stream, self._inode, self._rest, self._parts, self._begins = stream, inode, b"", {}, True

    def _move_on(self) -> bool:
        """At the end of a file: go to the next one; whether there is more to read."""
        if self._inode and self._inode == inode_of(self._path):
            return False
        if self._inode and (data := self._stream.read(CHUNK)):  # written between the last look and the rotation
            self._stream.seek(-len(data), os.SEEK_CUR)
            return True
        for _ in range(_TRIES):
            files = kept_files(self._path)
            ended = which_is(files, self._inode, self._nano)
            if not files or ended == 0:
                return False  # removed, or Docker has not begun the next file
            try:
                following = opened(files[-1 if ended is None else ended - 1][0])
            except FileNotFoundError:
                continue
            if kept_files(self._path) != files:
                following[0].close()
                continue  # rotated meanwhile
            # What was between a file that Docker has removed and the oldest one, nobody knows.
            if ended is None or self._rest:
                self._lost_after = self.at
            parts = self._parts
            self._take(*following)
            self._parts = parts
            return True
        return False

    # --- from records to lines

    def _lines(self, data: bytes) -> Iterator[ContainerLine]:
        data = self._rest + data
        end = 0
        for begin, end, nano in places_in(data):
            self.count = self.count + 1 if nano == self._nano and not self._begins else 1
            self._nano, self._begins = nano, False
            whole = joined(self._parts, data, begin, end)
            if whole is not None:
                lost, self._lost_after = self._lost_after, ""
                yield ContainerLine(stamp_of(nano), *whole, self.count, lost)
        self._rest = data[end:]
        if is_damaged(self._rest):  # a disk was full, or failed
            self._stream.seek(0, os.SEEK_END)
            self._rest, self._lost_after = b"", self._lost_after or self.at
