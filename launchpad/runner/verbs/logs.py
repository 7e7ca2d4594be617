"""logs: the lines of tenants' containers, past and future, without the tenants' known secrets.

Lines that Launchpad's own probes cause are left out. The last lines of the containers of a failed operation are
included, also when the containers were removed. `edge` has Caddy's lines about the tenants' names instead.
"""

from __future__ import annotations

import heapq
import queue
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from launchpad.runner import paths
from launchpad.runner.caller import Caller
from launchpad.runner.drift import read_manifest
from launchpad.runner.host import Failed
from launchpad.runner.journal import IDENTIFIER, Journal
from launchpad.runner.log_redaction import LogRedaction, known_secrets
from launchpad.runner.plan import read_record
from launchpad.runner.protocol import Refused
from launchpad.runner.slots import is_tenant_name
from launchpad.runner.verbs import only, reply
from launchpad.runner.view import ContainerLine, View

USUAL_LINES = 200
LOOK_SECONDS = 2.0
"""Seconds between a follower's checks for new containers, as after a deploy, and for new secrets."""
ALIVE_SECONDS = 15.0
"""Seconds between alive lines: a failed write shows the follower that its client is gone."""
MOST_WAITING = 1000
"""Lines in the queue for a slow client; the containers' own logs keep the rest."""
CADDY = "launchpad-caddy"
PROBES = re.compile(r"launchpad-runner|(?<![0-9.])192\.0\.2\.1(?![0-9.])")
"""The marks of probes: the runner's name, and the documentation address (RFC 5737) that Caddy's checks name."""
_WORDS = re.compile(r"error|exception|traceback|fatal|warn|fail", re.IGNORECASE)
_GOOD, _BAD = re.compile(r"\b200\b"), re.compile(r"\b[45][0-9][0-9]\b")

Wanted = Callable[[str], bool]
"""Whether a line is shown."""


def logs(host: View, body: Mapping[str, Any], _caller: Caller) -> Iterator[dict[str, Any]]:
    """Lines {"type": "log", "tenant", "service", "at", "text"} in order of time, then {}.

    body {"tenant"} or {"tenants": [name]}, {"since": seconds since 1970, or "ago": seconds by this host's clock,
    "lines": the last so many of each tenant, "follow": whether to go on until the operator is gone, "probes": also what
    Launchpad's probes make an app write, "edge": what Caddy wrote about the tenants' names}."""
    given = only(body, tenant=str, tenants=list, since=float, ago=float, lines=int, follow=bool, probes=bool, edge=bool)
    names = given["tenants"] if given["tenants"] is not None else [given["tenant"]]
    for name in names:
        _known(host, name)
    if given["ago"] is not None:
        given["since"] = max(0.0, host.now() - given["ago"])
    lines = given["lines"] if given["lines"] is not None or given["since"] is not None else USUAL_LINES
    query = LogRequest(
        tenants=names, since=given["since"] or 0.0, lines=lines, probes=bool(given["probes"]), edge=bool(given["edge"])
    )
    yield from _follow(host, query) if given["follow"] else _past(host, query)
    yield reply({})


@dataclass(frozen=True, kw_only=True)
class LogRequest:
    """Which lines are requested."""

    tenants: list[str]
    since: float
    lines: int | None
    probes: bool = False
    edge: bool = False


@dataclass(frozen=True, kw_only=True)
class LogSource:
    """A container, and which of its lines to show under which name."""

    container: str
    tenant: str
    service: str
    running: bool
    wanted: Wanted


def _known(host: View, name: Any) -> None:
    if isinstance(name, str) and is_tenant_name(name):
        there = host.read(paths.record(name)) is not None or host.containers(name)
        if there or next(_failed(host, name, 0.0), None) is not None:
            return
    raise Refused(f"{str(name)[:60]} is not on this host", kind="state", hint="launchpad status")


def _past(host: View, query: LogRequest) -> Iterator[dict[str, Any]]:
    yield from heapq.merge(*(_of_tenant(host, name, query) for name in query.tenants), key=lambda line: line["at"])


