"""history: what was done, read from the hosts' own journals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from launchpad.errors import LaunchpadError
from launchpad.fleet.host import Host
from launchpad.journal import Entry, entry_from_json, newest_first
from launchpad.operations.reaching import hosts_of
from launchpad.operations.scope import scope_of
from launchpad.ssh.fanout import fanout
from launchpad.workspace import Workspace

MOST = 50


@dataclass(frozen=True, kw_only=True)
class History:
    """Entries of all the hosts that answered, newest first, and why the others did not."""

    entries: tuple[Entry, ...]
    unreachable: dict[str, LaunchpadError]

    def as_json(self) -> dict[str, Any]:
        return {
            "operations": [entry.as_json() for entry in self.entries],
            "unreachable": {host: error.as_dict() for host, error in self.unreachable.items()},
        }


def history(workspace: Workspace, names: Sequence[str] = (), *, limit: int = MOST) -> History:
    """The newest operations on the named tenants and hosts, or on all; at most `limit`. A tenant's hosts of the past
    are not asked: name the host for those."""
    fleet = workspace.fleet.load()
    scope = scope_of(fleet, names)
    hosts = {str(host.name): host for host in scope.hosts}

    def ask(name: str) -> list[Entry]:
        named = [str(tenant.name) for tenant in scope.tenants if tenant.host == name]
        return read_journal(workspace, hosts[name], limit=limit, tenants=() if name in scope.whole_hosts else named)

    results = fanout(hosts, ask, threads=workspace.settings.parallel)
    found = [entry for result in results.values() if not isinstance(result, LaunchpadError) for entry in result]
    return History(
        entries=tuple(newest_first(found)[:limit]),
        unreachable={name: result for name, result in results.items() if isinstance(result, LaunchpadError)},
    )


def read_journal(
    workspace: Workspace, host: Host, *, limit: int = MOST, tenants: Sequence[str] = (), identifier: str | None = None
) -> list[Entry]:
    """The newest operations of one host, or of each of these tenants there, or the one with that id."""
    found: list[Entry] = []
    with hosts_of(workspace).reach(host) as runner:
        for tenant in tenants or (None,):
            reply = runner.ask("history", {"tenant": tenant, "id": identifier, "limit": limit})
            found += [entry_from_json(entry, host=str(host.name)) for entry in reply.get("operations") or ()]
    return found
