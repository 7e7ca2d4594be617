"""The workspace's way to its hosts, for every operation that needs one."""

from __future__ import annotations

from launchpad.errors import StateError
from launchpad.workspace import Hosts, Workspace


def hosts_of(workspace: Workspace) -> Hosts:
    """The way to the hosts; StateError for a workspace that was opened without one."""
    if workspace.hosts is None:
        raise StateError("this workspace has no way to its hosts", hint="open it with one: Workspace.open(hosts=…)")
    return workspace.hosts
