"""What every tier of tests shares."""

from __future__ import annotations

import gc
from collections.abc import Callable

import pytest
from measurement import record


def pytest_collection_finish() -> None:
    """What was collected stays to the end: to look through it for garbage is a tenth of the unit tests' time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


@pytest.fixture
def measured() -> Callable[..., None]:
    """`measured("figure", value, n=…, detail=…)`: one line of evidence when scripts/evidence runs the tests."""
    return record
