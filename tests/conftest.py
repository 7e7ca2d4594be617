"""What every tier of tests shares."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from measurement import record


@pytest.fixture
def measured() -> Callable[..., None]:
    """`measured("figure", value, n=…, detail=…)`: one line of evidence when scripts/evidence runs the tests."""
    return record
