"""usage: who has the room of hosts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from launchpad.errors import LaunchpadError
from launchpad.operations.requests.reaching import hosts_of
from launchpad.operations.requests.scope import scope_of
from launchpad.ssh.fanout import fanout
from launchpad.workspace import Workspace

Usage = dict[str, Any]
"""As the host's runner says it."""


def usage(workspace: Workspace, names: Sequence[str] = ()) -> dict[str, Usage | LaunchpadError]:
    """Host → who has its room, of the named ones and those of the named tenants, or of all."""
    hosts = {str(host.name): host for host in scope_of(workspace.fleet.load(), names).hosts}

    def ask(name: str) -> Usage:
        with hosts_of(workspace).reach(hosts[name]) as runner:
            return runner.ask("usage", {})

    return fanout(hosts, ask, threads=workspace.settings.parallel)
