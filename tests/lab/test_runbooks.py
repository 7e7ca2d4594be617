"""The first thing that a runbook has people type shows the fault, on a real host that has the fault."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests.lab.world import World
from tests.test_runbooks import ON_HOST, page

DATA = "/srv/launchpad/tenants/{}/data/marker"
NO_WATCH = "systemctl stop launchpad-watch"
WATCH = "systemctl start launchpad-watch"
DOCKER = "docker.socket docker.service"


@dataclass(frozen=True)
class Fault:
    """What goes wrong on the host, how it is made good, and what the page and the command both show of it."""

    does: str
    undoes: str
    shows: str
    seconds: float = 90
    """Until the host has seen it: the watch looks each half minute."""


FAULTS = {
    "tenant-ready": Fault(
        "docker top lp-alice-a-web-1 -eo pid | tail -n +2 | xargs kill -STOP",
        "docker top lp-alice-a-web-1 -eo pid | tail -n +2 | xargs kill -CONT",
        "unknown: alice: ",
    ),
    "tenant-data": Fault(
        f"head -c 4G /dev/zero > {DATA.format('alice')}/fill; sync -f {DATA.format('alice')}; true",
        f"rm {DATA.format('alice')}/fill; sync -f {DATA.format('alice')}",
        "alice's data fills its quota of ",
    ),
    "tenant-process": Fault(
        "until [ -e /srv/launchpad/tenants/alice/breaker.json ]; do docker kill lp-alice-a-web-1; sleep 0.5; done",
        "true",
        "alice died again and again until the watch gave up: ",
    ),
    "host-docker": Fault(
        f"systemctl mask --runtime --quiet docker.service; systemctl stop {DOCKER}",
        f"systemctl unmask --runtime --quiet docker.service; systemctl start {DOCKER}",
        "1. Docker does not answer (docker.service is inactive)",
    ),
    "host-caddy": Fault(
        f"{NO_WATCH}; docker stop launchpad-caddy",
        f"docker start launchpad-caddy; {WATCH}",
        "1. Caddy does not answer: no visitor reaches any tenant",
    ),
    "host-firewall": Fault(
        f"{NO_WATCH}; nft delete table inet launchpad_gate",
        WATCH,
        "1. the firewall is not as Launchpad made it: the traffic gate was changed by hand",
    ),
    "host-clock": Fault(
        "systemctl stop chrony",
        "systemctl start chrony",
        "1. nothing keeps the host's clock right: certificates, tokens and signatures fail at a wrong time",
    ),
    "host-resolver": Fault(
        "cp /etc/resolv.conf /root/; echo nameserver 10.77.0.250 > /etc/resolv.conf",
        "cat /root/resolv.conf > /etc/resolv.conf",
        "1. no name server answers (",
    ),
    "host-units": Fault(
        "systemd-run --quiet --unit=broken false",
        "systemctl reset-failed broken",
        "web-1 units: failed units: ",
    ),
    "host-disk": Fault(
        "set -- $(df --block-size=1 --output=avail,size /srv/launchpad | tail -n 1); "
        "fallocate -l $(($1 - $2 / 20)) /srv/launchpad/fill; sync -f /srv/launchpad",
        "rm /srv/launchpad/fill; sync -f /srv/launchpad",
        "MiB are free for tenants' data",
    ),
    "host-settings": Fault(
        "cp -p /etc/apt/apt.conf.d/52launchpad /root/; echo >> /etc/apt/apt.conf.d/52launchpad",
        "cp -p /root/52launchpad /etc/apt/apt.conf.d/",
        "enable automatic security updates",
    ),
    "host-reboot": Fault(
        "touch /run/reboot-required; echo linux-image-amd64 > /run/reboot-required.pkgs",
        "rm /run/reboot-required /run/reboot-required.pkgs",
        "1. an update waits for a reboot (linux-image-amd64)",
    ),
    "host-watch": Fault(NO_WATCH, WATCH, "web-1: not watched (since ", seconds=150),
}

QUICK = ("tenant-process", "tenant-data", "host-docker", "host-settings")
"""So many at every run of the lab's tests; all of them take twenty minutes."""
PLAYED = tuple(FAULTS) if "LAUNCHPAD_EVIDENCE" in os.environ else QUICK


@pytest.fixture(scope="module", autouse=True)
def tenant(world: World) -> None:
    world.host.write("/etc/chrony/conf.d/lab.conf", "local stratum 8\n")  # the lab has no time server
    world.host.exec(["systemctl", "restart", "chrony"])
    world.add_tenant("alice")
    world.deploy("alice")
    world.wait_for("alice")


def first_look(name: str) -> str:
    """The page's first command."""
    part = page(name).partition("## Look\n")[2]
    return next(line.strip() for line in part.splitlines() if line.startswith("    "))


def looked(world: World, command: str) -> str:
    """All that the command prints."""
    if command.startswith(ON_HOST):
        return world.host.exec(["sh", "-c", command.removeprefix(ON_HOST)], check=False).stdout
    done = world.launchpad(*command.split()[1:], check=False)
    return done.out + done.err


@contextmanager
def having(world: World, fault: Fault) -> Iterator[None]:
    world.host.exec(["sh", "-c", fault.does])
    try:
        yield
    finally:
        world.host.exec(["sh", "-c", fault.undoes])


@pytest.mark.parametrize("name", PLAYED)
def test_the_first_look_shows_the_fault(world: World, say: Callable[[str], None], name: str) -> None:
    fault, command = FAULTS[name], first_look(name)
    assert fault.shows in page(name)
    assert fault.shows not in looked(world, command), "before the fault"
    with having(world, fault):
        end, last = time.monotonic() + fault.seconds, ""
        while fault.shows not in last:
            assert time.monotonic() < end, f"{command}\n{last}"
            last = looked(world, command)
    shown = next(line for line in last.splitlines() if fault.shows in line)
    say(f"{name}: {command}\n    {shown.strip()}")
    if name == "tenant-process":
        world.launchpad("start", "alice")
