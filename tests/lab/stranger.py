"""Somebody else on the lab's bridge, so that what the hosts do to strangers leaves the operator alone."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from labkit.network import BRIDGE

ADDRESS = "10.77.0.251"


@pytest.fixture
def strange_address() -> Iterator[str]:
    """An address of this machine, beside the one that the operator connects from."""
    subprocess.run(["ip", "address", "replace", f"{ADDRESS}/32", "dev", BRIDGE], check=True)
    yield ADDRESS
    subprocess.run(["ip", "address", "del", f"{ADDRESS}/32", "dev", BRIDGE], check=False)
