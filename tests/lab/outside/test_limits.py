"""A8. Ports, sockets, connections and files that one tenant takes from all."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from launchpad.runner import slots
from tests.lab.cells import PUBLIC, Cell, listening, outside
from tests.lab.world import World, write
from tests.tally import Tally, tallied

MOST_CONNECTIONS = 20_000
LAG = 20
"""Two processors count a moment apart: some more than the most have been seen."""
PORTS = (25, 443, 465, 587)
_LISTENER = f"""
import select, socket
streams = [socket.create_server(("", port), backlog=512) for port in {(25, 465, 587)}]
print("listening", flush=True)
while True:
    for ready in select.select(streams, [], [])[0]:
        ready.accept()[0].close()
"""
_SOCKETS = """
import ctypes, errno, json, mmap, socket, struct
found = {}
for name, family in (("AF_ALG", 38), ("AF_VSOCK", 40), ("AF_UNIX", 1), ("AF_INET", 2)):
    for kind in ("stream", "datagram", "sequential"):
        try:
            socket.socket(family, {"stream": 1, "datagram": 2, "sequential": 5}[kind]).close()
            found[f"{name} {kind}"] = "opened"
        except OSError as error:
            found[f"{name} {kind}"] = errno.errorcode[error.errno]
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
low = 0x40000000
libc.mmap(low, 4096, 3, 0x32, -1, 0)
for name, call, first, second in (
    ("32-bit socket of AF_ALG", 359, 38, 5), ("32-bit socket of AF_VSOCK", 359, 40, 1),
    ("32-bit socketcall of AF_ALG", 102, 1, low), ("32-bit socket of AF_UNIX", 359, 1, 1),
):
    ctypes.memmove(low, struct.pack("=3I", 38, 5, 0), 12)
    code = bytes.fromhex("53b8") + struct.pack("=I", call) + bytes.fromhex("bb") + struct.pack("=I", first)
    code += bytes.fromhex("b9") + struct.pack("=I", second) + bytes.fromhex("31d2cd805bc3")
    page = mmap.mmap(-1, 4096, prot=7)
    page.write(code)
    said = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
    found[name] = "opened" if said >= 0 else errno.errorcode[-said]
print(json.dumps(found))
"""
_REACHES = """
import json, socket, sys
found = {}
for port in json.loads(sys.argv[1]):
    try:
        socket.create_connection((sys.argv[2], port), timeout=2).close()
        found[port] = "reached"
    except OSError as error:
        found[port] = type(error).__name__ + " " + str(error.errno)
print(json.dumps(found))
"""
_CONNECTIONS = """
import socket, sys, time
stream = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for number in range(int(sys.argv[2])):
    if number % 20000 == 0:
        stream = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        stream.sendto(b"x", (sys.argv[1], 10000 + number % 20000))
    except OSError:
        pass
"""


HOLES = {
    "one file of 1 TiB": ("truncate -s 1T huge.img", "marker/huge.img has 1 TiB", "rm huge.img"),
    "600 files that pretend 200 MiB each": (
        "mkdir many; for n in $(seq 600); do truncate -s 200M many/$n; done",
        "the files have 117.2 GiB together",
        "rm -r many",
    ),
    "400 names of one file of 4 MiB": (
        "head -c 4M /dev/urandom > one; mkdir names; for n in $(seq 400); do ln one names/$n; done",
        "the files have 1.6 GiB together",
        "rm -r one names",
    ),
}
AT_ONCE = 60.0
"""Seconds: what any backup takes on a busy machine. 1 TiB of holes took hours."""


@pytest.fixture(scope="module")
def holds(request: pytest.FixtureRequest) -> Iterator[Tally]:
    with tallied("outside-a8", request) as tally:
        yield tally


@pytest.fixture(scope="module")
def tenants(world: World) -> Iterator[World]:
    """alice's app has no word for mail; bob's may hand mail in."""
    apps = world.root / "inventory/apps"
    (apps / "mailer.yaml").write_text((apps / "beacon.yaml").read_text())
    write(apps / "mailer.yaml", egress_ports=[587])
    for name, app in (("alice", "beacon"), ("bob", "mailer")):
        world.add_tenant(name, app=app)
        world.deploy(name)
        world.wait_for(name)
    with outside(world.host), listening(world.host, _LISTENER):
        yield world


def reaches(world: World, tenant: str) -> dict[int, bool]:
    """Which ports of the world the tenant's web reaches."""
    words = ["docker", "exec", "-i", Cell.of(world, tenant).container, "python3", "-", json.dumps(PORTS), PUBLIC]
    said = json.loads(world.host.exec(words, stdin=_REACHES).stdout)
    return {int(port): what == "reached" for port, what in said.items()}


def test_mail_leaves_only_where_the_app_says_so(tenants: World, holds: Tally) -> None:
    words = ["python3", "-", json.dumps(PORTS), PUBLIC]
    said = json.loads(tenants.host.exec(words, stdin=_REACHES).stdout)
    assert set(said.values()) == {"reached"}, f"the control: the host itself reaches them all: {said}"
    alice, bob = reaches(tenants, "alice"), reaches(tenants, "bob")
    holds("port 25 is closed to every tenant", not alice[25] and not bob[25], (alice, bob))
    holds("465 and 587 are closed to an app that does not name them", not alice[465] and not alice[587], alice)
    holds("an app reaches the port that it names", bob[587], bob)
    holds("and not the other one", not bob[465], bob)
    holds("the rest of the world is reached", alice[443] and bob[443], (alice, bob))
    tenants.launchpad("stop", "bob")
    tenants.launchpad("start", "bob")
    tenants.wait_for("bob")
    holds("a stop and a start change nothing of it", reaches(tenants, "bob") == bob)
    tenants.host.exec(["nft", "delete", "table", "inet", "launchpad_gate"])
    end = time.monotonic() + 10
    while (now := reaches(tenants, "bob")) != bob and time.monotonic() < end:
        time.sleep(0.2)
    holds("a gate that somebody took away comes back with it", now == bob, now)
    write(tenants.root / "inventory/apps/mailer.yaml", egress_ports=[])
    tenants.deploy("bob")
    tenants.wait_for("bob")
    holds("an app that does not name it any more does not reach it", not reaches(tenants, "bob")[587])


