"""Two real hosts between which a tenant goes."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from labkit import Host, Lab

from tests.lab.disasters import Breakpoint
from tests.lab.world import Answer, World, label

MOVE_SECONDS = 300


def call(host: Host, name: str) -> None:
    """Give a host another name: its snapshot is of a host that is called web-1 already."""
    host.exec(["sed", "-i", f's/"host":"web-1"/"host":"{name}"/', "/etc/launchpad/settings.json"])


@contextmanager
def second_host(lab: Lab, snapshot: tuple[str, Path], world: World, role: str) -> Iterator[Host]:
    """Another host of the same snapshot, which the inventory calls web-2; `provision` makes it so."""
    name = f"{world.host.name}-{role}"
    host = lab.up(name, source=label(snapshot[0]), keep_keys=True, fresh=True)
    host.settle()
    call(host, "web-2")
    hosts = world.root / "inventory/hosts.yaml"
    known = yaml.safe_load(hosts.read_text())
    second = {"address": host.address, "fingerprints": [host.fingerprint]}
    hosts.write_text(yaml.safe_dump(known | {"web-2": known["web-1"] | second}))
    yield host
    if not os.environ.get("LAUNCHPAD_KEEP"):
        lab.down(name)


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
