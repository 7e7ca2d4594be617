"""A line of an answer before the reply."""

from __future__ import annotations

from typing import Any, ClassVar

from launchpad.runner.protocol import record_as_json
from launchpad.runner.record import Record


class AnswerLine(Record):
    """A line before the reply; `TYPE` is its type on the wire."""

    TYPE: ClassVar[str] = ""

    def as_line(self) -> dict[str, Any]:
        return {"type": self.TYPE} | record_as_json(self)
