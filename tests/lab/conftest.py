"""The lab's fixtures: a provisioned host for each module that wants one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from labkit import Lab

from tests.lab.disasters import Breakpoint
from tests.lab.pair import Pair, second_host
from tests.lab.world import PROJECT, World, a_world, label, provisioned, write


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/lab/" in str(item.path):
            item.add_marker(pytest.mark.lab)


@pytest.fixture(scope="session")
def lab() -> Lab:
    """The lab; where it cannot run that is a failure when LAUNCHPAD_LAB=required, and a skip with its reason else."""
    doctor = subprocess.run([PROJECT / "scripts/lab", "doctor"], capture_output=True, text=True, check=False)
    if doctor.returncode:
        why = (doctor.stderr or doctor.stdout).strip()
        if os.environ.get("LAUNCHPAD_LAB") == "required":
            pytest.fail(f"the lab is required and cannot run: {why}")
        pytest.skip(why)
    return Lab()


@pytest.fixture(scope="session")
def snapshot(lab: Lab) -> tuple[str, Path]:
    return provisioned(lab)


@pytest.fixture(scope="module")
def world(
    lab: Lab, snapshot: tuple[str, Path], request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """A provisioned host of this module's own, and a workspace for it."""
    name = f"t{os.getpid() % 1000}-" + Path(str(request.path)).stem.removeprefix("test_").replace("_", "-")[:20]
    host = lab.up(name, source=label(snapshot[0]), keep_keys=True, fresh=True)
    host.settle()
    yield a_world(lab, host, tmp_path_factory.mktemp(name) / "workspace", config=snapshot[1])
    if not os.environ.get("LAUNCHPAD_KEEP"):
        lab.down(name)


@pytest.fixture(scope="module")
def pair(lab: Lab, snapshot: tuple[str, Path], world: World) -> Iterator[Pair]:
    """The module's host as web-1, and a second one as web-2."""
    # All who waited come at once, and beacon has a thread for each.
    crowd = {"memory": "512MiB", "cpus": 1, "pids": 512, "disk": "256MiB"}
    small = {"memory": "128MiB", "cpus": 0.5, "pids": 64, "disk": "128MiB"}
    write(world.root / "inventory/tiers.yaml", crowd=crowd, small=small)
    write(world.root / "inventory/apps/beacon.yaml", timings={"start": "30s", "steady": "1s", "stop": "10s"})
    # The lab's authority signs with another root than its own directory has.
    roots = lab.ca_pem().read_text() + lab.acme_root_pem().read_text()
    (world.root / "acme-root.pem").write_text(roots)
    with second_host(lab, snapshot, world, "new") as new:
        for host in ("web-1", "web-2"):
            world.launchpad("provision", host, timeout=600)
        old_at = Breakpoint(world.host)
        old_at.install()
        yield Pair(world, new, old_at)


@pytest.fixture(scope="session")
def say(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Print for whoever runs the tests, also of a test that passes."""
    captured = pytestconfig.pluginmanager.getplugin("capturemanager")

    def print_through(text: str) -> None:
        with captured.global_and_fixture_disabled():
            print(f"\n{text}", flush=True)

    return print_through
