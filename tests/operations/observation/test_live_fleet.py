"""`top` asks each host by itself, over connections that stay open: a slow or dead host delays and hides nobody."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from launchpad.errors import InventoryError
from launchpad.fleet.keeping.workspace_files import replace_file
from launchpad.fleet.model.host import Host
from launchpad.operations.observation import live_fleet
from launchpad.operations.observation.fleet_health import fleet_health
from launchpad.operations.observation.live_fleet import LiveFleet
from launchpad.operations.requests.reaching import kept_open
from launchpad.plan.overview import OverviewRow
from launchpad.runner.account import RUN_PROVISION, Account, Finding
from launchpad.workspace import Workspace
from tests.memory.fleet import FleetHosts, MemoryFleet, memory_fleet

SECONDS = 10


@pytest.fixture
def fleet(tmp_path: Path) -> MemoryFleet:
    return memory_fleet(tmp_path, {"alice": "web-1", "bob": "web-1", "carol": "web-2"})


def by_name(live: LiveFleet) -> dict[str, OverviewRow]:
    return {row.name: row for row in live.rows()}


def wait_until(holds: Callable[[], bool]) -> None:
    waiting = threading.Event()
    for _ in range(SECONDS * 100):
        if holds():
            return
        waiting.wait(0.01)
    raise AssertionError("it never held")


def test_it_reads_the_account_of_health(fleet: MemoryFleet) -> None:
    web_1 = fleet.hosts["web-1"]
    firewall = Finding("firewall", "the table launchpad was changed", RUN_PROVISION, since=web_1.clock)
    Account(web_1, ["firewall"]).see("firewall", [firewall], {})
    workspace = fleet.workspace()
    live = LiveFleet(workspace)
    assert [(row.name, row.state) for row in live.rows()] == [("web-1", "asked"), ("web-2", "asked")]
    for name in ("web-1", "web-2"):
        live.look(name)
    known = {(item.host, item.tenant): item.wrong for item in fleet_health(workspace).each}
    assert {row.key: row.health.wrong for row in live.rows()} == known
    assert known["web-1", ""][0].hint == "launchpad provision web-1"


def test_a_look_is_one_request_over_a_connection_that_stays(fleet: MemoryFleet) -> None:
    opened: list[str] = []

    class Counted(FleetHosts):
        @contextmanager
        def reach(self, host: Host) -> Iterator[Any]:
            opened.append(str(host.name))
            with super().reach(host) as runner:
                yield runner

    asked: list[str] = []
    workspace = replace(fleet.workspace(), hosts=Counted(fleet.hosts, asked=asked))
    with kept_open(workspace) as kept:
        live = LiveFleet(kept)
        for turn in range(4):
            live.look("web-1", alerts=turn == 0)
    assert opened == ["web-1"]
    assert asked == ["observe", "alerts", "observe", "observe", "observe"]


def test_a_host_that_goes_silent_keeps_its_rows_and_comes_back(fleet: MemoryFleet) -> None:
    live = LiveFleet(fleet.workspace())
    live.look("web-1")
    before = by_name(live)
    fleet.hosts["web-1"].dead = True
    live.look("web-1")
    after = by_name(live)
    assert after["alice"] == before["alice"] and after["web-1"].state == "no answer"
    assert "no route to host" in after["web-1"].problem
    fleet.hosts["web-1"].dead = False
    live.look("web-1")
    assert by_name(live)["web-1"].state == "host"


def test_only_what_was_named_has_rows(fleet: MemoryFleet) -> None:
    live = LiveFleet(fleet.workspace(), ["alice"])
    live.look("web-1")
    assert [*by_name(live)] == ["web-1", "alice"]
    live.look("web-2")
    assert "carol" not in by_name(live), "a host that nobody named"
    with pytest.raises(InventoryError):
        LiveFleet(fleet.workspace(), ["nobody"])


def test_a_slow_host_delays_no_other_and_a_broken_inventory_hides_nothing(
    fleet: MemoryFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("EVERY_SECONDS", "INVENTORY_SECONDS", "SHORTEST_SECONDS"):
        monkeypatch.setattr(live_fleet, name, 0.02)
    gate = threading.Event()

    class Slow(FleetHosts):
        @contextmanager
        def reach(self, host: Host) -> Iterator[Any]:
            if host.name == "web-2" and not gate.wait(SECONDS):
                raise TimeoutError("everybody waited for web-2")
            with super().reach(host) as runner:
                yield runner

    live = LiveFleet(replace(fleet.workspace(), hosts=Slow(fleet.hosts)))
    live.start()
    try:
        wait_until(lambda: "alice" in by_name(live))
        seen = live.changes
        wait_until(lambda: live.changes > seen + 3)
        assert by_name(live)["web-2"].state == "asked"
        gate.set()
        wait_until(lambda: "carol" in by_name(live))
        file = fleet.root / "inventory/hosts.yaml"
        whole = file.read_bytes()
        replace_file(file, b"web-1: [")
        wait_until(lambda: live.problem is not None)
        assert {"alice", "carol"} <= by_name(live).keys()
        replace_file(file, whole)
        wait_until(lambda: live.problem is None)
    finally:
        gate.set()
        live.stop()
    assert live.bug is None


def test_a_host_that_joins_the_inventory_appears_and_one_that_leaves_goes(
    fleet: MemoryFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("EVERY_SECONDS", "INVENTORY_SECONDS", "SHORTEST_SECONDS"):
        monkeypatch.setattr(live_fleet, name, 0.02)
    carol = fleet.root / "inventory/tenants/carol.yaml"
    hosts = fleet.root / "inventory/hosts.yaml"
    with_carol, both = carol.read_bytes(), hosts.read_bytes()
    first = both[: both.index(b"web-2:")]
    carol.unlink()
    replace_file(hosts, first)
    live = LiveFleet(fleet.workspace())
    live.start()
    try:
        wait_until(lambda: "alice" in by_name(live))
        assert "web-2" not in by_name(live)
        replace_file(hosts, both)
        replace_file(carol, with_carol)
        wait_until(lambda: "carol" in by_name(live))
        carol.unlink()
        replace_file(hosts, first)
        wait_until(lambda: "web-2" not in by_name(live))
    finally:
        live.stop()
    assert live.bug is None


def test_a_bug_of_a_thread_is_kept_for_the_view(fleet: MemoryFleet) -> None:
    class Broken(FleetHosts):
        def reach(self, host: Host) -> Any:
            raise ZeroDivisionError(host.name)

    workspace: Workspace = replace(fleet.workspace(), hosts=Broken(fleet.hosts))
    live = LiveFleet(workspace)
    live.start()
    wait_until(lambda: live.bug is not None)
    live.stop()
    assert isinstance(live.bug, ZeroDivisionError)
