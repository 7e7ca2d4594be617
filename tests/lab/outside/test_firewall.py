"""A1. Another hand opens the packet filter while a tenant floods what is closed to it: judged by what arrives."""

from __future__ import annotations

import os
import re
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
import yaml

from tests.lab.cells import Cell, outside
from tests.lab.flood import Flood, flooded
from tests.lab.world import World
from tests.tally import Tally, tallied

EVIDENCE = "LAUNCHPAD_EVIDENCE" in os.environ
MOST_SECONDS = 2.0
WATCH = "launchpad-watch.service"
TABLE = "inet launchpad"
ACCOUNT = "/run/launchpad/watch.json"
COMPARING = "/etc/systemd/system/launchpad-watch.service.d/lab.conf"
"""Has the watch run as it does where the kernel lets nobody own a table."""
_COMPARING = """
import os, sys
sys.path.insert(0, os.path.dirname(os.path.realpath("/usr/local/sbin/launchpad-runner")))
from launchpad.runner.machine import nftables
nftables.FLAGS = "flags no-such-flag;"
from launchpad.runner.__main__ import main
main(["watch"])
"""


@dataclass(frozen=True)
class Way:
    """How somebody opens the firewall, as root on the host."""

    does: str
    mode: str = "owned"
    """owned, compared (the watch may not own the table), killed or hung (just before)."""
    quick: bool = False
    passes: bool = True
    """Whether anything may pass at all."""


FILE = "/etc/launchpad/firewall.nft"
ANOTHER = r"sed '/chain tenant/,$ s/drop/accept/' " + FILE + " > /root/open.nft"
WAYS = {
    "the whole ruleset is flushed": Way("nft flush ruleset", quick=True, passes=False),
    "the table is deleted": Way(f"nft delete table {TABLE}", quick=True, passes=False),
    "the table is destroyed": Way(f"nft destroy table {TABLE}", passes=False),
    "a chain is flushed": Way(f"nft flush chain {TABLE} tenant", passes=False),
    "an accept comes first": Way(f"nft insert rule {TABLE} tenant accept", passes=False),
    "one element goes from a set": Way(f"nft delete element {TABLE} internal '{{ 10.0.0.0/8 }}'", passes=False),
    "the table sleeps": Way(f"nft 'add table {TABLE} {{ flags dormant; }}'", passes=False),
    "Debian's nftables starts": Way("systemctl restart nftables", passes=False),
    "another file is loaded": Way(f"{ANOTHER} && nft -f /root/open.nft"),
    "the file is changed and loaded": Way(
        f"{ANOTHER} && cp /root/open.nft {FILE} && systemctl reload launchpad-firewall"
    ),
    "its unit is stopped": Way("systemctl stop launchpad-firewall"),
    "Docker is restarted after a flush of its rules": Way("iptables -F; iptables -t nat -F; systemctl restart docker"),
    "compared: the ruleset is flushed": Way("nft flush ruleset", "compared"),
    "compared: the table is deleted": Way(f"nft delete table {TABLE}", "compared"),
    "compared: a chain is flushed": Way(f"nft flush chain {TABLE} tenant", "compared"),
    "compared: an accept comes first": Way(f"nft insert rule {TABLE} tenant accept", "compared", quick=True),
    "compared: a policy is changed": Way(
        f"nft add chain {TABLE} input '{{ policy accept; }}'; nft flush chain {TABLE} input", "compared"
    ),
    "compared: one element goes from a set": Way(f"nft delete element {TABLE} internal '{{ 10.0.0.0/8 }}'", "compared"),
    "compared: Debian's nftables starts": Way("systemctl restart nftables", "compared"),
    "the watch is killed, the ruleset flushed": Way("nft flush ruleset", "killed", quick=True),
    "the watch is killed, the table deleted": Way(f"nft delete table {TABLE}", "killed"),
    "the watch hangs, the ruleset is flushed": Way("nft flush ruleset", "hung", passes=False),
    "the watch hangs, the unit is reloaded": Way(
        "systemctl reload launchpad-firewall", "hung", quick=True, passes=False
    ),
}


@pytest.fixture(scope="module")
def holds(request: pytest.FixtureRequest) -> Iterator[Tally]:
    with tallied("outside-a1", request) as tally:
        yield tally


