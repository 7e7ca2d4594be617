"""Faults that the analysers' author had not listed, made on a real host; and a secret as real programs print it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple

import pytest
from measurement import record

from tests.lab.test_diagnosing import WEB, causes, diagnosed, secret_of
from tests.lab.test_watching import until
from tests.lab.world import World

pytestmark = pytest.mark.skipif("LAUNCHPAD_EVIDENCE" not in os.environ, reason="minutes: scripts/evidence asks it")
INSIDE = f"docker exec {WEB} sh -c "
TO_ITS_LOG = "> /proc/1/fd/1 2>&1"
LISTENS = "import socket, time; s = socket.create_server(('0.0.0.0', 443)); time.sleep(600)"
LAYERS = f"docker inspect -f '{{{{.GraphDriver.Data.LowerDir}}}}' {WEB}"
LAYER = f"layer=$({LAYERS} | tr : '\\n' | grep -v -e -init | tail -n 1)"
TWO_MORE = "exec 3</etc/passwd 4</etc/passwd 5</etc/passwd"


class Fault(NamedTuple):
    cause: str
    asked: str
    does: str
    undoes: str
    again: tuple[str, ...] = ()
    """What an operator types after that."""


FAULTS = (
    Fault("clock", "web-1", "systemctl stop chrony", "systemctl start chrony"),
    Fault(  # an address of the lab where nobody is: beyond it, a router may answer for every name server
        "resolver",
        "web-1",
        "cp /etc/resolv.conf /root/resolv.conf; echo nameserver 10.77.0.250 > /etc/resolv.conf",
        "cat /root/resolv.conf > /etc/resolv.conf; rm /root/resolv.conf",
    ),
    Fault(
        "port-taken",
        "web-1",
        f'docker stop launchpad-caddy; systemd-run -q --collect --unit=stranger python3 -c "{LISTENS}"; sleep 1;'
        " docker start launchpad-caddy; true",
        "systemctl stop stranger; docker restart launchpad-caddy",
    ),
    Fault(
        "too-many-processes",
        "alice",
        f"""timeout 30 {INSIDE}'for n in 1 2 3; do sh -c "while :; do sleep 50 & done"; done {TO_ITS_LOG}'; true""",
        "true",
        ("restart", "alice"),
    ),
    Fault(
        "open-files",
        "alice",
        f"""for n in 1 2 3; do {INSIDE}'exec {TO_ITS_LOG}; ulimit -n 5; {TWO_MORE}'; done; true""",
        "true",
        ("restart", "alice"),
    ),
    Fault(
        "image-damaged",
        "alice",
        f'{LAYER}; docker stop {WEB}; mv "$layer" "$layer.away"; echo "$layer" > /root/layer; docker start {WEB}; true',
        'layer=$(cat /root/layer); mv "$layer.away" "$layer"',
        ("start", "alice"),
    ),
)


@pytest.fixture(scope="module", autouse=True)
def alice(world: World) -> None:
    world.add_tenant("alice", version="1.0.0")
    world.deploy("alice")
    world.wait_for("alice")


def test_each_is_named_first_by_diagnose(world: World, say: Callable[[str], None]) -> None:
    named = []
    for fault in FAULTS:

        def is_first(fault: Fault = fault) -> bool:
            return causes(world, fault.asked)[:1] == [fault.cause]

        def is_over(fault: Fault = fault) -> bool:
            return fault.cause not in causes(world, fault.asked)

        world.host.exec(["sh", "-c", fault.does])
        try:
            until(is_first, fault.cause, seconds=40)
            named.append(fault.cause)
        except AssertionError:
            pass
        told = [f"{item['cause']}: {item['message']}" for item in diagnosed(world, fault.asked)["diagnoses"]]
        say(f"{fault.cause} of {fault.asked}: {told}")
        world.host.exec(["sh", "-c", fault.undoes])
        if fault.again:
            world.launchpad(*fault.again, check=False)
        until(is_over, f"{fault.cause} is over", seconds=90)
    record("ops-strange-lab-named", len(named), n=len(FAULTS))
    assert named == [fault.cause for fault in FAULTS]


PRINTS = (
    "od -c", "od -tx1", "od -An -tx1z", "od -tx2z", "od -td1", "base64 -w 30", "base64 -w 0", "base32", "fold -w 9",
    "fold -w 30", "tr a-z A-Z", "sed 's/./& /g'", "sed 's/./&\\n/g'",
    "python3 -c 'import sys; print(list(sys.stdin.buffer.read()))'",
    "python3 -c 'import sys; print(sys.stdin.buffer.read().hex(chr(58)))'", "gzip -c | base64 -w 0 | base64 -w 60",
)  # fmt: skip
NOT_READ = ("base32", "gzip")
"""Whoever wants to read these has to know what to do; no program prints a log so."""


def test_what_real_programs_print_of_a_secret_is_not_in_the_bundle(world: World) -> None:
    secret = secret_of(world, "alice")
    path = "/run/launchpad/alice/*/BEACON_TOKEN"
    for number, program in enumerate(item for item in PRINTS if not item.startswith(NOT_READ)):
        command = f'cat {path} | {program} | while read -r line; do echo "$line"; done'
        world.host.exec(["sh", "-c", f"{command} | docker exec -i {WEB} sh -c 'cat > /proc/1/fd/1'; sleep 1.1"])
        world.host.exec(["sh", "-c", f"{command} | systemd-cat -t printed-{number} -p warning"])
    world.host.exec(["journalctl", "--sync"])
    for asked in ("alice", "web-1"):
        found = diagnosed(world, asked)["text"]
        assert secret[:12].lower() not in found.lower()
        bare = "".join(mark for mark in found.lower() if mark.isalnum())
        assert "".join(mark for mark in secret.lower() if mark.isalnum())[:12] not in bare
