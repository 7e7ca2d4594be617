"""A tenant moves between two real hosts, under visitors, and with its old host rebooted or dead at a step.

Who runs it is asked of both Dockers the whole time; what a visitor gets is asked at the old address and at the new one.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from labkit import Host, Lab

from tests.lab.disasters import Breakpoint, reboot
from tests.lab.visitors import row, visiting
from tests.lab.world import Answer, World, label, write

TENANT = "/srv/launchpad/tenants/{}"
MOVE_SECONDS = 300
SILENT_SECONDS = 28.0
"""To stop, to carry what changed, and to start: a request waits no longer."""


@dataclass
class Pair:
    """The old host, in whose workspace it all happens, and the new one."""

    world: World
    new: Host
    old_at: Breakpoint
    seen: list[int] = field(default_factory=list)

    @property
    def old(self) -> Host:
        return self.world.host

    def add(self, name: str, *, tier: str = "light") -> None:
        """A tenant on the old host, with something in its data."""
        self.world.add_tenant(name, tier=tier)
        self.world.deploy(name)
        self.world.wait_for(name)
        self.world.request(name, "POST", "/marker", body=f"{name} was here".encode())

    def get_from(self, host: Host, name: str, path: str = "/") -> Answer:
        """What a visitor gets whose resolver says that the name is this host."""
        connection = http.client.HTTPConnection(self.world.domain(name))
        with self.tls(host, name) as stream:
            connection.sock = stream
            connection.request("GET", path, headers={"Connection": "close"})
            response = connection.getresponse()
            return Answer(response.status, response.read(), dict(response.getheaders()))

    def tls(self, host: Host, name: str) -> Any:
        plain = socket.create_connection((host.address, 443), timeout=30)
        return self.world.trust.wrap_socket(plain, server_hostname=self.world.domain(name))

    def certificate(self, host: Host, name: str) -> str:
        with self.tls(host, name) as stream:
            return str(stream.getpeercert()["serialNumber"])

    def running_on(self, name: str) -> list[str]:
        """The hosts on which a container of the tenant's runs, by Docker."""
        words = ["docker", "ps", "-q", "--filter", f"label=launchpad.tenant={name}"]
        found = []
        for host in (self.old, self.new):
            with suppress(Exception):  # one that is off runs nothing
                if host.exec(words, timeout=10).stdout.strip():
                    found.append(host.name)
        return found

    @contextmanager
    def counting(self, name: str) -> Iterator[list[int]]:
        """On how many hosts it ran, again and again until the block ends."""
        over, counts = threading.Event(), [0]

        def count() -> None:
            while not over.is_set():
                counts.append(len(self.running_on(name)))
                over.wait(0.2)

        thread = threading.Thread(target=count)
        thread.start()
        try:
            yield counts
        finally:
            over.set()
            thread.join()

    def move(self, name: str) -> Any:
        return self.world.launchpad(*command(name), timeout=MOVE_SECONDS).json

    def start(self, name: str) -> subprocess.Popen[str]:
        return self.world.start(*command(name))


def command(name: str) -> tuple[str, ...]:
    return ("--json", "move", name, "--to", "web-2", "--yes")


@pytest.fixture(scope="module")
def pair(lab: Lab, snapshot: tuple[str, Path], world: World) -> Iterator[Pair]:
    name = f"{world.host.name}-new"
    new = lab.up(name, source=label(snapshot[0]), keep_keys=True, fresh=True)
    new.settle()
    # The snapshot is of a host that is called web-1 already.
    new.exec(["sed", "-i", 's/"host":"web-1"/"host":"web-2"/', "/etc/launchpad/settings.json"])
    hosts = world.root / "inventory/hosts.yaml"
    known = yaml.safe_load(hosts.read_text())
    second = {"address": new.address, "fingerprints": [new.fingerprint]}
    hosts.write_text(yaml.safe_dump(known | {"web-2": known["web-1"] | second}))
    # All who waited come at once, and beacon has a thread for each.
    crowd = {"memory": "512MiB", "cpus": 1, "pids": 512, "disk": "256MiB"}
    write(world.root / "inventory/tiers.yaml", crowd=crowd)
    write(world.root / "inventory/apps/beacon.yaml", timings={"start": "30s", "steady": "1s", "stop": "10s"})
    # The lab's authority signs with another root than its own directory has.
    roots = lab.ca_pem().read_text() + lab.acme_root_pem().read_text()
    (world.root / "acme-root.pem").write_text(roots)
    for host in ("web-1", "web-2"):
        world.launchpad("provision", host, timeout=600)
    old_at = Breakpoint(world.host)
    old_at.install()
    yield Pair(world, new, old_at)
    if not os.environ.get("LAUNCHPAD_KEEP"):
        lab.down(name)


