"""`logs -f` of many tenants on several real hosts: nothing lost, nothing twice, in order, over a cut and a reboot.

The truth is what Docker itself kept. scripts/test has 3 tenants on 2 hosts; scripts/evidence 20 on 4, one of which
floods.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from labkit import Host, Lab

from tests.lab.pair import second_host
from tests.lab.world import World, write

pytestmark = pytest.mark.timeout(1500)  # the first test deploys twenty tenants on a machine that may be busy
EVIDENCE = bool(os.environ.get("LAUNCHPAD_EVIDENCE"))
TENANTS, HOSTS = (20, 4) if EVIDENCE else (3, 2)
COUNT = """
import sys, time
begin = int(sys.argv[1])
with open("/proc/1/fd/1", "w", buffering=1) as log:
    for number in range(begin, begin + int(sys.argv[2])):
        log.write(f"count {number}\\n")
        time.sleep(0.02)
"""
HELLO = "open('/proc/1/fd/1', 'w').write('hello\\n')"
FLOOD = """
with open("/proc/1/fd/1", "w") as log:
    while True:
        log.write("flood " + "x" * 90 + "\\n")
"""
KILL_SSHD = "pkill -KILL -u launchpad sshd || pkill -KILL -f 'sshd.*launchpad'"


@dataclass
class Follower:
    """`logs --all -f`, and what it printed."""

    world: World
    lines: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._process = self.world.start("logs", "--all", "-f", "-n", "0", "--service", "web", "--json")
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(json.loads(line))

    def begin(self, crowd: Crowd) -> None:
        """Wait until every tenant is followed."""
        for tenant in crowd.where:
            end = time.monotonic() + 60
            while not self.of(tenant, "hello"):
                assert self._process.poll() is None, self._process.communicate()
                assert time.monotonic() < end, (tenant, self.lines[-3:])
                crowd.write(tenant, HELLO)
                time.sleep(0.5)

    def of(self, tenant: str, word: str = "count") -> list[str]:
        return [item["text"] for item in self.lines if item["tenant"] == tenant and item["text"].startswith(word)]

    def gaps(self, tenant: str) -> list[dict[str, Any]]:
        return [item for item in self.lines if item["tenant"] == tenant and "after" in item]

    def end(self) -> str:
        self._process.send_signal(signal.SIGINT)
        assert self._process.wait(20) == 130
        self._thread.join(20)
        return self._process.stderr.read() if self._process.stderr else ""


@dataclass
class Crowd:
    """Tenants on several hosts."""

    world: World
    hosts: dict[str, Host]
    where: dict[str, str]

    def write(self, tenant: str, program: str, *words: object) -> None:
        """Have a program in the tenant's container write into its log, and come back at once."""
        name = f"lp-{tenant}-a-web-1"
        argv = ["docker", "exec", "-d", name, "python3", "-c", program, *map(str, words)]
        self.hosts[self.where[tenant]].exec(argv)

    def runs(self, tenant: str) -> bool:
        argv = ["docker", "exec", f"lp-{tenant}-a-web-1", "true"]
        return self.hosts[self.where[tenant]].exec(argv, check=False).status == 0

    def truth(self, tenant: str) -> list[str]:
        """What the tenant's container counted, by Docker."""
        said = self.hosts[self.where[tenant]].exec(["docker", "logs", f"lp-{tenant}-a-web-1"]).stdout
        return [line for line in said.splitlines() if line.startswith("count")]


@pytest.fixture(scope="module")
def crowd(lab: Lab, snapshot: tuple[str, Path], world: World) -> Iterator[Crowd]:
    hosts = {"web-1": world.host}
    tier = {"memory": "128MiB", "cpus": 0.5, "pids": 64, "disk": "64MiB"}
    write(world.root / "inventory/tiers.yaml", light=tier, loud=tier | {"log": {"size": "1MiB", "files": 2}})
    with ExitStack() as ends:
        for number in range(2, HOSTS + 1):
            hosts[f"web-{number}"] = one_more(lab, snapshot, world, number, ends)
        names = [f"t{number:02}" for number in range(TENANTS)]
        where = {name: f"web-{index % HOSTS + 1}" for index, name in enumerate(names)}
        for name in names:
            world.add_tenant(name, tier="loud" if name == "t00" else "light")
            world.set_tenant(name, host=where[name])
        world.launchpad("apply", "--yes", timeout=1200)
        yield Crowd(world, hosts, where)


