"""Connections that stay open: one to a host, however often it is asked, and none behind the block's end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from launchpad.errors import HostError
from launchpad.operations.requests.reaching import hosts_of, kept_open
from launchpad.workspace import Workspace
from tests.operations.two_hosts import a_place


class Counted:
    """A way to hosts that knows which connections are open."""

    def __init__(self) -> None:
        self.opened: list[str] = []
        self.open: list[str] = []

    @contextmanager
    def reach(self, host: Any) -> Iterator[Any]:
        name = str(host.name)
        self.opened.append(name)
        self.open.append(name)
        try:
            yield f"{name} {len(self.opened)}"
        finally:
            self.open.remove(name)


@pytest.fixture
def counted(tmp_path: Path) -> tuple[Workspace, Counted]:
    hosts = Counted()
    return replace(a_place(tmp_path / "fleet").workspace, hosts=hosts), hosts


def test_a_host_is_connected_to_once(counted: tuple[Workspace, Counted]) -> None:
    workspace, hosts = counted
    with kept_open(workspace) as kept:
        for name in ("web-1", "web-2", "web-1", "web-1"):
            with hosts_of(kept).reach(kept.fleet.load().host(name)) as runner:
                assert str(runner).startswith(name)
        assert hosts.opened == hosts.open == ["web-1", "web-2"]
    assert hosts.open == []


def test_two_at_once_have_a_connection_each(counted: tuple[Workspace, Counted]) -> None:
    workspace, hosts = counted
    host = workspace.fleet.load().host("web-1")
    with kept_open(workspace) as kept:
        with hosts_of(kept).reach(host) as one, hosts_of(kept).reach(host) as other:
            assert one != other
        assert hosts.open == ["web-1"]
    assert hosts.open == []


def test_one_that_failed_is_not_used_again(counted: tuple[Workspace, Counted]) -> None:
    workspace, hosts = counted
    host = workspace.fleet.load().host("web-1")
    with kept_open(workspace) as kept:
        with pytest.raises(HostError), hosts_of(kept).reach(host):
            raise HostError("web-1: the connection broke")
        assert hosts.open == []
        with hosts_of(kept).reach(host):
            pass
        assert hosts.opened == ["web-1", "web-1"]


def test_a_move_connects_to_each_host_once(tmp_path: Path) -> None:
    place = a_place(tmp_path / "fleet")
    before = place.hosts.connections
    place.move()
    assert place.hosts.connections - before == 2
