"""A2: a process that dies while nobody tells Docker, and a Docker that a power cut left unable to start. Judged by the
kernel's processes and by HTTP from outside."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator

import pytest

from launchpad.runner.reviving import NETWORKS
from tests.lab.world import World, write
from tests.tally import Tally, tallied

CADDY = "launchpad-caddy"
WEB, STORE = "lp-alice-a-web-1", "lp-alice-a-store-1"


@pytest.fixture(scope="module")
def holds(request: pytest.FixtureRequest) -> Iterator[Tally]:
    with tallied("outside-a2", request) as tally:
        yield tally


@pytest.fixture(scope="module", autouse=True)
def tenants(world: World) -> None:
    # Docker waits in vain for a process that is gone, as long as for one that stops: a minute here, and 10 s for Caddy.
    write(world.root / "inventory/apps/beacon.yaml", timings={"start": "30s", "steady": "2s", "stop": "60s"})
    for name in ("alice", "bob"):
        world.add_tenant(name)
        world.deploy(name)


def process(world: World, container: str) -> int:
    """The first process of the container as the kernel has it: 0 when there is none, whatever Docker says."""
    said = world.host.exec(["docker", "inspect", "-f", "{{.State.Pid}} {{.Id}}", container], check=False).stdout.split()
    if len(said) != 2:
        return 0
    groups = world.host.exec(["cat", f"/proc/{said[0]}/cgroup"], check=False).stdout
    return int(said[0]) if said[1] in groups else 0


def until(true: Callable[[], bool], *, seconds: float) -> float:
    """How long it took; more than the seconds when it did not come."""
    begun = time.monotonic()
    while not true() and time.monotonic() - begun < seconds:
        time.sleep(0.2)
    return time.monotonic() - begun


def kill_unnoticed(world: World, *containers: str) -> list[int]:
    """Kill the containers' first processes while containerd is away, so that Docker never hears of it."""
    processes = [process(world, name) for name in containers]
    words = " ".join(map(str, processes))
    world.host.exec(["sh", "-c", f"pkill -9 -x containerd; kill -9 {words}"])
    return processes


def done_by_watch(world: World) -> list[str]:
    return [item["message"] for item in world.launchpad("--json", "history").json_document["watch"]]


def answers(world: World, name: str = "alice") -> bool:
    try:
        return world.get(name, "/startupz", timeout=5).status == 200
    except OSError:
        return False


EVIDENCE = pytest.mark.skipif("LAUNCHPAD_EVIDENCE" not in os.environ, reason="minutes: scripts/evidence asks it")


@pytest.mark.parametrize(
    "containers",
    [
        pytest.param((CADDY,), id="caddy", marks=EVIDENCE),
        pytest.param((WEB,), id="an app", marks=EVIDENCE),
        pytest.param((CADDY, WEB, STORE), id="caddy and a whole tenant"),
    ],
)
def test_who_dies_while_containerd_is_away_is_back_by_itself(
    world: World, holds: Tally, containers: tuple[str, ...]
) -> None:
    neighbour = world.containers("bob")
    killed = kill_unnoticed(world, *containers)
    took = until(
        lambda: all(process(world, name) not in (0, *killed) for name in containers) and answers(world), seconds=60
    )
    print(f"\n{', '.join(containers)}: back {took:.1f} s after the kill")
    holds(f"{', '.join(containers)} killed while containerd was away: back", took < 60, f"{took:.0f} s")
    holds(f"{', '.join(containers)}: the neighbour was not touched", world.containers("bob") == neighbour)
    took = until(lambda: any("the watch restarted" in message for message in done_by_watch(world)), seconds=15)
    holds(f"{', '.join(containers)}: history has it", took < 15, str(done_by_watch(world)))


@EVIDENCE
def test_what_a_hand_stopped_or_removed_is_back_by_itself(world: World, holds: Tally) -> None:
    for words in (["docker", "stop", "-t", "1", CADDY], ["docker", "rm", "-f", CADDY], ["docker", "rm", "-f", WEB]):
        world.host.exec(words)
        took = until(lambda: answers(world), seconds=60)
        holds(f"{' '.join(words)}: alice answers again", took < 60, f"{took:.0f} s")


@EVIDENCE
def test_provision_restarts_what_does_not_work_without_the_watch(world: World, holds: Tally) -> None:
    """The watch is stopped, so that provision alone can help; Docker is frozen, and Caddy's process is gone."""
    world.host.exec(["systemctl", "stop", "launchpad-watch.service"])
    kill_unnoticed(world, CADDY)
    holds("the control: nobody is served", not answers(world))
    world.host.exec(["systemctl", "kill", "-s", "STOP", "--kill-whom=main", "docker.service"])
    world.launchpad("provision", "web-1", timeout=300)
    holds("after provision Caddy's process lives", process(world, CADDY) > 0)
    world.wait_for("alice")
    holds("after provision alice is served", answers(world))
    active = world.host.exec(["systemctl", "is-active", "launchpad-watch.service", "docker.service"], check=False)
    holds("the watch and Docker run", active.stdout.split() == ["active", "active"], active.stdout)
    checked = world.launchpad("status", "--check", check=False)
    holds("status --check exits 0", checked.code == 0, checked.out + checked.err)


