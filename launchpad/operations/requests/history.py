"""history: past operations, read from the hosts' journals, and the changes that the hosts' watches made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from launchpad.errors import LaunchpadError
from launchpad.fleet.model.host import Host
from launchpad.journal.entries import ByItself, Entry, entry_of, newest_first
from launchpad.operations.requests.asking import ask
from launchpad.operations.requests.reaching import hosts_of
from launchpad.operations.requests.scope import scope_of
from launchpad.runner.wire.operation_bodies import ReadHistory
from launchpad.ssh.fanout import fanout
from launchpad.workspace import Workspace

MOST = 50


@dataclass(frozen=True, kw_only=True)
class History:
    """The entries of the hosts that answered, newest first, their watches' changes, and the other hosts' errors."""

    entries: tuple[Entry, ...]
    by_itself: tuple[ByItself, ...]
    unreachable: dict[str, LaunchpadError]
    answered: bool
    """Whether a host answered."""

    def newest(self, limit: int) -> list[Entry | ByItself]:
        """Entries and watch changes together, newest first, at most that many."""
        both: list[Entry | ByItself] = [*self.entries, *self.by_itself]
        return sorted(both, key=lambda item: item.at, reverse=True)[:limit]

    def as_json(self) -> dict[str, Any]:
        return {
            "operations": [entry.as_json() for entry in self.entries],
            "watch": [item.as_json() for item in self.by_itself],
            "unreachable": {host: error.as_dict() for host, error in self.unreachable.items()},
        }


def history(workspace: Workspace, names: Sequence[str] = (), *, limit: int = MOST) -> History:
    """The newest operations on the named tenants and hosts, or on all, and the watches' changes; at most `limit` of
    each. A tenant's former hosts are not asked: name such a host."""
    fleet = workspace.fleet.load()
    scope = scope_of(fleet, names)
    hosts = {str(host.name): host for host in scope.hosts}

    def look(name: str) -> tuple[list[Entry], list[ByItself]]:
        named = [str(tenant.name) for tenant in scope.tenants if tenant.host == name]
        return _ask(workspace, hosts[name], limit=limit, tenants=() if name in scope.whole_hosts else named)

    results = fanout(hosts, look, threads=workspace.settings.parallel)
    found = [result for result in results.values() if not isinstance(result, LaunchpadError)]
    by_itself = sorted((item for _, items in found for item in items), key=lambda item: item.at, reverse=True)
    return History(
        entries=tuple(newest_first(entry for entries, _ in found for entry in entries)[:limit]),
        by_itself=tuple(by_itself[:limit]),
        unreachable={name: result for name, result in results.items() if isinstance(result, LaunchpadError)},
        answered=bool(found),
    )


def read_journal(
    workspace: Workspace, host: Host, *, limit: int = MOST, tenants: Sequence[str] = (), identifier: str | None = None
) -> list[Entry]:
    """The newest operations of one host, or of each of these tenants on the host, or the operation with that id."""
    return _ask(workspace, host, limit=limit, tenants=tenants, identifier=identifier)[0]


def _ask(
    workspace: Workspace, host: Host, *, limit: int, tenants: Sequence[str] = (), identifier: str | None = None
) -> tuple[list[Entry], list[ByItself]]:
    """Ask for the operations of the host, or of each of these tenants on the host."""
    entries: list[Entry] = []
    by_itself: list[ByItself] = []
    name = str(host.name)
    with hosts_of(workspace).reach(host) as runner:
        for tenant in tenants or (None,):
            said = ask(runner, ReadHistory(tenant=tenant, id=identifier, limit=limit))
            entries += [entry_of(item, host=name) for item in said.operations]
            by_itself += [ByItself(host=name, **item.plain()) for item in said.watch]
    return entries, by_itself
