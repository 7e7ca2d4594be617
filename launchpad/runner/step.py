"""A step: one change of a host, as data. Each family of steps is in a `steps.py`; the `effects.py` beside it carries
them out, and `families.py` knows every kind.

Every step is idempotent, may die anywhere, and is undone by what `look` saw before it.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from launchpad.runner.record import Record


class Step(Record):
    """One change of a host. Its fields are plain JSON, because a plan is kept on disk; what is so of every step of a
    kind is a fact of its class."""

    once = False
    """Carried out at most once, whatever dies: the data is another one behind it."""
    barrier = False
    """It guards data: it is undone at most once, and nothing before it is undone until it is."""
    undone = True
    """Whether undo has anything to take back. False where the step leaves nothing, where what it leaves is kept on
    purpose, and where an earlier step's undo takes it back."""
    superseded = False
    """Its undo only starts again what a deploy starts anew: where it cannot be undone, a deploy may take over."""
    expected = False
    """What it waits for may be here before it is begun, so it is undone even when it never was."""

    @property
    def title(self) -> str:
        """What a person reads while the step goes on."""
        return step_name(type(self)).replace("-", " ")


def step_name(kind: type) -> str:
    """`PlaceRelease` → `place-release`: the step's name in journals, events and on the screen."""
    return _hyphenated(kind.__name__)


@cache
def _hyphenated(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()


def step_as_json(step: Step) -> dict[str, Any]:
    """{"step": name, …fields}."""
    return {"step": step_name(type(step))} | step.plain()