def test_a_move_under_visitors(pair: Pair, measured: Callable[..., None], say: Callable[[str], None]) -> None:
    world = pair.world
    pair.add("alice", tier="crowd")
    serial = pair.certificate(pair.old, "alice")
    folder = f"{TENANT.format('alice')}/data/marker"
    script = f"head -c 30000000 /dev/urandom > {folder}/large && chown --reference={folder} {folder}/large"
    world.host.exec(["sh", "-c", script])
    large = f"sha256sum < {folder}/large"
    with visiting(world, "alice") as visitors, pair.counting("alice") as counts:
        time.sleep(2)
        moved = pair.move("alice")
        time.sleep(3)
    say("  ".join(row(visitors)))
    say(json.dumps(moved))
    assert max(counts) == 1 and pair.running_on("alice") == [pair.new.name]
    assert moved["outcome"] == "done" and moved["written"] and not moved["problems"]
    lost = [visit for visit in visitors.failures if (visit.asked.kind, visit.outcome) != ("WebSocket", "cut")]
    measured("moves-wrong", 0, n=1, detail="undisturbed")
    measured("move-silent-seconds", moved["silent_seconds"], n=1)
    measured("move-requests-lost", len(lost), n=len(visitors.visits))
    assert moved["silent_seconds"] < SILENT_SECONDS
    assert not lost, lost[:3]
    assert not visitors.repeated()
    assert visitors.standing.back, "no WebSocket came back"
    for host in (pair.old, pair.new):
        assert pair.get_from(host, "alice", "/marker").body.startswith(b"visit-")
        assert pair.certificate(host, "alice") == serial, "it is another certificate"
    assert pair.old.exec(["sh", "-c", large]).stdout == pair.new.exec(["sh", "-c", large]).stdout
    assert yaml.safe_load((world.root / "inventory/tenants/alice.yaml").read_text())["host"] == "web-2"
    assert world.deploy("alice")["outcome"] == "unchanged"


def test_the_old_host_remembers_over_a_reboot_and_lets_go_in_the_end(pair: Pair) -> None:
    world = pair.world
    pair.old.reboot()
    pair.old.settle()
    end = time.monotonic() + 60
    while True:
        with suppress(OSError):
            if pair.get_from(pair.old, "alice", "/marker").status == 200:
                break
        assert time.monotonic() < end, "the old host passes nothing on after a reboot"
        time.sleep(0.5)
    assert pair.running_on("alice") == [pair.new.name]
    said = world.launchpad("--json", "status", check=False).out
    assert '"moved"' in said and "launchpad move alice --finish" in said, said
    refused = world.launchpad("move", "alice", "--finish", check=False)
    assert refused.code == 4 and "does not lead to web-2" in refused.err
    world.launchpad("move", "alice", "--finish", "--yes")
    assert not pair.old.exists("/srv/launchpad/caddy/sites/alice.caddy")
    assert pair.old.exists(f"{TENANT.format('alice')}/data/marker/large"), "its data is not kept"
    world.launchpad("retire", "alice", "--host", "web-1", "--purge", "--yes")
    assert not pair.old.exists(f"{TENANT.format('alice')}/data")
    world.set_tenant("alice", host="web-1")  # somebody's checkout of before
    refused = world.launchpad("deploy", "alice", check=False)
    assert refused.code == 4 and "left this host for web-2" in refused.err, refused.err
    world.set_tenant("alice", host="web-2")