def test_no_container_opens_a_socket_of_a_rare_family(tenants: World, holds: Tally) -> None:
    for tenant, service in (("alice", "web"), ("bob", "store")):
        words = ["docker", "exec", "-i", Cell.of(tenants, tenant, service).container, "python3", "-"]
        said: dict[str, Any] = json.loads(tenants.host.exec(words, stdin=_SOCKETS).stdout)
        for name, what in said.items():
            if "AF_ALG" in name or "AF_VSOCK" in name:
                holds(f"{tenant}'s {service}: {name} is refused", what == "EPERM", what)
        usual = {name: what for name, what in said.items() if name in ("AF_UNIX stream", "AF_INET datagram")}
        holds(f"{tenant}'s {service}: the usual ones are opened", set(usual.values()) == {"opened"}, said)


def test_one_tenant_does_not_take_all_connections(tenants: World, holds: Tally) -> None:
    many = 60_000 if os.environ.get("LAUNCHPAD_EVIDENCE") else 25_000
    # In the tenant's network without its limit of CPU: a slow one's first connections are forgotten before its last.
    there = ["nsenter", f"--target={Cell.of(tenants, 'alice').pid}", "--net"]
    tenants.host.exec([*there, "python3", "-", PUBLIC, str(many)], stdin=_CONNECTIONS)
    mine = {str(slots.address(_slot(tenants), index, "a")) for index in range(slots.MOST_SERVICES)}
    table = tenants.host.exec(["cat", "/proc/net/nf_conntrack"]).stdout.splitlines()
    begun_by = (re.search(r"\bsrc=(\S+)", line) for line in table)
    taken = sum(found is not None and found[1] in mine for found in begun_by)
    holds(
        "so many connections were tried, and no more are kept",
        MOST_CONNECTIONS * 0.9 < taken <= MOST_CONNECTIONS + LAG,
        taken,
    )
    holds("its neighbour reaches the world", reaches(tenants, "bob")[443])
    holds("visitors reach it", tenants.get("alice").status == 200)


def _slot(world: World) -> int:
    import yaml

    return int(yaml.safe_load((world.root / "inventory/tenants/alice.yaml").read_text())["slot"])


def test_caddy_has_limits(tenants: World, holds: Tally) -> None:
    said = {
        name: tenants.host.exec(
            ["docker", "inspect", "-f", f"{{{{.HostConfig.{name}}}}}", "launchpad-caddy"]
        ).stdout.strip()
        for name in ("Memory", "MemorySwap", "PidsLimit")
    }
    holds(
        "Caddy's memory has a limit", 0 < int(said["Memory"]) <= 1 << 30 and said["Memory"] == said["MemorySwap"], said
    )
    holds("Caddy's processes have a limit", 0 < int(said["PidsLimit"]) <= 1024, said)


def test_files_of_holes_end_a_backup_and_an_export_at_once(world: World, holds: Tally, tmp_path: Path) -> None:
    """The seen instance, and brothers that differ in what makes little look like much."""
    name, here = "holey", "/srv/launchpad/tenants/holey/data/marker"
    (world.root / "inventory/targets.yaml").write_text("disk: {kind: local, url: /srv/disk}\n")
    tiers = world.root / "inventory/tiers.yaml"
    known = yaml.safe_load(tiers.read_text())
    tiers.write_text(yaml.safe_dump(known | {"kept": {**known["light"], "backup": {"targets": ["disk"]}}}))
    world.host.exec(["mkdir", "-p", "/srv/disk"])
    world.launchpad("provision", "web-1", timeout=600)
    world.add_tenant(name, tier="kept")
    world.deploy(name)
    world.wait_for(name)
    for what, (make, told, gone) in HOLES.items():
        world.host.exec(["sh", "-euc", f"cd {here}; {make}; chown -R $(stat -c %u:%g .) ."])
        for number, words in enumerate((("backup", name), ("export", name, "--to", str(tmp_path / "out.tar.gz")))):
            begun = time.monotonic()
            done = world.launchpad(*words, check=False)
            seconds = time.monotonic() - begun
            holds(
                f"{what}: the {('backup', 'export')[number]} ends at once, by its name",
                done.code not in (0, 1) and told in done.err and seconds < AT_ONCE,
                (done, seconds),
            )
        world.host.exec(["sh", "-euc", f"cd {here}; {gone}"])
    # What fits is kept, and its holes stay holes.
    world.host.exec(["sh", "-euc", f"cd {here}; truncate -s 200M map; echo end >> map; chown $(stat -c %u:%g .) map"])
    world.launchpad("backup", name)
    world.launchpad("restore", name, "--at", newest(world, name), "--yes")
    size, blocks = map(int, world.host.exec(["stat", "-c", "%s %b", f"{here}/map"]).stdout.split())
    kept = size > 200 << 20 and blocks * 512 < 4 << 20
    holds("a file with holes that fits comes back with them", kept, (size, blocks))
    world.launchpad("retire", name, "--purge", "--yes")
    assert not os.path.lexists(tmp_path / "out.tar.gz")


def newest(world: World, name: str) -> str:
    return str(world.launchpad("--json", "backups", "list", name).json_document["backups"][0]["id"])