@EVIDENCE
def test_deploy_starts_an_app_whose_death_docker_did_not_notice(world: World, holds: Tally) -> None:
    world.host.exec(["systemctl", "stop", "launchpad-watch.service"])
    try:
        (old,) = kill_unnoticed(world, WEB)
        until(lambda: world.host.exec(["docker", "ps"], check=False).stdout.count("lp-bob") > 0, seconds=20)
        told = json.loads(world.launchpad("--json", "status", check=False).out)
        alice = next(item for item in told["tenants"] if item["tenant"] == "alice")
        holds("status does not believe Docker", not alice["good"], str(alice["drift"]))
        world.deploy("alice")
        holds("a deploy starts it", process(world, WEB) not in (0, old))
        world.wait_for("alice")
        holds("it serves", answers(world))
    finally:
        world.host.exec(["systemctl", "start", "launchpad-watch.service"])


def leave_half_a_network(world: World) -> None:
    """What a power cut leaves that comes while Docker writes its networks down: their bridges are taken, and nobody
    knows the networks. (The file's pages have no checksum.) Nothing of a tenant's runs, as after a cut."""
    processes = "processes=$(docker inspect -f '{{.State.Pid}}' $(docker ps -q))"
    off = "systemctl stop launchpad-watch.service docker.service docker.socket; kill -9 $processes"
    half = f"sed -i 's#v1.0/network/#v1.0/netw0rk/#g' {NETWORKS}; grep -q v1.0/netw0rk/ {NETWORKS}; sync"
    world.host.exec(["sh", "-ec", f"{processes}; {off}; {half}; systemctl start launchpad-watch.service"])


def ended_for_it(world: World) -> bool:
    said = world.host.exec(["journalctl", "--boot", "--unit=docker.service", "--output=cat"], check=False).stdout
    return "networks have same bridge name" in said


def cut_the_power(world: World) -> None:
    world.host.power_off_hard()
    world.host.start()


def start_docker(world: World) -> None:
    world.host.exec(["systemctl", "start", "docker.service"], check=False)


def provision_without_the_watch(world: World) -> None:
    world.host.exec(["systemctl", "stop", "launchpad-watch.service"])
    start_docker(world)
    world.launchpad("provision", "web-1", timeout=300)


@pytest.mark.parametrize(
    ("then", "who"),
    [
        pytest.param(cut_the_power, {"boot", "watch"}, id="at the boot"),
        pytest.param(start_docker, {"watch"}, id="while the watch watches", marks=EVIDENCE),
        pytest.param(provision_without_the_watch, {"provision"}, id="by a provision", marks=EVIDENCE),
    ],
)
def test_a_docker_that_a_power_cut_left_unable_to_start_is_back(
    world: World, holds: Tally, then: Callable[[World], None], who: set[str]
) -> None:
    known = len(revivals(world))
    world.host.exec(["docker", "network", "create", "somebody-elses"])
    leave_half_a_network(world)
    then(world)
    what = f"Docker's record is cut, {then.__name__}"
    took = until(lambda: answers(world, "alice") and answers(world, "bob"), seconds=120)
    print(f"\n{what}: everybody is served {took:.1f} s later")
    holds(f"{what}: the control: Docker ended for it", ended_for_it(world))
    holds(f"{what}: both tenants are served", took < 120, f"{took:.0f} s")
    names = world.host.exec(["docker", "network", "ls", "--format", "{{.Name}}"]).stdout.split()
    holds(f"{what}: their networks are back", {"lp-alice", "lp-bob"} <= set(names), str(names))
    holds(f"{what}: Caddy's process lives", process(world, CADDY) > 0)
    revived = revivals(world)
    holds(f"{what}: history has it once, and by whom", len(revived) == known + 1 and revived[0] in who, str(revived))
    world.host.exec(["test", "-f", f"{NETWORKS}.set-aside-by-launchpad"])
    took = until(lambda: world.launchpad("status", "--check", check=False).code == 0, seconds=60)
    holds(f"{what}: status --check exits 0", took < 60, world.launchpad("status", check=False).out)


def revivals(world: World) -> list[str]:
    """Who had Docker back, the newest first."""
    done = world.launchpad("--json", "history").json_document["watch"]
    return [item["who"] for item in done if item["subject"] == "docker" and "the same bridge" in item["message"]]
