"""Follow the logs of tenants: each container fairly, through restarts, deploys and rotations.

One round reads a bounded piece of every container, so that a container that floods delays and costs no other one. A
container that writes more than that falls behind; when Docker rotates its lines away first, the reader shows a gap.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from typing import Any

from launchpad.runner.host import Failed
from launchpad.runner.log_redaction import LogRedaction
from launchpad.runner.log_secrets import LogSecrets
from launchpad.runner.log_sources import LogSource, open_sources
from launchpad.runner.view import View
from launchpad.runner.wire.log_bodies import LogRequest

ROUND_SECONDS = 0.25
ROUND_BYTES = 1 << 18
"""Of each container: a megabyte a second."""
LAST_BYTES = 1 << 26
"""Of a container that was removed: all that is left."""
LOOK_SECONDS = 2.0
"""Seconds between checks for new containers, as after a deploy, and for new secrets."""
ALIVE_SECONDS = 10.0
"""Seconds between marks; a failed write shows that the client is gone."""


class LogFollower:
    """What is read of each container. `sources`: the containers whose past lines are already shown."""

    pause_seconds, look_seconds, round_bytes = ROUND_SECONDS, LOOK_SECONDS, ROUND_BYTES

    def __init__(self, host: View, query: LogRequest, sources: dict[str, LogSource], *, secrets: LogSecrets) -> None:
        self._host, self._query, self._sources, self._secrets = host, query, sources, secrets
        self._marks = dict(query.marks or {})
        self._redactions: dict[str, LogRedaction] = {}
        self._ended: list[str] = []
        """Containers that were removed: their open files are read once more."""
        self._looked = self._marked = -ALIVE_SECONDS
        self.has_looked = False
        """Whether Docker has named the containers at least once."""

    def names(self) -> Iterable[str]:
        """The tenants whose lines are read."""
        return self._query.tenants

    def lines(self) -> Iterator[dict[str, Any]]:
        """The lines as they come, and marks, until the client is gone."""
        while True:
            yield from self.round()
            self._host.wait(self.pause_seconds)

    def round(self) -> Iterator[dict[str, Any]]:
        """The lines of one bounded piece of every container, and marks when they are due."""
        now = self._host.elapsed()
        if now - self._looked >= self.look_seconds:
            self._looked = now
            self._look()
        if now - self._marked >= ALIVE_SECONDS:
            yield from self._moved()
            yield {"type": "alive" if self._marked >= 0 else "begun"}
            self._marked = now
        yield from heapq.merge(*map(self._of, self._sources.values()), key=lambda line: line["at"])
        for place in self._ended:
            self._sources.pop(place).reader.close()
        self._ended = []

    def _of(self, source: LogSource) -> Iterator[dict[str, Any]]:
        most = LAST_BYTES if source.reader.is_gone() else self.round_bytes
        for line in source.show(source.reader.read(most), self._redactions[source.tenant]):
            if line["type"] == "log":
                source.told = f"{line['at']} {line.get('n', 1)}"
            yield line

    def _moved(self) -> Iterator[dict[str, Any]]:
        """The marks of the containers that wrote lines that are not shown: a resumed follower does not take them for
        lost."""
        for source in self._sources.values():
            if source.told != source.mark:
                source.told = source.mark
                yield {"type": "mark", "source": source.key, "mark": source.mark}

    def _look(self) -> None:
        names = self.names()
        try:
            containers = self._host.containers()
        except Failed:
            containers = None
        # After the containers: a container gets its secrets before it starts. Added to, because the last lines of a
        # tenant that was removed are still to be read.
        self._redactions |= {name: self._secrets.redaction(name) for name in names}
        self._ended = [place for place, source in self._sources.items() if source.reader.is_gone()]
        if containers is None:
            return  # Docker is down; what is open is read on
        try:
            for name in names:
                opened = open_sources(self._host, name, self._query, containers=containers, beside=self._sources)
                for place, source in opened:
                    # A container that the operator's side has no mark of is new: it is read from its beginning.
                    at, _, count = self._marks.pop(source.key, "").partition(" ")
                    source.reader.after(at, int(count or 1))
                    self._sources[place] = source
            self.has_looked = True
        except Failed:
            return
