"""Order the lines of several hosts whose clocks differ. Within a source the order never changes."""

from __future__ import annotations

import dataclasses
import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Any

HOLD_SECONDS = 1.0
"""How long a follower waits for older lines of other hosts; a round of a host takes a quarter of that."""


@dataclass(frozen=True, kw_only=True)
class LogLine:
    """One log line of a tenant's service, or a gap before a line; `at` is RFC 3339 in UTC, by the host's clock."""

    host: str
    tenant: str
    service: str
    at: str
    text: str
    after: str = ""
    """Only of a gap: the time of the last line before the gap. `at` is the time of the first line after the gap."""

    def as_json(self) -> dict[str, Any]:
        return {name: value for name, value in dataclasses.asdict(self).items() if value or name != "after"}


class LogOrder:
    """Lines go in as they arrive, and come out by the time at which they were written, by this machine's clock."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, float, LogLine]] = []
        self._newest: dict[str, float] = {}
        self._serial = count()

    def add(self, line: LogLine, *, source: str, ahead: float, now: float) -> None:
        """`ahead`: by how many seconds the host's clock is ahead of this machine's; `now`: a monotonic time."""
        written = max(_seconds(line.at) - ahead, self._newest.get(source, 0.0))
        self._newest[source] = written
        heapq.heappush(self._waiting, (written, next(self._serial), now, line))

    def due(self, *, clock: float, now: float) -> Iterator[LogLine]:
        """The lines for which no older line of another host is to be expected."""
        while self._waiting:
            written, _serial, arrived, _line = self._waiting[0]
            if written > clock - HOLD_SECONDS and arrived > now - 2 * HOLD_SECONDS:
                return
            yield heapq.heappop(self._waiting)[3]

    def rest(self) -> Iterator[LogLine]:
        """Every line that is left."""
        while self._waiting:
            yield heapq.heappop(self._waiting)[3]


def _seconds(at: str) -> float:
    try:
        return datetime.fromisoformat(f"{at[:26].removesuffix('Z')}+00:00").timestamp()
    except ValueError:
        return 0.0
