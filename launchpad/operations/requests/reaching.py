"""The workspace's connections to its hosts, for every operation that needs one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from launchpad.errors import StateError
from launchpad.fleet.model.host import Host
from launchpad.workspace import Hosts, Runner, Workspace


def hosts_of(workspace: Workspace) -> Hosts:
    """The connections to the hosts; StateError for a workspace that was opened without them."""
    if workspace.hosts is None:
        raise StateError(
            "this workspace has no connection to its hosts",
            code="no-connection-to-hosts",
            hint="open the workspace with hosts: Workspace.open(hosts=…)",
        )
    return workspace.hosts


@contextmanager
def kept_open(workspace: Workspace) -> Iterator[Workspace]:
    """Give the same workspace, whose connections stay open from one request to the next until the block ends, because a
    new connection needs more round trips than a request."""
    with ExitStack() as ends:
        yield replace(workspace, hosts=_KeptOpen(hosts_of(workspace), ends))


class _KeptOpen:
    """Connections that stay open; threads may share them. A connection with a failure is not used again."""

    def __init__(self, hosts: Hosts, ends: ExitStack) -> None:
        self._hosts = hosts
        self._idle: dict[str, tuple[ExitStack, Runner]] = {}
        ends.callback(self._close)

    @contextmanager
    def reach(self, host: Host) -> Iterator[Runner]:
        name = str(host.name)
        idle: tuple[ExitStack, Runner] | None = self._idle.pop(name, None)
        opened, runner = idle or self._open(host)
        with opened:
            yield runner
            kept = opened.pop_all()
        if self._idle.setdefault(name, (kept, runner))[0] is not kept:
            kept.close()

    def _open(self, host: Host) -> tuple[ExitStack, Runner]:
        opened = ExitStack()
        return opened, opened.enter_context(self._hosts.reach(host))

    def _close(self) -> None:
        for opened, _ in [*self._idle.values()]:  # a thread may still give one back
            opened.close()
