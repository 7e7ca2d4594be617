"""What every tier of tests shares."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from measurement import record

if TYPE_CHECKING:
    from tests.ssh.sshd import Sshd

SERVERS = {"sshd", "machine", "hanging_up"}
"""The fixtures that start a server: who asks for one is marked `programs`."""


@pytest.hookimpl(tryfirst=True)  # before what is not wanted is left out
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if SERVERS & set(getattr(item, "fixturenames", ())):
            item.add_marker("programs")


def pytest_collection_finish() -> None:
    """What was collected stays to the end: to look through it for garbage is a tenth of the unit tests' time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


@pytest.fixture
def measured() -> Callable[..., None]:
    """`measured("figure", value, n=…, detail=…)`: one line of evidence when scripts/evidence runs the tests."""
    return record


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    """One that answers, for this test alone."""
    from tests.ssh.sshd import Sshd

    server = Sshd(tmp_path / "sshd")
    try:
        server.start()
        yield server
    finally:
        server.stop()