def _of_tenant(host: View, name: str, query: LogRequest) -> Iterator[dict[str, Any]]:
    redaction = known_secrets(host, name)
    streams = [_of_source(host, source, query, redaction) for source in _sources(host, name, query)]
    merged = heapq.merge(*streams, *_failures(host, name, query), key=lambda line: line["at"])
    yield from merged if query.lines is None else deque(merged, maxlen=query.lines)


def _of_source(host: View, source: LogSource, query: LogRequest, redaction: LogRedaction) -> Iterator[dict[str, Any]]:
    for line in _lines(host, source, query):
        yield told(source, line, redaction)


def _sources(host: View, name: str, query: LogRequest) -> list[LogSource]:
    """The present sources of the tenant's lines."""
    if query.edge:
        record = read_record(host, name)
        about = _about((record or {}).get("domains") or ())
        return [LogSource(container=CADDY, tenant=name, service="caddy", running=True, wanted=about)]
    return [
        LogSource(
            container=item.name,
            tenant=item.tenant,
            service=item.service,
            running=item.state == "running",
            wanted=_every if query.probes else _without_probes(host, name, item.release),
        )
        for item in host.containers(name)
    ]


def _every(_text: str) -> bool:
    return True


def _none(_text: str) -> bool:
    return False


def _about(names: Any) -> Wanted:
    """Whether a line of Caddy is about one of the names; lines about the whole server are not."""
    if not names:
        return _none
    one = re.compile(rf"(?<![\w.-])(?:{'|'.join(map(re.escape, names))})(?![\w-])(?!\.\w)")
    return lambda text: one.search(text) is not None and '"domains":[' not in text


def _without_probes(host: View, tenant: str, release: str) -> Wanted:
    """Whether a line was not caused by a probe: probes cause lines about a successful GET."""
    manifest = read_manifest(host, tenant, release)
    probed = {probe["path"] for probe in manifest.probes if probe.get("path")} if manifest else set()
    own = [re.escape(path) for path in sorted(probed) if path != "/"]  # visitors request / too
    path = re.compile(rf"(?<![\w/])(?:{'|'.join(own)})(?![\w/?.-])") if own else None

    def wanted(text: str) -> bool:
        good = _GOOD.search(text) is not None
        probed = path is not None and path.search(text) is not None and (good or re.search(r"\bGET\b", text))
        if not probed and PROBES.search(text) is None:
            return True
        return _WORDS.search(text) is not None or (not good and _BAD.search(text) is not None)

    return wanted


def _lines(host: View, source: LogSource, query: LogRequest) -> Iterator[ContainerLine]:
    """The container's lines to show; reads further back until enough of them are found."""
    tail = query.lines
    while tail is not None:
        read = list(host.log(source.container, since=query.since, tail=tail, follow=False))
        shown = [line for line in read if source.wanted(line.text)]
        if len(read) < tail or len(shown) >= (query.lines or 0):
            yield from shown[-query.lines :] if query.lines else ()
            return
        tail *= 8
    for line in host.log(source.container, since=query.since, tail=None, follow=False):
        if source.wanted(line.text):
            yield line


def told(source: LogSource, line: ContainerLine, redaction: LogRedaction) -> dict[str, Any]:
    """A container's line as a reply, without known secrets."""
    return {
        "type": "log",
        "tenant": source.tenant,
        "service": source.service,
        "at": line.at,
        "text": redaction.line(line),
    }


# --- failed operations ------------------------------------------------------------------------------------------------


def _failures(host: View, name: str, query: LogRequest) -> list[Iterator[dict[str, Any]]]:
    """The last lines of the newest operation that failed."""
    return [] if query.edge else [_failed(host, name, query.since)]


