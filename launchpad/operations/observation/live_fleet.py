"""top: a thread for each host asks the host again and again, over a connection that stays open: a slow host delays no
other host."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from launchpad.errors import LaunchpadError
from launchpad.fleet.model.host import Host
from launchpad.operations.observation.alerts import ask_alerts
from launchpad.operations.requests.observing import observe, wanted
from launchpad.operations.requests.reaching import hosts_of
from launchpad.operations.requests.scope import Scope, scope_of
from launchpad.plan.going_on import Alerted, AlertSeen
from launchpad.plan.observed import HostSeen
from launchpad.plan.overview import Expected, OverviewRow, host_rows, silent_rows, waiting_row
from launchpad.workspace import Workspace

EVERY_SECONDS, SHORTEST_SECONDS = 5.0, 1.0
"""The time from one look at a host to the next, and the shortest pause between the two."""
INVENTORY_SECONDS = 15.0
ALERTS_EVERY = 6
"""Alerts are asked for at every sixth look."""
STOP_SECONDS = 0.5
_INVENTORY = ""
"""The name of the thread that reads the inventory."""


class LiveFleet:
    """The rows of the named tenants and hosts, or of all, as of each host's last answer. A workspace whose connections
    stay open makes each look one exec."""

    def __init__(self, workspace: Workspace, names: Sequence[str] = ()) -> None:
        """InventoryError for a name that is neither a tenant nor a host, or for an inventory that cannot be read."""
        self._workspace = workspace
        self._names = tuple(names)
        self._guard = threading.Lock()
        self._ended = threading.Event()
        self._threads: dict[str, threading.Thread] = {}
        self._seen: dict[str, HostSeen] = {}
        self._rows: dict[str, tuple[OverviewRow, ...]] = {}
        self._alerted: dict[str, Alerted] = {}
        self.problem: LaunchpadError | None = None
        """Why the inventory cannot be read now; what was read last stays."""
        self.bug: BaseException | None = None
        """What ended a thread."""
        self.changes = 0
        """Another number after each change of the rows."""
        self._read()

    def rows(self) -> list[OverviewRow]:
        """The rows of every host, as of the host's last answer."""
        with self._guard:
            return [row for name in self._hosts for row in self._rows.get(name) or (waiting_row(name),)]

    def start(self) -> None:
        """Begin to look at every host, each in its own thread."""
        self._begin(_INVENTORY, self._reread)
        for name in self._hosts:
            self._begin(name, self._follow)

    def stop(self) -> None:
        """End the threads. A thread that waits for a host ends with the process, and is not waited for."""
        self._ended.set()
        threads = [*self._threads.values()]
        for thread in threads:
            thread.join(STOP_SECONDS / len(threads))

    def look(self, name: str, *, alerts: bool = True) -> None:
        """Ask one host now, and keep its answer, or its error beside what was known."""
        host, expected = self._hosts.get(name), self._expected
        if host is None:  # the inventory has just lost it
            return
        scope = Scope((host,), tuple(item for item in self._scope.tenants if item.host == host.name), self._whole)
        said = observe(self._workspace, scope, probes=False)[name]
        heard = self._workspace.clock.now()
        if isinstance(said, HostSeen):
            if alerts:
                with suppress(LaunchpadError):  # the rows count more
                    self._alerted[name] = self._ask_alerts(host, heard)
            told, others = self._alerted.get(name, Alerted()), {**self._seen}
            rows = host_rows(said, expected, others=others, heard=heard, alerted=told)
        else:
            rows = silent_rows(name, said, self._rows.get(name, ()), expected)
        with self._guard:
            if isinstance(said, HostSeen):
                self._seen[name] = said
            self._rows[name] = tuple(row for row in rows if self._is_meant(row))
            self.changes += 1

    def _is_meant(self, row: OverviewRow) -> bool:
        return not row.tenant or row.host in self._whole or row.tenant in self._meant

    def _read(self) -> None:
        fleet = self._workspace.fleet.load()
        scope = scope_of(fleet, self._names)
        tenants = wanted(self._workspace, fleet, fleet.tenants.values(), on={})
        unreadable = {str(name): str(item.mistakes[0]) for name, item in fleet.unreadable.items()}
        with self._guard:
            self._scope, self._whole = scope, scope.whole_hosts
            self._meant = frozenset(str(tenant.name) for tenant in scope.tenants)
            self._hosts: dict[str, Host] = {str(host.name): host for host in scope.hosts}
            self._expected = Expected(
                wanted={item.tenant: item for item in tenants}, known=fleet.known, unreadable=unreadable
            )
            self.changes += 1

    def _reread(self, _name: str) -> None:
        """Read the inventory again and again: another operator's tenants and hosts appear."""
        while not self._ended.wait(INVENTORY_SECONDS):
            try:
                self._read()
                self.problem = None
            except LaunchpadError as error:
                self.problem = error
                self.changes += 1
            for name in self._hosts:
                if name not in self._threads:
                    self._begin(name, self._follow)

    def _follow(self, name: str) -> None:
        clock, turn = self._workspace.clock, 0
        while name in self._hosts and not self._ended.is_set():
            began = clock.monotonic()
            self.look(name, alerts=turn % ALERTS_EVERY == 0)
            turn += 1
            self._ended.wait(max(SHORTEST_SECONDS, EVERY_SECONDS - (clock.monotonic() - began)))
        self._threads.pop(name, None)

    def _begin(self, name: str, work: Callable[[str], None]) -> None:
        def run() -> None:
            try:
                work(name)
            except BaseException as bug:
                self.bug = bug

        self._threads[name] = threading.Thread(target=run, name=f"top-{name}", daemon=True)
        self._threads[name].start()

    def _ask_alerts(self, host: Host, heard: float) -> Alerted:
        with hosts_of(self._workspace).reach(host) as runner:
            found = ask_alerts(runner, str(host.name))
        alerts = tuple(
            AlertSeen(
                tenant=item.tenant,
                layer=item.layer,
                told=item.told and heard - (found.clock - item.told),
            )
            for item in found.alerts
        )
        own = (item for item in found.silences if not item.host)
        silenced = {item.tenant: heard + (item.until - found.clock) for item in own}
        return Alerted(alerts=alerts, silenced=silenced)
