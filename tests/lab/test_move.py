"""A tenant moves between two real hosts, under visitors, and with its old host rebooted or dead at a step.

Who runs it is asked of both Dockers the whole time; what a visitor gets is asked at the old address and at the new one.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import yaml

from tests.lab.disasters import reboot
from tests.lab.pair import MOVE_SECONDS, Pair, command
from tests.lab.visitors import row, visiting

TENANT = "/srv/launchpad/tenants/{}"
SILENT_SECONDS = 28.0
"""To stop, to carry what changed, and to start: a request waits no longer."""


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
    refused = world.launchpad("move", "alice", "--finish", "--yes", check=False)
    assert refused.code == 4 and "only to web-2" in refused.err
    world.launchpad("move", "alice", "--finish", "--despite-dns")
    assert "alice --finish" not in world.launchpad("status", check=False).err
    assert not pair.old.exists("/srv/launchpad/caddy/sites/alice.caddy")
    assert pair.old.exists(f"{TENANT.format('alice')}/data/marker/large"), "its data is not kept"
    world.launchpad("retire", "alice", "--host", "web-1", "--purge", "--yes")
    assert not pair.old.exists(f"{TENANT.format('alice')}/data")
    world.set_tenant("alice", host="web-1")  # somebody's checkout of before
    refused = world.launchpad("deploy", "alice", check=False)
    assert refused.code == 4 and "moved from this host to web-2" in refused.err, refused.err
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
    pair.add(name, tier="small")
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
        assert "returned to web-1" in back.out + back.err
        assert pair.running_on(name) == [pair.old.name]
        assert pair.world.wait_for(name, "/marker").body == f"{name} was here".encode()
    finally:
        pair.new.exec(["docker", "network", "rm", "in-the-way"])
    pair.move(name)
    assert pair.running_on(name) == [pair.new.name]


def test_a_new_host_that_is_gone_for_good_does_not_keep_her_data(pair: Pair) -> None:
    """Nobody is left there to write down that it will not take her in; a person saw its power off. When it comes back
    all the same, she runs once, and what was purged at home starts there anew."""
    name = "frida"
    pair.add(name)
    pair.new.exec(["docker", "network", "create", "--subnet", taken(pair, name), "in-the-way"])
    assert pair.world.launchpad(*command(name), check=False, timeout=MOVE_SECONDS).code == 6
    words = ("move", name, "--to", "web-2", "--back", "--yes")
    fenced = (*words, "--fence", "power seen off at the rack")
    refused = pair.world.launchpad(*fenced, check=False)
    assert refused.code == 4 and "web-2 answers, so it is not permanently off" in refused.err, refused
    pair.new.power_off_hard()
    assert pair.world.launchpad(*words, check=False).code == 6
    pair.world.launchpad(*fenced)
    assert pair.running_on(name) == [pair.old.name]
    assert pair.world.wait_for(name, "/marker").body == f"{name} was here".encode()
    pair.new.start()
    pair.new.settle()
    assert pair.running_on(name) == [pair.old.name]
    pair.world.launchpad("retire", name, "--purge", "--yes")
    pair.world.deploy(name)
    pair.world.wait_for(name)
    reboot(pair.old, "")
    pair.old.settle()
    assert pair.running_on(name) == [pair.old.name]


def taken(pair: Pair, name: str) -> str:
    """The subnet that the tenant's network would have."""
    from launchpad.runner import slots

    slot = yaml.safe_load((pair.world.root / f"inventory/tenants/{name}.yaml").read_text())["slot"]
    return str(slots.subnet(slot))
