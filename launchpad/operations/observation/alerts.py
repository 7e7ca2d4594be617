"""alerts: the problems that hosts send to people, silences, and test messages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from launchpad.errors import LaunchpadError
from launchpad.fleet.model.peers import others_after
from launchpad.operations.requests.asking import ask
from launchpad.operations.requests.reaching import hosts_of
from launchpad.operations.requests.scope import scope_of
from launchpad.runner.wire.alert_bodies import Alerts, KnownAlert, Silence, Silenced, Tell, WaitingMessages
from launchpad.ssh.fanout import fanout
from launchpad.workspace import Runner, Workspace

TELL_SECONDS = 400
Answer = TypeVar("Answer")


@dataclass(frozen=True, kw_only=True)
class HostAlerts:
    """The alerts of one host."""

    host: str
    clock: float
    """The host's, in seconds since 1970."""
    destinations: tuple[str, ...]
    alerts: tuple[KnownAlert, ...]
    silences: tuple[Silence, ...]
    waiting: tuple[WaitingMessages, ...]

    def as_json(self) -> dict[str, Any]:
        own = {"host": self.host, "clock": self.clock, "destinations": list(self.destinations)}
        parts = (("alerts", self.alerts), ("silences", self.silences), ("waiting", self.waiting))
        return own | {name: [item.plain() for item in items] for name, items in parts}


def alerts(workspace: Workspace, names: Sequence[str] = ()) -> dict[str, HostAlerts | LaunchpadError]:
    """Host → its alerts, or its error; for the named hosts and the hosts of the named tenants, or for all hosts. A
    named tenant's host reports the alerts of that tenant and of the host itself."""
    scope = scope_of(workspace.fleet.load(), names)
    wanted = {str(tenant.name) for tenant in scope.tenants}

    def look(runner: Runner, name: str) -> HostAlerts:
        found = ask_alerts(runner, name)
        concerned = [item for item in found.alerts if not item.tenant or not names or item.tenant in wanted]
        return replace(found, alerts=tuple(concerned))

    return _each(workspace, names, look)


def ask_alerts(runner: Runner, name: str) -> HostAlerts:
    """Every alert of one host."""
    said = ask(runner, Alerts())
    return HostAlerts(
        host=name,
        clock=said.clock,
        destinations=tuple(item.name for item in said.destinations),
        alerts=said.alerts,
        silences=said.silences,
        waiting=said.waiting,
    )


def silence(workspace: Workspace, name: str, *, seconds: int, why: str = "") -> dict[str, int | LaunchpadError]:
    """Host → the number of its silences; after no alert is sent for the tenant, or for the host and all tenants on the
    host, for so long. 0 seconds end the silence. `history` shows the silence. For a host, the other host that looks at
    it from outside is silent about it too."""
    fleet = workspace.fleet.load()
    tenant = name if any(str(item) == name for item in fleet.tenants) else ""
    others = () if tenant else others_after(fleet.hosts, name)[-1:]

    def put(runner: Runner, host: str) -> int:
        asked = Silenced(tenant=tenant, seconds=seconds, why=why, host=name if host in others else "")
        return len(ask(runner, asked).silences)

    return _each(workspace, [name, *others], put)


def try_alerts(workspace: Workspace, names: Sequence[str] = ()) -> dict[str, dict[str, str] | LaunchpadError]:
    """Host → alert destination → why the test message was not delivered; an empty text when it was."""

    def send(runner: Runner, _name: str) -> dict[str, str]:
        return dict(ask(runner, Tell(), seconds=TELL_SECONDS).destinations)

    return _each(workspace, names, send)


def _each(
    workspace: Workspace, names: Sequence[str], work: Callable[[Runner, str], Answer]
) -> dict[str, Answer | LaunchpadError]:
    hosts = {str(host.name): host for host in scope_of(workspace.fleet.load(), names).hosts}

    def reach(name: str) -> Answer:
        with hosts_of(workspace).reach(hosts[name]) as runner:
            return work(runner, name)

    return fanout(hosts, reach, threads=workspace.settings.parallel)
