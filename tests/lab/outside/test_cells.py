"""What a tenant's containers are made of, as outside use found it wanting: clones, images' own volumes, and a prune.

Judged by Docker's own word, by what the app answers over HTTPS, and by what lies on the host's disk.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import yaml

from launchpad.runner import slots
from tests.lab.world import World, write
from tests.tally import tallied

DISK = "/var/backups/tenants"
LIGHT = {"memory": "128MiB", "cpus": 0.5, "pids": 64, "disk": "256MiB"}
PASSWORD = "the-store-was-initialised-with-this"
WATCH = r"""
# Prints what Docker says of each container of the clone, and the clone's secrets' digests, until nobody reads.
seen=
for _ in $(seq 600); do
    for id in $(docker ps -aq --filter label=launchpad.tenant=alice_clone); do
        case $seen in *$id*) continue ;; esac
        docker inspect "$id" | python3 -c 'import json, sys
for item in json.load(sys.stdin):
    config, networks = item["Config"], item["NetworkSettings"]["Networks"]
    print(json.dumps({"service": config["Labels"]["com.docker.compose.service"], "env": config["Env"],
        "networks": {name: one["IPAMConfig"]["IPv4Address"] for name, one in networks.items()}}))'
        seen="$seen $id"
        (cd /run/launchpad/alice/clone && for file in *; do
            echo "{\"secret\": \"$file\", \"digest\": \"$(sha256sum < $file | cut -d' ' -f1)\"}"; done)
    done
    [ -e /root/clones.over ] && exit
    sleep 0.1
