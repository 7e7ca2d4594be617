"""logs: the log lines of tenants' containers, for one or many tenants on one or many hosts, without known secrets."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from launchpad.errors import LaunchpadError, StateError
from launchpad.fleet.model.fleet import Fleet
from launchpad.fleet.model.tenant import Tenant
from launchpad.fleet.words.secret import Secret
from launchpad.operations.observation.host_log import HostLog, LogQuery
from launchpad.operations.observation.log_order import LogLine, LogOrder
from launchpad.operations.observation.redaction import Redaction
from launchpad.runner.hint import Next
from launchpad.ssh.fanout import all_or_error, fanout
from launchpad.workspace import Workspace

MOST_SKEW = 2.0
"""Seconds between a host's clock and this machine's: a larger difference is reported."""
POLL_SECONDS = 0.2
MOST_WAITING = 10_000
"""Lines that wait for a slow terminal; the hosts keep the rest."""

OnLine = Callable[[LogLine], None]
OnLost = Callable[[str, LaunchpadError], None]
"""Takes a tenant or a host whose lines ended with an error, while the other lines continue."""
OnSkew = Callable[[str, float], None]
"""Takes a host, and by how many seconds its clock is ahead of this machine's; called once for a host."""


@dataclass(frozen=True, kw_only=True)
class LogListeners:
    """What is told beside the lines, from one thread."""

    on_lost: OnLost = lambda *_: None
    on_skew: OnSkew = lambda *_: None


_NOBODY = LogListeners()


def logs(
    workspace: Workspace,
    names: Sequence[str] = (),
    *,
    hosts: Sequence[str] = (),
    query: LogQuery,
    on_line: OnLine,
    tell: LogListeners = _NOBODY,
) -> None:
    """Give every line to `on_line`, ordered by time, and when following as the lines are written, until every
    connection is permanently lost. `names`: tenants; `hosts`: hosts with all their tenants; neither: the whole fleet.
    Between hosts the order corrects the differences of their clocks. An error goes to `tell.on_lost` at once, and is
    raised after the other lines."""
    fleet = workspace.fleet.load()
    by_host: dict[str, list[str]] = {}
    for tenant in _selected(fleet, names, hosts):
        by_host.setdefault(str(tenant.host), []).append(str(tenant.name))
    if not by_host:
        raise StateError("no tenant to read logs of", code="no-tenant-for-logs", hint=Next("tenant list"))
    reading = _ManyHosts(workspace, fleet, by_host, query)
    reading.run(on_line, tell)
    missing = {name: error for name, error in reading.missing.items() if name in names}
    if reading.failed and not missing:
        all_or_error(dict.fromkeys(by_host, None) | reading.failed, noun="hosts")
    with_host = {name: error for host, error in reading.failed.items() for name in by_host[host]}
    every = dict.fromkeys((name for tenants in by_host.values() for name in tenants), None)
    all_or_error(every | with_host | missing, noun="tenants")


def _selected(fleet: Fleet, names: Sequence[str], hosts: Sequence[str]) -> Iterable[Tenant]:
    if not names and not hosts:
        return fleet.tenants.values()
    on = {fleet.host(name).name for name in hosts}
    chosen = {str(name): fleet.tenant(name) for name in names}
    return [*chosen.values(), *(item for item in fleet.tenants.values() if item.host in on and item.name not in chosen)]


class _ManyHosts:
    """A thread for each host; the lines come together in the caller's thread."""

    def __init__(
        self, workspace: Workspace, fleet: Fleet, by_host: Mapping[str, Sequence[str]], query: LogQuery
    ) -> None:
        self._workspace, self._query = workspace, query
        self._arrived: queue.Queue[Callable[[], None]] = queue.Queue(MOST_WAITING)
        self._order = LogOrder()
        self.missing: dict[str, LaunchpadError] = {}
        self.failed: dict[str, LaunchpadError] = {}
        self._many = len(by_host) > 1
        self._hosts = {
            name: HostLog(
                workspace=workspace,
                host=fleet.host(name),
                query=query,
                redactions={tenant: Redaction(_known(workspace, fleet, tenant)) for tenant in tenants},
                on_missing=lambda tenant, error: self._arrived.put(lambda: self._lose(self.missing, tenant, error)),
                measures=self._many,
            )
            for name, tenants in by_host.items()
        }

    def run(self, on_line: OnLine, tell: LogListeners) -> None:
        self._tell, self._skewed = tell, set[str]()
        bugs: list[BaseException] = []

        def read_all() -> None:
            try:
                fanout(self._hosts, self._read, threads=len(self._hosts))
            except BaseException as bug:
                bugs.append(bug)

        reading, clock = threading.Thread(target=read_all, daemon=True), self._workspace.clock
        reading.start()
        while reading.is_alive() or not self._arrived.empty():
            with suppress(queue.Empty):
                self._arrived.get(timeout=POLL_SECONDS)()
            if self._query.follow:
                ready = self._order.due(clock=clock.now(), now=clock.monotonic()) if self._many else self._order.rest()
                for line in ready:
                    on_line(line)
        if bugs:
            raise bugs[0]
        for line in self._order.rest():
            on_line(line)

    def _read(self, name: str) -> None:
        log = self._hosts[name]
        try:
            for source, line in log.lines():
                self._arrived.put(partial(self._add, name, source, line))
        except LaunchpadError as error:
            lost = error
            self._arrived.put(lambda: self._lose(self.failed, name, lost))

    # --- in the caller's thread

    def _add(self, host: str, source: str, line: LogLine) -> None:
        ahead = self._hosts[host].ahead
        if abs(ahead) > MOST_SKEW and host not in self._skewed:
            self._skewed.add(host)
            self._tell.on_skew(host, ahead)
        now = self._workspace.clock.monotonic()
        self._order.add(line, source=f"{host} {source}", ahead=ahead, now=now)

    def _lose(self, where: dict[str, LaunchpadError], name: str, error: LaunchpadError) -> None:
        if name not in where:
            where[name] = error
            self._tell.on_lost(name, error)


def _known(workspace: Workspace, fleet: Fleet, name: str) -> list[Secret]:
    try:
        return [secret for _version, secret in workspace.secrets.reveal(fleet.tenant(name).name).values()]
    except LaunchpadError:
        return []  # this operator cannot open them: the host's own redaction is what there is
