"""A tenant's versions on a real host, judged from outside: a marker in the data says which data is served."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import yaml

from launchpad.runner import slots
from tests.lab.world import World, write

NEVER_READY, CRASHES, READY_FOR_TEN_SECONDS, MIGRATES = "1.2.0", "1.3.0", "1.5.0", "2.0.0"
TENANT = "/srv/launchpad/tenants/alice"


@pytest.fixture(scope="module")
def alice(world: World) -> World:
    """Alice on 1.0.0."""
    write(world.root / "inventory/apps/beacon.yaml", timings={"start": "15s", "steady": "2s", "stop": "5s"})
    world.add_tenant("alice")
    world.deploy("alice")
    world.wait_for("alice")
    return world


def mark(world: World, text: str) -> None:
    assert world.request("alice", "POST", "/marker", body=text.encode()).status == 200


def serves(world: World) -> tuple[str, str]:
    """The version and the marker that a visitor gets."""
    answer = world.wait_for("alice", "/").json
    return answer["version"], answer["marker"]


def written(world: World) -> str:
    return str(yaml.safe_load((world.root / "inventory/tenants/alice.yaml").read_text())["version"])


def kept(world: World) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(world.launchpad("--json", "generations", "alice").out)["generations"]
    return found


def settled(world: World) -> None:
    """Nobody has to look, and the inventory says just what runs."""
    told = json.loads(world.launchpad("--json", "status", "alice").out)["tenants"][0]
    assert (told["state"], told["drift"], told["remarks"]) == ("healthy", [], [])
    assert told["version"] == told["wanted_version"] == written(world)
    assert world.deploy("alice")["outcome"] == "unchanged"


def asked(world: World, url: str) -> str:
    """What the host itself gets there; empty when nobody answers."""
    fetch = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=20).read().decode())"
    return world.host.exec(["python3", "-c", fetch, url], check=False).stdout.strip()


def until(ask: Callable[[], str], *, seconds: float = 30) -> str:
    """The first answer that is not empty."""
    end = time.monotonic() + seconds
    while not (found := ask()):
        assert time.monotonic() < end, "no answer"
        time.sleep(0.2)
    return found


@contextmanager
def whenever(work: Callable[[], None]) -> Iterator[None]:
    """Do the work again and again beside the block."""
    over = threading.Event()

    def run() -> None:
        while not over.wait(0.2):
            work()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_version_and_data_go_forth_and_back_together(alice: World) -> None:
    mark(alice, "on 1.0.0")
    up = alice.launchpad("upgrade", "alice", "--to", MIGRATES, "--yes", "--soak", "5s")
    assert "alice: upgraded from 1.0.0 to 2.0.0 in" in up.out
    assert "inventory/tenants/alice.yaml now has version: 2.0.0" in up.err
    assert serves(alice) == ("2.0.0", "on 1.0.0")
    settled(alice)
    assert "already runs" in alice.launchpad("upgrade", "alice", "--to", MIGRATES).out

    mark(alice, "on 2.0.0")
    newer = json.loads(alice.launchpad("--json", "rollback", "alice", "--list").out)["releases"][0]["release"]
    alice.launchpad("rollback", "alice", "--yes")
    assert serves(alice) == ("1.0.0", "on 1.0.0")
    settled(alice)

    alice.launchpad("rollback", "alice", "--to", newer, "--yes")
    assert serves(alice) == ("2.0.0", "on 2.0.0")
    settled(alice)
    refused = alice.launchpad("rollback", "alice", "--to", "1.0.0", "--keep-data", "--yes", check=False)
    assert (refused.code, "may not be able to read" in refused.err) == (4, True), refused.err
    alice.launchpad("rollback", "alice", "--yes")


@pytest.mark.parametrize(
    ("version", "words"), [(NEVER_READY, ["--no-rehearsal"]), (CRASHES, ["--no-rehearsal"]), (CRASHES, [])]
)
def test_what_does_not_become_ready_is_undone_with_its_data(alice: World, version: str, words: list[str]) -> None:
    mark(alice, f"before {version}")
    done = alice.launchpad("upgrade", "alice", "--to", version, "--yes", *words, check=False)
    assert done.code == 6, done
    assert "was undone" in done.err
    assert ("in the rehearsal" in done.err) is (words == [])
    assert serves(alice) == ("1.0.0", f"before {version}")
    settled(alice)


def test_a_clone_reaches_nothing_has_no_real_secret_and_leaves_nothing(alice: World) -> None:
    mark(alice, "in the rehearsal")
    before, secret = alice.containers("alice"), alice.get("alice", "/secret-hash").body
    process = alice.start("--json", "upgrade", "alice", "--to", NEVER_READY, "--yes")
    clone = str(slots.address(1, 0, "clone"))
    try:
        answer = until(lambda: asked(alice, f"http://{clone}:8080/"))
        assert json.loads(answer)["marker"] == "in the rehearsal", "it has the tenant's own data"
        assert asked(alice, f"http://{clone}:8080/secret-hash").encode() != secret
        for where in ("http://registry.lab.test:5000", "http://1.1.1.1", f"http://{slots.address(1, 0, 'a')}:8080"):
            assert not json.loads(asked(alice, f"http://{clone}:8080/fetch?url={where}"))["reachable"], where
        mark(alice, "served meanwhile")
        operation = json.loads(alice.launchpad("--json", "status", "alice").out)["tenants"][0]
        assert operation["state"] == "changing"
    finally:
        process.communicate(timeout=120)
    assert process.returncode == 6
    assert serves(alice) == ("1.0.0", "served meanwhile")
    assert alice.containers("alice") == before, "the tenant was never touched"
    left = alice.host.exec(["sh", "-c", f"docker ps -a; docker network ls; ls {TENANT} /run/launchpad/alice"]).stdout
    assert "clone" not in left
    assert "rehearsal" not in left


def test_a_second_rehearsal_by_hand_is_told_whose_the_cpus_are(alice: World) -> None:
    """bob may take every CPU that there is, and alice's clone has some of them just now."""
    wide = {"memory": "128MiB", "cpus": os.cpu_count(), "pids": 64, "disk": "128MiB"}
    write(alice.root / "inventory/tiers.yaml", wide=wide)
    alice.add_tenant("bob", tier="wide")
    alice.deploy("bob")
    alice.wait_for("bob")
    process = alice.start("--json", "upgrade", "alice", "--to", NEVER_READY, "--yes")
    try:
        until(lambda: asked(alice, f"http://{slots.address(1, 0, 'clone')}:8080/"))
        said = alice.launchpad("upgrade", "bob", "--to", MIGRATES, "--yes", check=False)
    finally:
        process.communicate(timeout=120)
    assert said.code == 5 and "CPUs" in said.err and "are reserved for alice (" in said.err, said.err
    assert alice.wait_for("bob", "/").json["version"] == "1.0.0"
    alice.launchpad("upgrade", "bob", "--to", MIGRATES, "--yes", "--soak", "2s", timeout=300)
    assert alice.wait_for("bob", "/").json["version"] == MIGRATES


