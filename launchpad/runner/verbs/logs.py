"""logs: what tenants' containers wrote, and go on to write, without the tenants' known secrets."""

from __future__ import annotations

import heapq
import queue
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from launchpad.runner import paths
from launchpad.runner.caller import Caller
from launchpad.runner.host import Container, Failed
from launchpad.runner.protocol import Refused
from launchpad.runner.redaction import Redaction, known_secrets
from launchpad.runner.slots import is_tenant_name
from launchpad.runner.verbs import only, reply
from launchpad.runner.view import LogLine, View

USUAL_LINES = 200
LOOK_SECONDS = 2.0
"""So often a follower looks for containers that are new, as after a deploy, and for secrets that are."""
ALIVE_SECONDS = 15.0
"""So often a quiet follower writes a line: it learns then that its operator is gone."""
MOST_WAITING = 1000
"""Lines that wait for a slow operator; the containers' own logs keep the rest."""


def logs(host: View, body: Mapping[str, Any], _caller: Caller) -> Iterator[dict[str, Any]]:
    """Lines {"type": "log", "tenant", "service", "at", "text"}, in the order of time, then {}.

    body {"tenant"} or {"tenants": [name]}, {"since": seconds since 1970, "lines": the last so many of each tenant,
    "follow": whether to go on until the operator is gone}."""
    given = only(body, tenant=str, tenants=list, since=float, lines=int, follow=bool)
    names = given["tenants"] if given["tenants"] is not None else [given["tenant"]]
    for name in names:
        _known(host, name)
    lines = given["lines"] if given["lines"] is not None or given["since"] is not None else USUAL_LINES
    query = Query(tenants=names, since=given["since"] or 0.0, lines=lines)
    yield from _follow(host, query) if given["follow"] else _past(host, query)
    yield reply({})


@dataclass(frozen=True, kw_only=True)
class Query:
    """Which lines are asked for."""

    tenants: list[str]
    since: float
    lines: int | None


def _known(host: View, name: Any) -> None:
    there = isinstance(name, str) and is_tenant_name(name) and host.read(paths.record(name)) is not None
    if not there and not (isinstance(name, str) and is_tenant_name(name) and host.containers(name)):
        raise Refused(f"{str(name)[:60]} is not on this host", kind="state", hint="launchpad status")


def _past(host: View, query: Query) -> Iterator[dict[str, Any]]:
    yield from heapq.merge(*(_of_tenant(host, name, query) for name in query.tenants), key=lambda line: line["at"])


def _of_tenant(host: View, name: str, query: Query) -> Iterator[dict[str, Any]]:
    redaction = known_secrets(host, name)
    streams = [_of_container(host, item, query, redaction) for item in host.containers(name)]
    merged = heapq.merge(*streams, key=lambda line: line["at"])
    yield from merged if query.lines is None else deque(merged, maxlen=query.lines)


def _of_container(host: View, item: Container, query: Query, redaction: Redaction) -> Iterator[dict[str, Any]]:
    for line in host.log(item.name, since=query.since, tail=query.lines, follow=False):
        yield told(item, line, redaction)


def told(item: Container, line: LogLine, redaction: Redaction) -> dict[str, Any]:
    """A container's line as it is sent, without the known secrets."""
    return {
        "type": "log",
        "tenant": item.tenant,
        "service": item.service,
        "at": line.at,
        "text": redaction.line(line),
    }


# --- following --------------------------------------------------------------------------------------------------------


@dataclass
class _Listener:
    """Follows one container, in a thread of its own, through its restarts."""

    host: View
    item: Container
    lines: queue.Queue[tuple[Container, LogLine]]
    since: float
    tail: int | None
    last: str = ""
    """The time stamp of the last line that was passed on."""
    thread: threading.Thread | None = field(default=None)

    def listen(self) -> None:
        """Go on listening, unless that is what it does."""
        if self.thread is None or not self.thread.is_alive():
            self.thread = threading.Thread(target=self._run, daemon=True)
            self.thread.start()

    def _run(self) -> None:
        try:
            for line in self.host.log(self.item.name, since=self.since, tail=self.tail, follow=True):
                if line.at > self.last:
                    self.last = line.at
                    self.lines.put((self.item, line))
        except Failed:
            pass  # Docker went away: whoever looks for new containers next starts again from here
        # What came in the last second before the end is read again and passed over by its time stamp.
        self.since, self.tail = self.host.now() - 1, None


def _follow(host: View, query: Query) -> Iterator[dict[str, Any]]:
    """The lines as they come, of containers that come and go, until the operator is gone."""
    lines: queue.Queue[tuple[Container, LogLine]] = queue.Queue(MOST_WAITING)
    listeners: dict[str, _Listener] = {}
    redactions: dict[str, Redaction] = {}
    looked, spoken = -LOOK_SECONDS, host.elapsed()
    while True:
        if host.elapsed() - looked >= LOOK_SECONDS:
            redactions = {name: known_secrets(host, name) for name in query.tenants}
            _look(host, query, lines, listeners)
            looked = host.elapsed()
        try:
            item, line = lines.get(timeout=LOOK_SECONDS / 4)
        except queue.Empty:
            if host.elapsed() - spoken >= ALIVE_SECONDS:
                spoken = host.elapsed()
                yield {"type": "alive", "at": host.now()}
            continue
        spoken = host.elapsed()
        yield told(item, line, redactions[item.tenant])


def _look(
    host: View,
    query: Query,
    lines: queue.Queue[tuple[Container, LogLine]],
    listeners: dict[str, _Listener],
) -> None:
    """Listen to every container of the tenants that runs; a container that is new is listened to from its beginning."""
    first = not listeners
    try:
        found = [item for name in query.tenants for item in host.containers(name)]
    except Failed:
        return
    for item in found:
        if item.name not in listeners:
            since, tail = (query.since, query.lines) if first else (0.0, None)
            listeners[item.name] = _Listener(host, item, lines, since, tail)
        if first or item.state == "running":
            listeners[item.name].listen()
    for gone in set(listeners) - {item.name for item in found}:
        del listeners[gone]