def _failed(host: View, name: str, since: float) -> Iterator[dict[str, Any]]:
    """The lines that a failed operation's journal kept of the containers that its undo removed; the secrets were
    removed when the journal was written."""
    newest: dict[str, Any] = {"at": since}
    of: dict[str, Any] = {}
    for identifier in filter(IDENTIFIER.fullmatch, host.names(paths.OPERATIONS)):
        journal = Journal(host, identifier)
        outcome = journal.outcome()
        if outcome is None or not outcome.get("lines") or outcome["at"] < newest["at"]:
            continue
        asked = journal.asked()
        if asked is not None and asked["operation"].get("tenant") == name:
            newest, of = outcome, asked
    if not of:
        return
    at = newest["at"]
    stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(at))}.{int(at % 1 * 1e9):09d}Z"
    service = f"{of['operation']['kind']} {of['id']}"
    for line in newest["lines"]:
        yield {"type": "log", "tenant": name, "service": service, "at": stamp, "text": line}


# --- following --------------------------------------------------------------------------------------------------------


@dataclass
class _Listener:
    """Follows one container through its restarts, in its own thread."""

    host: View
    source: LogSource
    lines: queue.Queue[tuple[LogSource, ContainerLine]]
    past: LogRequest | None
    """Which past lines to send first; None: all, for a new container."""
    last: str = ""
    """The time stamp of the last line that was sent."""
    since: float = 0.0
    thread: threading.Thread | None = field(default=None)

    def listen(self) -> None:
        """Start listening, unless the thread already listens."""
        if self.thread is None or not self.thread.is_alive():
            self.thread = threading.Thread(target=self._run, daemon=True)
            self.thread.start()

    def _run(self) -> None:
        begun = self.host.now()
        try:
            if self.past is not None:
                for line in _lines(self.host, self.source, self.past):
                    self._pass_on(line)
                self.past, self.since = None, begun - 1
            for line in self.host.log(self.source.container, since=self.since, tail=None, follow=True):
                if self.source.wanted(line.text):
                    self._pass_on(line)
        except Failed:
            pass  # Docker closed the stream: the next check for containers starts this listener again
        # The lines of the last second are read again, and skipped by their time stamps.
        self.since = self.host.now() - 1

    def _pass_on(self, line: ContainerLine) -> None:
        if line.at > self.last:
            self.last = line.at
            self.lines.put((self.source, line))


def _follow(host: View, query: LogRequest) -> Iterator[dict[str, Any]]:
    """The lines as they come, also of new containers, until the client is gone."""
    lines: queue.Queue[tuple[LogSource, ContainerLine]] = queue.Queue(MOST_WAITING)
    listeners: dict[tuple[str, str], _Listener] = {}
    redactions: dict[str, LogRedaction] = {}
    looked, spoken = -LOOK_SECONDS, host.elapsed()
    for name in query.tenants if query.lines != 0 else ():
        for stream in _failures(host, name, query):
            yield from stream
    while True:
        if host.elapsed() - looked >= LOOK_SECONDS:
            redactions = {name: known_secrets(host, name) for name in query.tenants}
            _look(host, query, lines, listeners)
            looked = host.elapsed()
        try:
            source, line = lines.get(timeout=LOOK_SECONDS / 4)
        except queue.Empty:
            if host.elapsed() - spoken >= ALIVE_SECONDS:
                spoken = host.elapsed()
                yield {"type": "alive", "at": host.now()}
            continue
        spoken = host.elapsed()
        yield told(source, line, redactions[source.tenant])


def _look(
    host: View,
    query: LogRequest,
    lines: queue.Queue[tuple[LogSource, ContainerLine]],
    listeners: dict[tuple[str, str], _Listener],
) -> None:
    """Listen to every running container of the tenants; to a new container from its beginning."""
    first = not listeners
    try:
        found = {(item.container, item.tenant): item for name in query.tenants for item in _sources(host, name, query)}
    except Failed:
        return
    for key, source in found.items():
        if key not in listeners:
            listeners[key] = _Listener(host, source, lines, query if first else None)
        if first or source.running:
            listeners[key].listen()
    for gone in set(listeners) - set(found):
        del listeners[gone]
