"""usage: disk and memory use of hosts, by tenant and image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from launchpad.errors import LaunchpadError
from launchpad.operations.requests.reaching import hosts_of
from launchpad.operations.requests.scope import scope_of
from launchpad.ssh.fanout import fanout
from launchpad.workspace import Workspace

Usage = dict[str, Any]
"""The usage as the host's runner reports it."""


def usage(workspace: Workspace, names: Sequence[str] = ()) -> dict[str, Usage | LaunchpadError]:
    """Host → its usage; for the named hosts and the hosts of the named tenants, or for all hosts."""
    hosts = {str(host.name): host for host in scope_of(workspace.fleet.load(), names).hosts}

    def ask(name: str) -> Usage:
        with hosts_of(workspace).reach(hosts[name]) as runner:
            return runner.ask("usage", {})

    return fanout(hosts, ask, threads=workspace.settings.parallel)