DEPART = (
    "put-forward", "hold-traffic", "stop-side", "take-generation", "record", "entomb", "commit", "clear-secrets",
)  # fmt: skip
DECIDING = ("entomb", "commit")
"""What happens between their beginning and their end decides whose the tenant is."""
CELLS = [(step, "begun") for step in DEPART] + [(step, "applied") for step in DECIDING]
FAULTS = ("rebooted", "dead for a while")
QUICK = [("entomb", "applied", "rebooted")]


def cells() -> list[tuple[str, str, str]]:
    if os.environ.get("LAUNCHPAD_EVIDENCE"):
        return [(step, when, fault) for step, when in CELLS for fault in FAULTS]
    return QUICK


@pytest.mark.parametrize(("step", "when", "fault"), cells())
def test_the_old_host_dies_at_a_step(
    pair: Pair, step: str, when: str, fault: str, measured: Callable[..., None]
) -> None:
    """Whoever moves it types the command again; at the end it runs on just one host, and never did on two."""
    name = f"t-{step}-{when}-{fault[:4]}"[:30].rstrip("-")
    pair.add(name)
    wrong = 1
    try:
        with pair.counting(name) as counts:
            pair.old_at.ask(step, when)
            operator = pair.start(name)
            pair.old_at.wait(operator)
            if fault == "rebooted":
                reboot(pair.old, "")
            else:
                pair.old.power_off_hard()
                operator.terminate()
                time.sleep(5)
                counts.append(len(pair.running_on(name)))
                pair.old.start()
            operator.terminate()
            operator.communicate(timeout=60)
            pair.old.settle()
            moved = again(pair, name)
            time.sleep(1)
        assert moved["outcome"] in ("done", "unchanged"), moved
        assert max(counts) == 1, f"it ran on {max(counts)} hosts at once"
        assert pair.running_on(name) == [pair.new.name]
        assert pair.get_from(pair.new, name, "/marker").body == f"{name} was here".encode()
        assert pair.get_from(pair.old, name, "/marker").body == f"{name} was here".encode()
        wrong = 0
    finally:
        measured("moves-wrong", wrong, n=1, detail=f"{step} {when}, {fault}")
        pair.old_at.forget()


def again(pair: Pair, name: str) -> Any:
    """The command, until nothing is in its way: a host that boots settles first what was going on."""
    end = time.monotonic() + 240
    while True:
        done = pair.world.launchpad(*command(name), check=False, timeout=MOVE_SECONDS)
        if done.code == 0 and not done.json["problems"]:
            return done.json
        assert time.monotonic() < end, f"{done.code}\n{done.out}\n{done.err}"
        time.sleep(2)


def test_a_new_host_that_cannot_start_it_gives_it_back(pair: Pair) -> None:
    """The image is there, and its port is taken by nobody; but the app's own start is made to fail by a full quota."""
    name = "erin"
    pair.add(name)
    pair.new.exec(["docker", "network", "create", "--subnet", taken(pair, name), "in-the-way"])
    try:
        done = pair.world.launchpad(*command(name), check=False, timeout=MOVE_SECONDS)
        assert done.code == 6, done.out + done.err
        assert pair.running_on(name) == []
        back = pair.world.launchpad("move", name, "--to", "web-2", "--back", "--yes")
        assert "is back on web-1" in back.out + back.err
        assert pair.running_on(name) == [pair.old.name]
        assert pair.world.wait_for(name, "/marker").body == f"{name} was here".encode()
    finally:
        pair.new.exec(["docker", "network", "rm", "in-the-way"])
    pair.move(name)
    assert pair.running_on(name) == [pair.new.name]


def taken(pair: Pair, name: str) -> str:
    """The subnet that the tenant's network would have."""
    from launchpad.runner import slots

    slot = yaml.safe_load((pair.world.root / f"inventory/tenants/{name}.yaml").read_text())["slot"]
    return str(slots.subnet(slot))
