"""A tenant that sends a thousand packets a second to places that are closed to it, and who sees what comes through."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from labkit import Host

from launchpad.runner import slots
from tests.lab.cells import INTERNAL, PUBLIC, Cell

A_SECOND = 1000
PORT = 9
ARRIVED = "/run/lab-arrived"
"""What came through, a packet a line: nanoseconds of the machine's one monotonic clock, the place, the sender."""
_SENDER = """
import json, socket, sys, time
places, a_second = json.loads(sys.argv[1]), int(sys.argv[2])
streams = [
    (name.encode(), (address, port), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for name, address, port in places
]
due = time.monotonic()
while True:
    for name, address, stream in streams:
        try:
            stream.sendto(name, address)
        except OSError:
            pass  # a reject, or no way there: the next one
        due += 1 / a_second
    time.sleep(max(0, due - time.monotonic()))
    due = max(due, time.monotonic() - 0.1)
"""
_RECEIVER = f"""
import os, select, socket, sys, time
streams = []
for port in map(int, sys.argv[1:]):
    stream = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    stream.bind(("0.0.0.0", port))
    streams.append(stream)
seen = os.open("{ARRIVED}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
while True:
    for ready in select.select(streams, [], [])[0]:
        name, caller = ready.recvfrom(64)
        os.write(seen, b"%d %s %s\\n" % (time.monotonic_ns(), name, caller[0].encode()))
"""


@dataclass(frozen=True)
class Arrived:
    """One packet at its place."""

    at: float
    """time.monotonic() of this machine, which every guest shares."""
    place: str
    sender: str


@dataclass(frozen=True)
class Flood:
    host: Host

    def arrived(self, *, since: float = 0.0, world: bool = False) -> list[Arrived]:
        """What came through since then, at the forbidden places, or in the world, where it may."""
        said = self.host.exec(["cat", ARRIVED], check=False).stdout
        lines = [line.split(" ") for line in said.splitlines() if line.count(" ") == 2]
        found = [Arrived(int(at) / 1e9, place, sender) for at, place, sender in lines]
        return [item for item in found if item.at >= since and (item.place == "world") == world]

    def forget(self) -> None:
        self.host.exec(["truncate", "--size=0", ARRIVED], check=False)

    def quiet(self, *, since: float, seconds: float = 1.2, most: float = 60) -> list[Arrived]:
        """Everything that came since then, once nothing has for the seconds."""
        end = time.monotonic() + most
        while True:
            found = self.arrived(since=since)
            last = max((item.at for item in found), default=since)
            if time.monotonic() - last > seconds or time.monotonic() > end:
                return found
            time.sleep(0.2)


@contextmanager
def flooded(cell: Cell, neighbour: Cell, slot: int) -> Iterator[Flood]:
    """From the cell's network to the six places; `tests.lab.cells.outside` must be there."""
    host = cell.host
    internal = [INTERNAL[name] for name in ("the metadata address", "10/8", "172.16/12", "192.168/16")]
    places = [
        ("neighbour", neighbour.address, PORT),
        ("sshd", str(slots.gateway(slot)), 22),
        *((address, address, PORT) for address in internal),
        ("world", PUBLIC, PORT),
    ]
    host.exec(["sh", "-c", f": > {ARRIVED}"])
    receive = ["python3", "-c", _RECEIVER]
    there = ["nsenter", f"--target={neighbour.pid}", "--net"]
    send = ["nsenter", f"--target={cell.pid}", "--net", "python3", "-c", _SENDER, json.dumps(places), str(A_SECOND)]
    begun: list[subprocess.Popen[bytes]] = [
        host.popen(["ip", "netns", "exec", "outside", *receive, str(PORT)]),
        host.popen([*there, *receive, str(PORT)]),
        host.popen([*receive, "22"]),
        host.popen(send),
    ]
    try:
        yield Flood(host)
    finally:
        for process in begun:
            process.kill()
            process.wait()
