"""A step: one change of a host, as data. Each family of steps is in a `steps.py`; the `effects.py` beside it runs the
steps, and `families.py` lists every kind.

Every step is idempotent, its process may die anywhere, and undo uses what `look` saw before the step.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from launchpad.runner.record import Record


class Step(Record):
    """One change of a host. The fields are plain JSON, because a plan is stored on disk; properties of a whole kind are
    class attributes."""

    once = False
    """Runs at most once, even after a crash, because the data is different after it."""
    barrier = False
    """Guards data: undone at most once, and no earlier step is undone before it."""
    undone = True
    """Whether undo does anything. False when the step leaves nothing, when its result stays on purpose, or when an
    earlier step's undo removes it."""
    superseded = False
    """Its undo only restarts containers that a deploy would start too: if the undo is impossible, a deploy may replace
    the operation."""
    expected = False
    """What the step waits for may arrive before the step begins, so the step is undone even if it never began."""

    @property
    def title(self) -> str:
        """The step's name for people."""
        return step_name(type(self)).replace("-", " ")


def step_name(kind: type) -> str:
    """`PlaceRelease` → `place-release`: the step's name in journals and events."""
    return _hyphenated(kind.__name__)


@cache
def _hyphenated(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()


def step_as_json(step: Step) -> dict[str, Any]:
    """{"step": name, …fields}."""
    return {"step": step_name(type(step))} | step.plain()