@dataclass
class Scene:
    world: World
    flood: Flood
    stack: ExitStack

    def sh(self, words: str, *, check: bool = False) -> str:
        return self.world.host.exec(["sh", "-c", words], check=check).stdout.strip()

    def watched(self, mode: str = "owned") -> None:
        """The watch runs in that mode, and the firewall is as it should be."""
        if mode == "compared":
            self.sh(f"mkdir -p {COMPARING.rpartition('/')[0]}")
            self.world.host.write("/root/comparing.py", _COMPARING)
            self.world.host.write(
                COMPARING, "[Service]\nExecStart=\nExecStart=/usr/bin/python3 -I /root/comparing.py\n"
            )
        else:
            self.sh(f"rm -f {COMPARING}")
        self.sh(
            "systemctl daemon-reload; systemctl start launchpad-firewall;"
            f"systemctl stop {WATCH}; rm -f {ACCOUNT}; systemctl start {WATCH}",
            check=True,
        )
        ready = f'"owned": {str(mode == "owned").lower()}'
        until(lambda: ready in self.sh(f"cat {ACCOUNT}") and self.whole(), f"the watch has the firewall, {mode}")

    def whole(self) -> bool:
        nat = self.sh("nft list table ip nat")
        gate = self.sh("nft list chain inet launchpad_gate forward")
        return "lp-1" in nat and "@mail" in gate and "chain tenant" in self.sh(f"nft list table {TABLE}")


