"""Data off one real host and onto it again as another tenant; judged with the host's own tools."""

from __future__ import annotations

import base64
import time

import pytest

from launchpad.operations.moving.transfer import Bringing, bring, leaving
from tests.lab.settings import open_workspace
from tests.lab.world import World

MAKE = """
cd /srv/launchpad/tenants/alice/data/marker
mkdir -p deep/er closed 'with spaces ünd'
head -c 60000000 /dev/urandom > deep/large
head -c 5 /dev/urandom > 'with spaces ünd/f'
ln -s /etc/shadow link
mkfifo pipe
: > empty
echo locked > closed/in
touch -d '2020-02-02 02:02:02.5 UTC' empty
chown -hR $(stat -c %u:%g .) .
chmod 0400 closed/in; chmod 0500 closed
"""
SEEN = """
find . -printf '%P %y %m %U %G %l\\n' | sort
find . -type f -exec stat -c '%n %s %Y' {} + -exec sha256sum {} + | sort
"""


@pytest.fixture(scope="module")
def alice(world: World) -> World:
    world.add_tenant("alice")
    world.deploy("alice")
    world.wait_for("alice")
    world.host.exec(["sh", "-euc", MAKE])
    return world


def test_a_generation_is_the_same_when_it_is_brought_back(alice: World) -> None:
    world = alice
    workspace = open_workspace(world)
    host, tenant = workspace.fleet.load().host("web-1"), workspace.fleet.load().tenant("alice")
    kept = world.launchpad("--json", "snapshot", "alice").json["id"]
    begun = time.monotonic()
    what = Bringing(
        tenant="carried",
        slot=4000,
        generation="carried-0000001",
        app="beacon",
        version="1.0.0",
        volumes=("marker", "store"),
        disk_mb=256,
    )
    with leaving(workspace, "alice", host, generation=kept) as archive:
        came = bring(workspace, host, what, archive)
    seconds = time.monotonic() - begun
    assert came.files == archive.sent.files and archive.sent.passed_over == 1
    assert not archive.sent.unread
    print(f"{came.bytes >> 20} MiB in {seconds:.1f} s")
    mine, there = (
        listing_of(world, path) for path in (f"alice/generations/{kept}", "carried/generations/carried-0000001")
    )
    own, other = str(1_000_000 + 10_000 + tenant.slot), str(1_000_000 + 10_000 + 4000)
    assert [
        line for line in mine.replace(own, other).splitlines() if not line.startswith("pipe ")
    ] == there.splitlines()


def listing_of(world: World, path: str) -> str:
    folder = f"/srv/launchpad/tenants/{path}/marker"
    return world.host.exec(["sh", "-euc", f"cd {folder}; {SEEN}"], timeout=120).stdout


def test_nothing_leaves_that_a_thief_could_read(alice: World) -> None:
    """What the host says over an operator's connection is an age file."""
    workspace = open_workspace(alice)
    host = workspace.fleet.load().host("web-1")
    hosts = workspace.hosts
    assert hosts is not None
    kept = alice.launchpad("--json", "snapshot", "alice").json["id"]
    with hosts.reach(host) as runner:
        said = list(runner.exchange("send", {"tenant": "alice", "generation": kept}))
    everything = b"".join(base64.b64decode(line["data"]) for line in said if line["type"] == "data")
    assert everything.startswith(b"age-encryption.org/v1\n-> X25519 ")
    assert b"locked" not in everything and b"SQLite format 3" not in everything and b"ustar" not in everything