def test_what_fails_in_the_soak_is_undone_and_what_came_in_is_kept(alice: World) -> None:
    mark(alice, "before the soak")

    def visit() -> None:
        answer = alice.get("alice", "/").json
        if answer["version"] == READY_FOR_TEN_SECONDS and answer["marker"] == "before the soak":
            mark(alice, "in the soak")

    with whenever(visit):
        done = alice.launchpad(
            *("upgrade", "alice", "--to", READY_FOR_TEN_SECONDS, "--yes", "--soak", "30s", "--no-rehearsal"),
            check=False,
        )
    assert done.code == 6, done
    assert serves(alice) == ("1.0.0", "before the soak")
    settled(alice)
    (left,) = [item for item in kept(alice) if item["why"] == "soak"]
    assert left["version"] == READY_FOR_TEN_SECONDS
    assert left["id"] in done.err, "it is said where what came in between is"
    data = f"{TENANT}/generations/{left['id']}"
    assert (
        "in the soak"
        in alice.host.exec(["sh", "-c", f"strings -a {data}/marker/* 2>/dev/null || cat {data}/marker/*"]).stdout
    )


def test_data_goes_back_to_a_generation_and_forth_again(alice: World) -> None:
    mark(alice, "to be kept")
    snapshot = json.loads(alice.launchpad("--json", "snapshot", "alice").out.splitlines()[-1])["id"]
    mark(alice, "written since")
    back = json.loads(
        alice.launchpad("--json", "restore", "alice", "--generation", snapshot, "--yes").out.splitlines()[-1]
    )
    assert serves(alice) == ("1.0.0", "to be kept")
    settled(alice)
    alice.launchpad("restore", "alice", "--generation", back["id"], "--yes")
    assert serves(alice) == ("1.0.0", "written since")


def test_an_edit_that_was_lost_is_seen_and_made(alice: World) -> None:
    done = alice.launchpad("upgrade", "alice", "--to", "1.1.0", "--yes", "--soak", "0s")
    assert "no rows were lost in 2 tables" in done.err, "its database was not counted in the rehearsal"
    alice.set_tenant("alice", version="1.0.0")
    assert "ahead of the inventory" in alice.launchpad("status", "alice").err
    plan = json.loads(alice.launchpad("plan", "alice", "--json").out)
    assert plan["changes"] == []
    assert "version 1.0.0 → 1.1.0" in alice.launchpad("adopt", "alice").out
    settled(alice)

    alice.launchpad("rollback", "alice", "--yes")
    alice.set_tenant("alice", version="1.1.0")
    plan = json.loads(alice.launchpad("plan", "alice", "--json").out)
    assert (plan["changes"], plan["notes"][0]["hint"].split(",")[0]) == ([], "launchpad adopt alice")
    alice.launchpad("adopt", "alice")
    settled(alice)