def one_more(lab: Lab, snapshot: tuple[str, Path], world: World, number: int, ends: ExitStack) -> Host:
    """Another host as web-NUMBER; each is made as web-2."""
    path = world.root / "inventory/hosts.yaml"
    before = yaml.safe_load(path.read_text())
    host = ends.enter_context(second_host(lab, snapshot, world, f"n{number}"))
    made = yaml.safe_load(path.read_text())["web-2"]
    path.write_text(yaml.safe_dump(before | {f"web-{number}": made}))
    host.exec(["sed", "-i", f's/"host":"web-2"/"host":"web-{number}"/', "/etc/launchpad/settings.json"])
    return host


def eventually(true: Callable[[], bool], what: str, *, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.1)


def test_no_line_is_lost_or_doubled_over_a_cut_and_a_reboot(crowd: Crowd, measured: Callable[..., None]) -> None:
    follower = Follower(crowd.world)
    number, tenants, last = 250, list(crowd.where), f"web-{HOSTS}"
    follower.begin(crowd)
    for tenant in tenants:
        crowd.write(tenant, COUNT, 1, number)
    eventually(lambda: len(follower.of("t00")) > 20, "lines come", seconds=30)
    crowd.hosts["web-1"].exec(["sh", "-c", KILL_SSHD])
    crowd.hosts[last].reboot()
    again = [name for name, host in crowd.where.items() if host == last]
    eventually(lambda: all(map(crowd.runs, again)), "the tenants run again", seconds=120)
    for tenant in again:
        crowd.write(tenant, COUNT, 1000, 50)
    done = {name: f"count {1049 if name in again else number}" for name in tenants}
    eventually(lambda: all(follower.of(name)[-1:] == [done[name]] for name in tenants), "the last lines", seconds=120)
    said = follower.end()
    assert "ended" not in said, said
    found = {name: follower.of(name) for name in tenants}
    truth = {name: crowd.truth(name) for name in tenants}
    lost = sum(len(set(truth[name]) - set(found[name])) for name in tenants)
    doubled = sum(len(found[name]) - len(set(found[name])) for name in tenants)
    assert found == truth, (lost, doubled)
    assert not any(follower.gaps(name) for name in tenants)
    measured(
        "ops-logs-lost", lost + doubled, n=sum(map(len, truth.values())), detail=f"{TENANTS} tenants, {HOSTS} hosts"
    )


@pytest.mark.skipif(not EVIDENCE, reason="a flood takes two minutes: scripts/evidence")
def test_a_flood_costs_its_neighbours_no_line_and_is_slowed_until_it_stops(
    crowd: Crowd, measured: Callable[..., None]
) -> None:
    host, tenants = crowd.hosts["web-1"], list(crowd.where)
    pid = int(host.exec(["cat", "/run/docker.pid"]).stdout)

    def cost(seconds: float) -> float:
        """How much of a core Docker's daemon takes."""
        used = [0.0, 0.0]
        for index in (0, 1):
            words = host.read(f"/proc/{pid}/stat").rpartition(") ")[2].split()
            used[index] = (int(words[11]) + int(words[12])) / 100
            time.sleep(seconds * (1 - index))
        return (used[1] - used[0]) / seconds

    follower = Follower(crowd.world)
    follower.begin(crowd)
    calm = cost(5)
    crowd.write("t00", FLOOD)
    loud = cost(8)
    for tenant in tenants[1:]:
        crowd.write(tenant, COUNT, 5000, 501)
    history = lambda: crowd.world.launchpad("history", "t00", "--json").out  # noqa: E731
    eventually(lambda: "floods its log" in history(), "the watch limits it", seconds=90)
    eventually(lambda: all(follower.of(name)[-1:] == ["count 5500"] for name in tenants[1:]), "the others", seconds=90)
    time.sleep(40)  # two more steps of the limit
    slowed = cost(8)
    host.exec(["pkill", "-f", "x. . 90"], check=False)
    eventually(lambda: "is over" in history(), "the limit is taken away", seconds=180)
    follower.end()
    truth = {name: [line for line in crowd.truth(name) if int(line.split()[1]) >= 5000] for name in tenants[1:]}
    lost = sum(len(set(truth[name]) ^ set(follower.of(name))) for name in tenants[1:])
    assert {name: follower.of(name) for name in tenants[1:]} == truth
    assert follower.gaps("t00"), "what was rotated away is shown"
    assert not any(follower.gaps(name) for name in tenants[1:])
    detail = f"dockerd: calm {calm:.1%}, flood {loud:.1%}, slowed {slowed:.1%}"
    measured("ops-logs-flood-neighbours", lost, n=sum(map(len, truth.values())), detail=detail)
    measured("ops-logs-flood-dockerd", round(100 * slowed, 1), n=1, detail=detail)
    assert slowed < loud / 2, detail
