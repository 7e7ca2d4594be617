"""What a host can be like while an upgrade goes on: each lasts as long as the block does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import yaml
from labkit import Host

from launchpad.runner import slots
from launchpad.runner.plan import other
from tests.lab.world import World

TENANT = "/srv/launchpad/tenants/alice"
REPOSITORIES = "/srv/disk"
CLOCK = "/run/clock"
CLOCK_UNIT = "/etc/systemd/system/launchpad-operation@.service.d/clock.conf"
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
NOBODY = "http://127.0.0.1:9"


@contextmanager
def registry_down(world: World) -> Iterator[None]:
    """Nothing can be pulled, and 2.0.0 is not there yet."""
    host = world.host
    host.exec(["docker", "rmi", "-f", world.images["beacon:2.0.0"]], check=False)
    host.exec(["nft", "add table inet away; add chain inet away out { type filter hook output priority 0; }"])
    host.exec(["nft", "add rule inet away out tcp dport 5000 reject"])
    try:
        yield
    finally:
        host.exec(["nft", "delete", "table", "inet", "away"])


@contextmanager
def squatted(world: World) -> Iterator[None]:
    """Somebody has the address that the new release is to have."""
    host, record = world.host, json.loads(world.host.read(f"{TENANT}/tenant.json"))
    address = slots.address(record["slot"], 0, other(record["side"]))
    squat = ["docker", "run", "-d", "--name", "squatter", "--network", "lp-alice", "--ip", str(address)]
    host.exec([*squat, "--entrypoint", "sleep", world.images["beacon:1.0.0"], "600"])
    try:
        yield
    finally:
        host.exec(["docker", "rm", "-f", "squatter"])


@contextmanager
def plugin_of_tomorrow(world: World) -> Iterator[None]:
    """A plugin lies in the data that wants a newer version than there is."""
    plugin = f"{TENANT}/data/marker/tomorrow.plugin"
    world.host.exec(["sh", "-c", f"echo 99.0.0 > {plugin} && chown --reference={TENANT}/data/marker {plugin}"])
    try:
        yield
    finally:
        world.host.exec(["rm", "-f", plugin])


@contextmanager
def wrong_key(world: World) -> Iterator[None]:
    """The key that the new release is given is none. The release that serves has the one that it always had."""
    path = world.root / "inventory/secrets/alice.yaml"
    before, served = path.read_text(), world.get("alice", "/secret-hash").body
    world.launchpad("secret", "set", "alice", "BEACON_TOKEN", stdin="no key")
    try:
        yield
        assert world.get("alice", "/secret-hash").body == served, "the old release has another key now"
    finally:
        path.write_text(before)


@contextmanager
def backups_that_fail(world: World, *, foreign: bool = False) -> Iterator[None]:
    """A backup is under way whose target is down or, `foreign`, has a repository of another key."""
    host, targets = world.host, world.root / "inventory/targets.yaml"
    tiers = world.root / "inventory/tiers.yaml"
    before = tiers.read_text()
    target = {"kind": "local", "url": REPOSITORIES} if foreign else {"kind": "rest", "url": NOBODY}
    targets.write_text(yaml.safe_dump({"there": target}))
    changed = yaml.safe_load(before)
    changed["light"]["backup"] = {"targets": ["there"]}
    tiers.write_text(yaml.safe_dump(changed))
    if foreign:
        host.exec(["mkdir", "-p", REPOSITORIES])
        init = f"echo another | restic -r {REPOSITORIES}/alice init -q --password-file /dev/stdin"
        host.exec(["sh", "-c", f"{init} && chown -R {slots.host_uid(1)} {REPOSITORIES}/alice"])
    world.launchpad("provision", "web-1")
    backup = world.start("backup", "alice")
    try:
        yield
    finally:
        said = backup.communicate(timeout=120)
        tiers.write_text(before)
        targets.unlink()
        host.exec(["rm", "-rf", REPOSITORIES, f"{TENANT}/backup"])
    assert backup.returncode not in (0, None), f"the backup was to fail: {said}"


@contextmanager
def clock_that_can_be_set(host: Host) -> Iterator[None]:
    """Operations go by a date that `set_clock` sets, and that is right until then; the host's own is this machine's."""
    if not host.exists(FAKETIME):
        host.exec(["apt-get", "update", "-q"], timeout=300)
        host.exec(["apt-get", "install", "-qy", "libfaketime"], timeout=300)
    set_clock(host, "+0")
    told = ["FAKETIME_DONT_FAKE_MONOTONIC=1", "FAKETIME_NO_CACHE=1", f"FAKETIME_TIMESTAMP_FILE={CLOCK}"]
    lines = [f"Environment={item}" for item in (f"LD_PRELOAD={FAKETIME}", *told)]
    host.write(CLOCK_UNIT, "\n".join(["[Service]", *lines, ""]))
    host.exec(["systemctl", "daemon-reload"])
    try:
        yield
    finally:
        host.exec(["rm", CLOCK_UNIT])
        host.exec(["systemctl", "daemon-reload"])


def set_clock(host: Host, offset: str) -> None:
    """So far from the right time, as libfaketime writes it: -30d."""
    host.write(CLOCK, offset)