done
"""


@contextmanager
def clones_seen(world: World) -> Iterator[list[dict[str, Any]]]:
    """What Docker says of the clones that are there during the block, filled in at its end."""
    found: list[dict[str, Any]] = []
    world.host.exec(["rm", "-f", "/root/clones.over"])

    def watch() -> None:
        said = world.host.exec(["sh", "-c", WATCH], timeout=120).stdout
        found.extend(json.loads(line) for line in said.splitlines())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        world.host.exec(["touch", "/root/clones.over"])
        thread.join()


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture(scope="module")
def alice(world: World) -> World:
    """Alice on 1.0.0; her store was initialised with a password that it does not let go of."""
    path = world.root / "inventory/apps/beacon.yaml"
    write(path, timings={"start": "30s", "steady": "1s", "stop": "5s"})
    world.host.exec(["mkdir", "-p", DISK])
    write(world.root / "inventory/tiers.yaml", light=LIGHT | {"backup": {"targets": ["disk"]}})
    (world.root / "inventory/targets.yaml").write_text(yaml.safe_dump({"disk": {"kind": "local", "url": DISK}}))
    world.launchpad("provision", "web-1", timeout=600)
    world.add_tenant("alice")
    world.launchpad("secret", "set", "alice", "STORE_PASSWORD", stdin=PASSWORD)
    world.deploy("alice")
    world.wait_for("alice")
    store = "/srv/launchpad/tenants/alice/data/store"
    world.host.exec(
        ["sh", "-c", f"mkdir {store}/pg && echo 17 > {store}/pg/PG_VERSION && chown -R --reference={store} {store}/pg"]
    )
    return world


def test_a_clone_is_a_whole_cell(alice: World, request: pytest.FixtureRequest) -> None:
    own = {f"{slots.address(1, index, side)}" for index in range(6) for side in ("a", "b")}
    with tallied("outside-c11", request) as holds:
        hits = alice.wait_for("alice", "/").json["hits"]
        holds("the web counts its visits in its store", isinstance(hits, int), hits)
        with clones_seen(alice) as seen:
            done = alice.launchpad("upgrade", "alice", "--to", "1.1.0", "--yes", "--soak", "0s", check=False)
        holds("a web that needs its store is upgraded, rehearsed", done.code == 0, done.err[-600:])
        answer = alice.wait_for("alice", "/").json
        holds("the new version counts on", (answer["version"], answer["hits"] > hits) == ("1.1.0", True), answer)
        boxes = {item["service"]: item for item in seen if "service" in item}
        addresses = {str(slots.address(1, index, "clone")) for index in range(2)}
        there = {address for item in boxes.values() for address in item["networks"].values()}
        holds("the clone's services have addresses of their own", there == addresses, there)
        text = json.dumps(boxes)
        holds("its environment names none of the tenant's", not any(f"{it}:" in text or f'{it}"' in text for it in own))
        store = str(slots.address(1, 1, "clone"))
        holds("its web looks for the clone's own store", f"http://{store}:8081" in text, text)
        secrets = {item["secret"]: item["digest"] for item in seen if "secret" in item}
        token = alice.get("alice", "/secret-hash").body.decode()
        holds("its token is made up", secrets.get("BEACON_TOKEN") not in (None, token), secrets)
        holds("its store has the password that its data was made with", secrets.get("STORE_PASSWORD") == sha(PASSWORD))
        left = alice.host.exec(["sh", "-c", "docker ps -a; docker network ls; ls /run/launchpad/alice"]).stdout
        holds("nothing of the clone is left", "clone" not in left, left)
        told = alice.launchpad("backup", "alice").err
        holds("a backup says which databases were checked", "2 SQLite databases are sound" in told, told)
        holds("and which were not", "store/pg is a PostgreSQL database, which Launchpad cannot check" in told, told)
        with clones_seen(alice) as seen:
            done = alice.launchpad("drill", "alice", check=False)
        holds("a drill boots the web and its store", done.code == 0, done.err[-600:])
        secrets = {item["secret"]: item["digest"] for item in seen if "secret" in item}
        holds("the drill's store has its password too", secrets.get("STORE_PASSWORD") == sha(PASSWORD), secrets)


def docker(world: World, *words: str) -> list[str]:
    return str(world.host.exec(["docker", *words]).stdout).split()


def test_what_an_image_declares_is_in_the_tenant_s_quota(alice: World, request: pytest.FixtureRequest) -> None:
    """1.6.0's image declares /cache, where nothing is mounted, and /data; 1.7.0's declares only /data."""
    held, before = alice.containers("alice"), docker(alice, "volume", "ls", "-q")
    with tallied("outside-c10", request) as holds:
        for image in (alice.images["beacon:1.6.0"], alice.images["beacon:1.7.0"]):
            alice.host.exec(["docker", "rmi", image], check=False)
        done = alice.launchpad("upgrade", "alice", "--to", "1.6.0", "--yes", "--soak", "0s", check=False)
        holds("an upgrade to such an image is refused after its pull", done.code == 6, done.err[-600:])
        holds("it names the image's volume", "declares the volume /cache" in done.err, done.err[-600:])
        again = alice.launchpad("upgrade", "alice", "--to", "1.6.0", "--yes", "--soak", "0s", check=False)
        holds(
            "with the image there it is refused before anything", "declares the volume /cache" in again.err, again.err
        )
        holds("nothing of alice was touched", alice.containers("alice") == held, alice.containers("alice"))
        alice.add_tenant("bob", version="1.6.0")
        first = alice.launchpad("deploy", "bob", check=False)
        holds("a first deploy is refused", "declares the volume /cache" in first.err, first.err)
        there = docker(alice, "volume", "ls", "-q")
        holds("Docker made no volume of its own", there == before, there)
        alice.launchpad("upgrade", "alice", "--to", "1.7.0", "--yes", "--soak", "0s")
        holds("one that a mount covers runs", alice.wait_for("alice", "/").json["version"] == "1.7.0")
        holds("and has no volume of its own", docker(alice, "volume", "ls", "-q") == before)
        # As an earlier Launchpad left them: a container that went without its volume.
        box = docker(alice, "create", "-v", "/old", alice.images["beacon:1.0.0"], "true")[0]
        loose = docker(alice, "inspect", "-f", "{{(index .Mounts 0).Name}}", box)[0]
        kept = docker(alice, "create", "-v", "/live", alice.images["beacon:1.0.0"], "true")[0]
        live = docker(alice, "inspect", "-f", "{{(index .Mounts 0).Name}}", kept)[0]
        docker(alice, "volume", "create", "somebodys")
        docker(alice, "rm", box)
        told = alice.launchpad("prune", "--dry-run").out
        holds("a prune finds an old one", "1 anonymous volume that no container uses" in told, told)
        alice.launchpad("prune")
        there = docker(alice, "volume", "ls", "-q")
        holds("and removes it", loose not in there, there)
        holds("one that a container has stays, and so does one with a name", {live, "somebodys"} <= {*there}, there)
        docker(alice, "rm", "-v", kept)


def test_a_prune_holds_nobody_while_it_waits_for_the_disk(alice: World, request: pytest.FixtureRequest) -> None:
    """Btrfs frees what was removed when its cleaner comes by. Here it does not: `btrfs` is a program that waits."""
    host, waits = alice.host, 12
    program = f"#!/bin/sh\ncase \"$*\" in *'subvolume sync'*) echo $$ >> /root/syncs; sleep {waits} ;; esac\n"
    host.exec(["cp", "/usr/bin/btrfs", "/root/btrfs"])
    host.write("/root/slow", program + 'exec /root/btrfs "$@"\n')
    with tallied("outside-c8", request) as holds:
        alice.add_tenant("carol")
        alice.deploy("carol")
        for name in ("alice", "carol"):
            data = f"/srv/launchpad/tenants/{name}"
            host.exec(["btrfs", "subvolume", "snapshot", f"{data}/data", f"{data}/clone"])
        host.exec(["sh", "-c", "rm -f /root/syncs; chmod 755 /root/slow; mount --bind /root/slow /usr/bin/btrfs"])
        try:
            prune = alice.start("prune")
            end = time.monotonic() + 60
            while not host.exec(["cat", "/root/syncs"], check=False).stdout and time.monotonic() < end:
                time.sleep(0.2)
            waited = {}
            for name in ("alice", "carol"):
                begun = time.monotonic()
                done = alice.launchpad("restart", name, check=False)
                waited[name] = (done.code, time.monotonic() - begun)
            for name, (code, seconds) in waited.items():
                holds(f"{name} can be restarted meanwhile", code == 0 and seconds < waits, waited)
            said = prune.communicate(timeout=120)
            holds("the prune comes to its end", prune.returncode == 0, said)
        finally:
            host.exec(["umount", "/usr/bin/btrfs"])
        syncs = host.exec(["cat", "/root/syncs"]).stdout.split()
        holds("it waited once, for both", len(syncs) == 1, syncs)
        left = host.exec(["sh", "-c", "ls -d /srv/launchpad/tenants/*/clone || true"]).stdout
        holds("both are cleared up", left == "", left)
        answers = [alice.wait_for(name, "/").status for name in ("alice", "carol")]
        holds("both serve", answers == [200, 200], answers)
