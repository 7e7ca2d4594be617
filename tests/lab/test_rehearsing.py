"""An upgrade that is rehearsed on another real host: what runs there meanwhile, and that nothing of it stays there.

What stays is asked of that host's own disk, Docker and network, never of Launchpad.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from labkit import Host, Lab

from tests.lab.disasters import Breakpoint, reboot, until
from tests.lab.pair import second_host
from tests.lab.test_upgrade import CRASHES, MIGRATES, mark, serves, written
from tests.lab.world import Done, World, write

LEFT = r"""
find /srv/launchpad/tenants /run/launchpad -mindepth 1 -path /run/launchpad/locks -prune -o -name '*alice*' -print
btrfs subvolume list /srv/launchpad | grep alice
docker ps -aq --filter label=launchpad.release
docker network ls --format '{{.Name}}' | grep alice
ip -o link show | grep -o 'lp-c[0-9]*'
systemctl list-units --all --plain --no-legend '*alice*'
true
"""
SETTLE_SECONDS = 180


@dataclass
class Pair:
    """Where alice lives, in whose workspace it all happens, and where her upgrades are rehearsed."""

    world: World
    drill: Host
    there: Breakpoint

    def left(self) -> str:
        """All that there is of her on the other host."""
        return self.drill.exec(["sh", "-c", LEFT], timeout=60).stdout.strip()

    def upgrade(self, version: str, *words: str, check: bool = True) -> Done:
        more = ("--rehearse-on", "web-2", "--yes", "--soak", "2s", *words)
        return self.world.launchpad("upgrade", "alice", "--to", version, *more, check=check)

    def start(self, version: str) -> subprocess.Popen[str]:
        return self.world.start("upgrade", "alice", "--to", version, "--rehearse-on", "web-2", "--yes", "--soak", "2s")

    def kept(self) -> list[str]:
        """Why each generation is on her own host."""
        found = json.loads(self.world.launchpad("--json", "generations", "alice").out)["generations"]
        return [item["why"] for item in found]


@pytest.fixture(scope="module")
def pair(lab: Lab, snapshot: tuple[str, Path], world: World) -> Iterator[Pair]:
    write(world.root / "inventory/apps/beacon.yaml", timings={"start": "15s", "steady": "2s", "stop": "5s"})
    with second_host(lab, snapshot, world, "drill") as drill:
        hosts = world.root / "inventory/hosts.yaml"
        known = yaml.safe_load(hosts.read_text())
        hosts.write_text(yaml.safe_dump(known | {"web-1": known["web-1"] | {"drill_host": "web-2"}}))
        for host in ("web-1", "web-2"):
            world.launchpad("provision", host, timeout=600)
        world.add_tenant("alice")
        world.launchpad("secret", "set", "alice", "STORE_PASSWORD", stdin="her store's data was made with it")
        world.deploy("alice")
        world.wait_for("alice")
        there = Breakpoint(drill)
        there.install()
        yield Pair(world, drill, there)


def test_what_fails_on_the_drill_host_is_refused_and_she_never_noticed(
    pair: Pair, measured: Callable[..., None]
) -> None:
    mark(pair.world, "before")
    started = pair.world.host.exec(["docker", "ps", "--format", "{{.ID}} {{.CreatedAt}}"]).stdout
    done = pair.upgrade(CRASHES, check=False)
    assert done.code == 6, done.out + done.err
    assert "alice: the rehearsal on web-2 failed, and nothing was changed: in the rehearsal, beacon 1.3.0: " in done.err
    assert pair.world.host.exec(["docker", "ps", "--format", "{{.ID}} {{.CreatedAt}}"]).stdout == started
    assert (serves(pair.world), written(pair.world), pair.kept()) == (("1.0.0", "before"), "1.0.0", [])
    assert pair.left() == ""
    measured("rehearsed-elsewhere-wrong", 0, n=1, detail="a version that crashes")


@pytest.mark.parametrize(("when", "fault"), [("begun", "killed"), ("applied", "rebooted")])
def test_the_drill_host_dies_in_the_middle(pair: Pair, when: str, fault: str, measured: Callable[..., None]) -> None:
    mark(pair.world, fault)
    pair.there.ask("rehearse", when)
    operator = pair.start(MIGRATES)
    try:
        process = pair.there.wait(operator)
        assert pair.left() != "", "nothing was there: the test proves nothing"
        assert (
            "/srv/launchpad/tenants/alice/generations"
            in pair.drill.exec(["sh", "-c", "find /srv/launchpad/tenants/alice -maxdepth 1"]).stdout
        )
        pair.there.forget()
        if fault == "rebooted":
            reboot(pair.drill, "")
        else:
            pair.drill.exec(["kill", "-KILL", process])
        operator.communicate(timeout=SETTLE_SECONDS)
    finally:
        operator.kill()
        pair.there.forget()
    pair.drill.settle()
    until(lambda: pair.left() == "", "nothing of her is left there", seconds=SETTLE_SECONDS)
    assert operator.returncode, "it went on without its rehearsal"
    assert (serves(pair.world), written(pair.world)) == (("1.0.0", fault), "1.0.0")
    measured("rehearsed-elsewhere-wrong", 0, n=1, detail=f"the drill host is {fault}")


def test_the_operator_dies_in_the_middle(pair: Pair, measured: Callable[..., None]) -> None:
    pair.there.ask("rehearse", "begun")
    operator = pair.start(MIGRATES)
    process = pair.there.wait(operator)
    operator.kill()
    operator.communicate(timeout=60)
    pair.there.forget()
    pair.drill.exec(["kill", "-KILL", process])
    until(lambda: pair.left() == "", "nothing of her is left there", seconds=SETTLE_SECONDS)
    assert serves(pair.world)[0] == "1.0.0"
    measured("rehearsed-elsewhere-wrong", 0, n=1, detail="the operator is killed")


def test_what_goes_well_there_is_done_here_without_another_rehearsal(
    pair: Pair, measured: Callable[..., None], say: Callable[[str], None]
) -> None:
    mark(pair.world, "on 1.0.0")
    begun = time.monotonic()
    done = pair.upgrade(MIGRATES)
    say(done.err)
    assert "rehearsed on web-2 (as requested):" in done.err
    assert "no rows were lost" in done.err or "was ready on a clone of the data" in done.err
    assert (serves(pair.world), written(pair.world)) == ((MIGRATES, "on 1.0.0"), MIGRATES)
    assert pair.left() == ""
    assert pair.kept() == ["upgrade"], "the rehearsal's own generation stays"
    steps = pair.world.launchpad("history", "alice", "--steps").out
    assert "rehearse the release on a clone of the data" not in steps.partition("rehearse-here")[0]
    measured("rehearsed-elsewhere-wrong", 0, n=1, detail="undisturbed")
    say(f"rehearsed elsewhere and upgraded in {time.monotonic() - begun:.0f} s")
