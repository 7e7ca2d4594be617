"""Assertions that count: each is one of the n behind a figure of the evidence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from measurement import record


@dataclass
class Tally:
    """Assertions by what they say."""

    held: dict[str, bool] = field(default_factory=dict)

    def __call__(self, what: str, fact: object, shown: object = "") -> None:
        """AssertionError with what was found instead, when it is not so; either way it counts."""
        assert what not in self.held, f"asserted twice: {what}"
        self.held[what] = bool(fact)
        assert fact, f"{what}: {shown}"


@contextmanager
def tallied(figure: str, request: pytest.FixtureRequest) -> Iterator[Tally]:
    """Count in here, then print the table and write the figure down: how many do not hold, of how many. A test that
    broke off is one that does not hold."""
    tally, failed, broken = Tally(), request.session.testsfailed, True
    try:
        yield tally
        broken = False
    finally:
        wrong = max(request.session.testsfailed - failed, sum(not held for held in tally.held.values()), int(broken))
        lines = [f"  {'holds' if held else 'FAILS'}  {what}" for what, held in tally.held.items()]
        print("\n".join([f"\n{figure}: {len(tally.held)} assertions, {wrong} do not hold", *lines]))
        record(figure, wrong, n=len(tally.held))