def until(true: Callable[[], bool], what: str, *, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def scene(world: World) -> Iterator[Scene]:
    for name in ("alice", "bob"):
        world.add_tenant(name)
        world.deploy(name)
        world.wait_for(name)
    with ExitStack() as stack:
        yield Scene(world, _begin(world, stack), stack)


def _begin(world: World, stack: ExitStack) -> Flood:
    slot = yaml.safe_load((world.root / "inventory/tenants/alice.yaml").read_text())["slot"]
    stack.enter_context(outside(world.host))
    return stack.enter_context(flooded(Cell.of(world, "alice"), Cell.of(world, "bob"), slot))


def test_the_judge_sees_what_passes(scene: Scene, holds: Tally) -> None:
    """The control: with nobody watching and no firewall everything arrives, at each of the six places."""
    begun = time.monotonic()
    time.sleep(1)
    holds("nothing passes at first", not scene.flood.arrived(since=begun))
    holds("the world is reached", scene.flood.arrived(since=begun, world=True))
    scene.sh(f"systemctl stop {WATCH} launchpad-firewall; nft flush ruleset")
    begun = time.monotonic()
    time.sleep(1)
    places = {item.place for item in scene.flood.arrived(since=begun)}
    rate = len(scene.flood.arrived(since=begun))
    scene.sh("systemctl start launchpad-firewall")
    holds("with no firewall all six places are reached", len(places) == 6, places)
    print(f"the flood: {rate} packets in a second at {len(places)} places")
    scene.watched()


SECONDS: dict[str, float] = {}


@pytest.mark.parametrize("name", [name for name, way in WAYS.items() if EVIDENCE or way.quick])
def test_what_is_opened_is_closed_again(scene: Scene, holds: Tally, measured: Callable[..., None], name: str) -> None:
    way = WAYS[name]
    scene.watched("compared" if way.mode == "compared" else "owned")
    scene.flood.forget()
    if way.mode == "killed":
        scene.sh(f"systemctl kill --signal=KILL {WATCH}")
    if way.mode == "hung":
        scene.sh(f"systemctl kill --signal=STOP --kill-whom=main {WATCH}")
    opened = time.monotonic()
    scene.sh(way.does)
    if way.mode == "hung":
        time.sleep(1)
        scene.sh(f"systemctl kill --signal=CONT --kill-whom=main {WATCH}")
    passed = scene.flood.quiet(since=opened)
    if way.mode == "killed":  # from when systemd has it back
        back = int(scene.sh(f"systemctl show --property=ActiveEnterTimestampMonotonic --value {WATCH}")) / 1e6
        opened = max(opened, back)
    seconds = max([0.0, *(item.at - opened for item in passed)])
    SECONDS[name] = seconds
    measured("opened-seconds", round(seconds, 2), n=1, detail=f"{name}: {len(passed)} packets")
    if not way.passes:
        measured("opened-packets", len(passed), n=1, detail=name)
        holds(f"{name}: nothing passes", not passed, passed[:3])
    holds(f"{name}: closed within {MOST_SECONDS:g} s", seconds <= MOST_SECONDS, seconds)
    until(scene.whole, f"{name}: all is back")
    since = time.monotonic()
    until(lambda: bool(scene.flood.arrived(since=since, world=True)), "the world is reached")
    senders = {item.sender for item in scene.flood.arrived(since=since, world=True)}
    holds(f"{name}: NAT works", senders == {"192.0.2.1"}, senders)
    print(f"{name}: {seconds:.2f} s, {len(passed)} packets; {scene.sh('tail -n 3 /var/lib/launchpad/watch.jsonl')}")


@pytest.mark.parametrize("watch", ["hangs", "runs", "is dead"] if EVIDENCE else ["hangs"])
def test_the_unit_does_what_it_is_told(scene: Scene, holds: Tally, watch: str) -> None:
    for doing in ("reload", "restart", "stop"):
        scene.watched()
        if watch == "hangs":
            scene.sh(f"systemctl kill --signal=STOP --kill-whom=main {WATCH}")
        if watch == "is dead":
            scene.sh(f"systemctl stop {WATCH}")
        begun = time.monotonic()
        said = scene.world.host.exec(["systemctl", doing, "launchpad-firewall"], check=False)
        seconds = time.monotonic() - begun
        there = "chain tenant" in scene.sh(f"nft list table {TABLE}")
        holds(f"the watch {watch}: {doing} succeeds soon", said.status == 0 and seconds < 10, (said, seconds))
        if watch == "is dead":
            holds(f"the watch {watch}: {doing} does it", there == (doing != "stop"), there)
    scene.sh("systemctl start launchpad-firewall")
    scene.watched()


def test_history_and_status_name_who_opened_it(scene: Scene, holds: Tally) -> None:
    scene.watched("compared")
    scene.sh(f"nft flush chain {TABLE} tenant")
    until(scene.whole, "it is back")
    said = "chain tenant was changed"
    until(lambda: said in status(scene), "status names it")
    history = scene.world.launchpad("--json", "history").out
    holds(
        "history names the process", re.search(rf"nft, process \d+ changed the firewall \({said}\)", history), history
    )
    told = status(scene)
    holds("status says that this host's table is compared", "checks Launchpad's nftables table" in told, told)
    scene.watched()
    told = status(scene)
    holds("status says that this host's table is owned", "owns Launchpad's nftables table" in told, told)


def status(scene: Scene) -> str:
    """What a person reads: the table, and the sentences below it."""
    done = scene.world.launchpad("status", "web-1", check=False)
    return done.out + done.err


def test_the_reboot_opens_nothing(scene: Scene, holds: Tally, measured: Callable[..., None]) -> None:
    if not EVIDENCE:
        pytest.skip("minutes: scripts/evidence asks it")
    for how in ("reboot", "the ruleset is flushed and the power cut"):
        scene.watched()
        scene.stack.close()
        if how == "reboot":
            scene.world.host.exec(["systemctl", "stop", WATCH])
            scene.sh("nft flush ruleset")
        else:
            scene.sh("nft flush ruleset")
        scene.world.host.power_off_hard()
        scene.world.host.start()
        scene.world.host.settle()
        scene.world.wait_for("alice")
        scene.flood = _begin(scene.world, scene.stack)
        opened = time.monotonic()
        passed = scene.flood.quiet(since=opened, seconds=3)
        seconds = max([0.0, *(item.at - opened for item in passed)])
        measured("opened-seconds", round(seconds, 2), n=1, detail=f"{how}: {len(passed)} packets")
        holds(f"{how}: closed", not passed, passed[:3])


def test_how_long(measured: Callable[..., None]) -> None:
    """The table, and its median."""
    if not SECONDS:
        pytest.skip("nothing was opened")
    lines = [f"  {seconds:5.2f} s  {name}" for name, seconds in SECONDS.items()]
    print("\n".join([f"\nopen for (median {statistics.median(SECONDS.values()):.2f} s):", *lines]))
    measured("opened-median-seconds", round(statistics.median(SECONDS.values()), 2), n=len(SECONDS))
