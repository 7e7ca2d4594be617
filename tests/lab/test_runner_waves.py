"""A newer Launchpad's runner on two real hosts: in waves, with one on which it does not work, and the way back."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from labkit import Host, Lab
from measurement import record

from launchpad import __version__
from tests.lab.pair import second_host
from tests.lab.world import PROJECT, Done, World

NEWER = "9.0.0"
BROKEN = "/etc/launchpad-is-broken-here"
GOES_BACK_SECONDS = 30


def newer(folder: Path) -> Path:
    """This project as a later release: its runner does not answer operators where BROKEN is."""
    shutil.copytree(PROJECT / "launchpad", folder / "launchpad", symlinks=False)
    own = folder / "launchpad/__init__.py"
    own.write_text(own.read_text().replace(__version__, NEWER))
    hello = folder / "launchpad/runner/verbs/hello.py"
    text, line = hello.read_text(), "    body_from_json(Hello, body)\n"
    assert line in text
    here = f'host.read("{BROKEN}") is not None and _caller.operator != "install"'
    where = f'    if {here}:\n        raise SystemExit("broken")\n'
    hello.write_text(text.replace(line, where + line, 1))
    return folder


@pytest.fixture(scope="module")
def second(lab: Lab, snapshot: Any, world: World) -> Iterator[Host]:
    with second_host(lab, snapshot, world, "two") as host:
        for name in ("web-1", "web-2"):
            world.launchpad("provision", name, timeout=600)
        world.add_tenant("alice")
        world.deploy("alice")
        yield host


def later(world: World, folder: Path, *words: str) -> Done:
    """The later release's command line."""
    argv = [sys.executable, "-m", "launchpad.cli", "-w", str(world.root), "--json", *words]
    environment = world.environment | {"PYTHONPATH": str(folder)}
    done = subprocess.run(argv, capture_output=True, text=True, env=environment, cwd=folder, timeout=400, check=False)
    return Done(done.returncode, done.stdout, done.stderr)


def outcomes(done: Done) -> dict[str, str]:
    lines = [json.loads(line) for line in done.out.splitlines()]
    results = {line["host"]: line["outcome"] for line in lines if "outcome" in line and "event" not in line}
    return results | {line["name"]: "failed" for line in lines if "name" in line and "error" in line}


def version(host: Host) -> str:
    start = host.exec(["readlink", "-f", "/usr/local/sbin/launchpad-runner"]).stdout.strip()
    return str(json.loads(host.read(f"{Path(start).parent}/runner.json"))["version"])


@pytest.mark.skipif("LAUNCHPAD_EVIDENCE" not in os.environ, reason="minutes: scripts/evidence asks it")
def test_a_newer_runner_comes_in_waves_stops_where_it_does_not_work_and_goes_back(
    world: World, second: Host, tmp_path: Path
) -> None:
    folder = newer(tmp_path)
    second.write(BROKEN, "")
    starts = world.containers("alice")
    first = later(world, folder, "runner", "upgrade", "--all", "--yes")
    assert outcomes(first) == {"web-1": "upgraded", "web-2": "failed"}, first
    assert first.code == 6 and "restores the old runner" in first.out
    end = time.monotonic() + 2 * GOES_BACK_SECONDS
    while version(second) != __version__:
        assert time.monotonic() < end, "the host stays with a runner that does not answer"
        time.sleep(0.5)
    assert version(world.host) == NEWER

    second.exec(["rm", BROKEN])
    again = later(world, folder, "runner", "upgrade", "--all", "--yes")
    assert outcomes(again) == {"web-1": "unchanged", "web-2": "upgraded"}, again
    assert version(second) == NEWER

    back = later(world, folder, "runner", "upgrade", "--all", "--undo", "--yes")
    assert outcomes(back) == {"web-1": "returned", "web-2": "returned"}, back
    assert (version(world.host), version(second)) == (__version__, __version__)
    assert world.launchpad("--json", "provision", "web-1").json["outcome"] == "unchanged", "as it was before"
    assert world.containers("alice") == starts and world.get("alice", "/startupz").status == 200
    record("ops-runner-waves", 0)
