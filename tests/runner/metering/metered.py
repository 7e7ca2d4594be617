"""A host with a tenant whose kernel counters a test sets."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from launchpad.runner import paths
from launchpad.runner.account import Account
from launchpad.runner.host import Container
from launchpad.runner.metering.meter import Meter, Room
from tests.memory.data import File
from tests.runner.verbs.view import MemoryView

GIB = 1 << 30
HOUR = 3600.0
BEGIN = 500_000 * HOUR
"""The beginning of an hour: 2027-01-15T08:00Z."""
V1 = "11:memory:{0}\n8:cpu,cpuacct:{0}\n1:name=systemd:{0}\n0::{0}\n"
V2 = "0::/system.slice/docker-{0}.scope\n"
CPU_STAT = """usage_usec {0}
user_usec 3128456
system_usec 2249865
core_sched.force_idle_usec 0
nr_periods 1042
nr_throttled 3
throttled_usec 120938
nr_bursts 0
burst_usec 0
"""
"""As Debian 13's kernel 6.12 writes it."""


def prometheus(name: str) -> str:
    """One of Prometheus' own programs."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    return found or pytest.fail(
        f"{name} is missing; scripts/test has it fetched (launchpad_prometheus of scripts/setup)"
    )


@dataclass
class Metered:
    """`look` is a look of the check of the room, a minute after the last one."""

    host: MemoryView = field(default_factory=lambda: MemoryView(clock=BEGIN))
    containers: dict[str, Container] = field(default_factory=dict)
    rooms: dict[str, Room] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """The watch's process begins."""
        self.account = Account(self.host, ("room",))
        self.meter = Meter(self.host, self.account)

    def tenant(self, name: str = "alice", *, slot: int = 7, disk: int = GIB, memory: int = GIB // 2) -> None:
        self.rooms[name] = Room(slot=slot, disk=disk, memory=memory, memory_limit=GIB)

    def run(self, service: str = "web", *, tenant: str = "alice", cpu: float, started: str = "1", pid: int = 41) -> str:
        """The container runs since then, and has used so much CPU."""
        name = f"lp-{tenant}-a-{service}-1"
        self.containers[name] = Container(
            name=name, tenant=tenant, service=service, side="a", release="r", image="i", state="running",
            started_at=started, exit_code=0, oom_killed=False, address="", process=pid,
        )  # fmt: skip
        self.put(f"/proc/{pid}/cgroup", V1.format("/docker/c0ffee"))
        self.put("/sys/fs/cgroup/cpu,cpuacct/docker/c0ffee/cpuacct.usage", f"{cpu * 1e9:.0f}\n")
        return name

    def bridge(self, *, received: int, sent: int, number: int = 5, slot: int = 7) -> None:
        folder = f"/sys/devices/virtual/net/lp-{slot}"
        self.put(f"{folder}/ifindex", f"{number}\n")
        self.put(f"{folder}/statistics/tx_bytes", f"{received}\n")
        self.put(f"{folder}/statistics/rx_bytes", f"{sent}\n")

    def put(self, path: str, text: str) -> None:
        self.host.files[path] = File(text.encode())

    def look(self, *, after: float = 60.0) -> None:
        self.host.clock += after
        if self.meter.is_due():
            self.meter.look(list(self.containers.values()), self.rooms)

    def written(self) -> list[str]:
        """The months that have a file."""
        return [name for name in self.host.names(paths.USAGE) if name != "meter.json"]
