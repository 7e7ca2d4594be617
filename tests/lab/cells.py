"""A tenant's container as its own program sees it, and a world outside the host for it to be kept from."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labkit import Host

from tests.lab.world import World

INSIDE = Path(__file__).with_name("inside.py").read_text()
PUBLIC = "9.9.9.9"
"""An address of the world that the host routes into a namespace of its own: no packet leaves the host."""
INTERNAL = {
    "10/8": "10.9.9.9",
    "172.16/12": "172.20.9.9",
    "192.168/16": "192.168.9.9",
    "100.64/10": "100.64.9.9",
    "198.18/15": "198.18.9.9",
    "the metadata address": "169.254.169.254",
}
OUTSIDE_PORTS = (53, 80, 443, 853, 8080)
_LISTENER = f"""
import select, socket
streams = []
for port in {OUTSIDE_PORTS}:
    streams.append(socket.create_server(("", port), backlog=128))
names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
names.bind(("{PUBLIC}", 53))
print("listening", flush=True)
while True:
    for ready in select.select([*streams, names], [], [])[0]:
        if ready is names:
            said, caller = names.recvfrom(512)
            names.sendto(said, caller)
        else:
            ready.accept()[0].close()
"""
_OUTSIDE = f"""
set -e
ip netns add outside
ip link add out0 type veth peer name eth0 netns outside
ip addr add 192.0.2.1/30 dev out0
ip link set out0 up
ip -n outside addr add 192.0.2.2/30 dev eth0
ip -n outside link set eth0 up
ip -n outside link set lo up
ip -n outside route add default via 192.0.2.1
for address in {PUBLIC} {" ".join(INTERNAL.values())}; do
    ip -n outside addr add "$address/32" dev lo
    ip route add "$address/32" via 192.0.2.2
done
"""


@dataclass(frozen=True)
class Cell:
    """One container of a tenant."""

    host: Host
    tenant: str
    container: str
    """Its full id."""
    pid: int
    """Of its first process, as the host counts."""
    address: str

    @classmethod
    def of(cls, world: World, tenant: str, service: str = "web") -> Cell:
        """The running container of a tenant's service."""
        labels = [f"label=launchpad.tenant={tenant}", f"label=com.docker.compose.service={service}"]
        words = ["docker", "ps", "-q", "--no-trunc", *(word for label in labels for word in ("--filter", label))]
        (container,) = world.host.exec(words).stdout.split()
        found = json.loads(world.host.exec(["docker", "inspect", container]).stdout)[0]
        address = found["NetworkSettings"]["Networks"][f"lp-{tenant}"]["IPAddress"]
        return cls(world.host, tenant, container, found["State"]["Pid"], address)

    def ask(self, question: str, *arguments: Any, timeout: float = 120) -> Any:
        """What a program of the tenant finds out by a function of inside.py."""
        words = ["docker", "exec", "-i", self.container, *_words(question, arguments)]
        return json.loads(self.host.exec(words, stdin=INSIDE, timeout=timeout).stdout.splitlines()[-1])

    def start(self, question: str, *arguments: Any) -> subprocess.Popen[bytes]:
        """Begin a question whose answer comes on the pipe later."""
        folder = f"/run/lab-{self.tenant}"
        self.host.write(f"{folder}/inside.py", INSIDE)
        script = f'exec docker exec -i "$@" < {folder}/inside.py'
        return self.host.popen(["sh", "-c", script, "sh", self.container, *_words(question, arguments)])

    def status(self) -> dict[str, str]:
        """/proc/PID/status of its first process, read on the host."""
        lines = self.host.read(f"/proc/{self.pid}/status").splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def ask_host(host: Host, question: str, *arguments: Any, uid: int | None = None) -> Any:
    """The same question, put to the host itself: as root, or as a user without privilege."""
    become = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"] if uid is not None else []
    said = host.exec([*become, *_words(question, arguments)], stdin=INSIDE)
    return json.loads(said.stdout.splitlines()[-1])


def _words(question: str, arguments: Iterable[Any]) -> list[str]:
    return ["python3", "-", question, json.dumps(list(arguments))]


@contextmanager
def outside(host: Host) -> Iterator[None]:
    """Beyond the host there is a world in which everything answers: a public address, private ones, metadata."""
    host.exec(["sh", "-c", _OUTSIDE])
    try:
        with listening(host, _LISTENER):
            yield
    finally:
        host.exec(["sh", "-c", "ip link del out0; ip netns del outside"], check=False)


@contextmanager
def listening(host: Host, program: str) -> Iterator[None]:
    """In the world outside a program runs that has said that it listens."""
    listener = host.popen(["ip", "netns", "exec", "outside", "python3", "-c", program])
    try:
        said = listener.stdout.readline() if listener.stdout else b""
        assert said == b"listening\n", f"the world outside does not listen: {said!r}"
        yield
    finally:
        listener.kill()
        listener.wait()
