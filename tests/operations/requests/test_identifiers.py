"""Operation ids: what the host accepts, sortable by time, never the same twice."""

from __future__ import annotations

import time

from launchpad.operations.requests.identifiers import new_identifier
from launchpad.runner.journal import IDENTIFIER


def test_the_host_accepts_them() -> None:
    assert IDENTIFIER.fullmatch(new_identifier(time.time()))


def test_they_sort_by_time() -> None:
    moments = [0.0, 1.0, 1_790_000_000.0, 1_790_000_000.001, 100_000_000_000.0]
    ids = [new_identifier(moment) for moment in moments]
    assert ids == sorted(ids)


def test_two_of_the_same_millisecond_differ() -> None:
    # Of a thousand with five random digits, two are the same in one run of 120; of these, in one of 300,000.
    assert len({new_identifier(5.0) for _ in range(20)}) == 20
