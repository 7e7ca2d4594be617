"""usage: disk and memory use of hosts, by tenant and image."""

from __future__ import annotations

from collections.abc import Sequence

from launchpad.errors import LaunchpadError
from launchpad.operations.requests.asking import ask
from launchpad.operations.requests.reaching import hosts_of
from launchpad.operations.requests.scope import scope_of
from launchpad.runner.wire.host_bodies import Usage, UsageReply
from launchpad.ssh.fanout import fanout
from launchpad.workspace import Workspace


def usage(workspace: Workspace, names: Sequence[str] = ()) -> dict[str, UsageReply | LaunchpadError]:
    """Host → its usage; for the named hosts and the hosts of the named tenants, or for all hosts."""
    hosts = {str(host.name): host for host in scope_of(workspace.fleet.load(), names).hosts}

    def look(name: str) -> UsageReply:
        with hosts_of(workspace).reach(hosts[name]) as runner:
            return ask(runner, Usage())

    return fanout(hosts, look, threads=workspace.settings.parallel)
