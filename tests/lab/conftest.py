"""The lab's fixtures: a provisioned host for each module that wants one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from labkit import Lab

from tests.lab.world import PROJECT, World, a_world, label, provisioned


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


@pytest.fixture(scope="session")
def say(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Print for whoever runs the tests, also of a test that passes."""
    captured = pytestconfig.pluginmanager.getplugin("capturemanager")

    def print_through(text: str) -> None:
        with captured.global_and_fixture_disabled():
            print(f"\n{text}", flush=True)

    return print_through
