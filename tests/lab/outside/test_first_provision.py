"""A first provision whose connection is cut, or whose client dies: the host goes on, and who types again comes back.

The seen instance: cut after 6 s the command ended with exit 6, typed again it was refused, and after five tries the
operator was banned.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from labkit import Host, Lab

from tests.lab.test_provision import wait_for
from tests.lab.world import World, a_world
from tests.tally import Tally, tallied

EVIDENCE = pytest.mark.skipif("LAUNCHPAD_EVIDENCE" not in os.environ, reason="minutes: scripts/evidence asks it")
TYPED_AGAIN = 6
CUT_SECONDS = 6
SUBMITTED = "ls /var/lib/launchpad/operations/*/journal.jsonl"
PACKAGES = f"cat {SUBMITTED.removeprefix('ls ')} | grep -q 'packages and their dependencies'"
ROOT_IS_OUT = "/usr/sbin/sshd -T | grep -qx 'permitrootlogin no'"


@pytest.fixture(scope="module")
def holds(request: pytest.FixtureRequest) -> Iterator[Tally]:
    with tallied("outside-a10", request) as tally:
        yield tally


@pytest.fixture
def bare(lab: Lab, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    host = lab.up(f"t{os.getpid() % 1000}-first-{request.node.name[5:12].strip('_').replace('_', '-')}", fresh=True)
    yield a_world(lab, host, tmp_path / "workspace")
    lab.down(host.name)


def words(world: World) -> tuple[str, ...]:
    return ("provision", "web-1", "--root-key", str(world.host.key_path))


def cut(host: Host) -> None:
    """Every SSH connection to the host ends, as when the network between does."""
    host.exec(["sh", "-c", "pkill -KILL -x sshd-session || pkill -KILL -f '^sshd: .*@notty'"], check=False)


def failures(host: Host) -> str:
    """What fail2ban counted against anybody; empty for nothing."""
    said = host.exec(["sh", "-c", "fail2ban-client status sshd"]).stdout
    lines = [line.strip() for line in said.splitlines() if "Total failed" in line or "Total banned" in line]
    return "" if all(line.endswith("\t0") for line in lines) else "; ".join(lines)


def gets_in(world: World) -> bool:
    return world.launchpad("status", "--json", check=False).code == 0


@EVIDENCE
def test_a_cut_connection_is_come_back_to(bare: World, holds: Tally) -> None:
    running = bare.start(*words(bare))
    wait_for(bare.host, PACKAGES)
    cut(bare.host)
    out, err = running.communicate(timeout=400)
    holds("network cut while packages are installed: the same command ends well", running.returncode == 0, out + err)
    holds("it says that the host goes on", "continues on the host" in err, err)
    holds("then the operator gets in", gets_in(bare))
    holds("then nothing is left to do", bare.launchpad("--json", *words(bare)).json["outcome"] == "unchanged")
    holds("nobody counts against the operator", not failures(bare.host), failures(bare.host))


@EVIDENCE
def test_typed_again_and_again(bare: World, holds: Tally) -> None:
    for _ in range(TYPED_AGAIN):
        running = bare.start(*words(bare))
        time.sleep(CUT_SECONDS)
        running.kill()
        running.communicate()
    done = bare.launchpad(*words(bare), check=False, timeout=400)
    holds(f"client killed {TYPED_AGAIN} times: typed again it is followed to its end", done.code == 0, done.err)
    ends = bare.host.exec(["sh", "-c", "cat /var/lib/launchpad/operations/*/outcome.json"]).stdout
    holds("one provision was carried out, none was undone", ends.count('"done"') == 1 and "undone" not in ends, ends)
    holds("killed again and again: the operator is not banned and gets in", gets_in(bare))
    holds("killed again and again: nothing counts against them", not failures(bare.host), failures(bare.host))


@EVIDENCE
def test_cut_when_root_is_out_already(bare: World, holds: Tally) -> None:
    running = bare.start(*words(bare))
    wait_for(bare.host, ROOT_IS_OUT)
    cut(bare.host)
    out, err = running.communicate(timeout=400)
    holds("network cut when root is refused already: it ends well as the operator", running.returncode == 0, out + err)
    holds("root's closed login counts against nobody", not failures(bare.host), failures(bare.host))
    holds("and the operator gets in", gets_in(bare))
