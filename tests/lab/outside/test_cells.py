"""What a tenant's containers are made of, as outside use found it wanting: clones, images' own volumes, and a prune.

Judged by Docker's own word, by what the app answers over HTTPS, and by what lies on the host's disk.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from launchpad.runner import slots
from tests.lab.world import World, write
from tests.tally import tallied

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
    world.add_tenant("alice")
    world.launchpad("secret", "set", "alice", "STORE_PASSWORD", stdin=PASSWORD)
    world.deploy("alice")
    world.wait_for("alice")
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
