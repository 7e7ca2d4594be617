"""A variable of an app: typed text that a tenant's file gives and the app's templates take."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from launchpad.fleet.model.base import Model, ModelMistake
from launchpad.fleet.model.tenant import Value
from launchpad.fleet.words.malformed import Malformed
from launchpad.fleet.words.references import Prose

_LINE = re.compile(r"[^\x00-\x1f\x7f\u2028\u2029]{0,512}")


class Variable(Model):
    """What values are right. Text is one line of at most 512 characters; templates still quote it where it lands."""

    type: Literal["text", "integer", "number", "switch"] = "text"
    """What kind of value is right; a switch is true or false."""
    default: Value | None = None
    """What holds for a tenant that does not set it."""
    required: bool = False
    """Whether every tenant has to set it."""
    choices: tuple[str, ...] = ()
    """The values that are right; any when left out."""
    pattern: Prose | None = None
    """A regular expression that the whole text must match."""
    purpose: Prose | None = None
    """What it is for, as people are told."""

    def parse(self, value: Value) -> Value:
        """The value when it is right; raises Malformed."""
        kinds: dict[str, tuple[type, ...]] = {
            "text": (str,),
            "integer": (int,),
            "number": (int, float),
            "switch": (bool,),
        }
        right = isinstance(value, kinds[self.type]) and isinstance(value, bool) == (self.type == "switch")
        if not right:
            quotes = ' (put it in quotes: "…")' if self.type == "text" else ""
            words = {
                "text": f"text{quotes}",
                "integer": "a whole number",
                "number": "a number",
                "switch": "true or false",
            }
            raise Malformed(
                f"not {'text' if self.type == 'text' else words[self.type]}: {value!r}", expected=words[self.type]
            )
        if isinstance(value, str):
            self._parse_text(value)
        return value

    def read(self, text: str) -> Value:
        """The value that a text of a command line stands for; raises Malformed."""
        if self.type == "switch" and text in {"true", "false"}:
            return self.parse(text == "true")
        if self.type in {"integer", "number"} and re.fullmatch(r"-?[0-9]{1,15}", text):
            return self.parse(int(text))
        if self.type == "number" and re.fullmatch(r"-?[0-9]{1,15}\.[0-9]{1,15}", text):
            return self.parse(float(text))
        return self.parse(text)

    def _parse_text(self, value: str) -> None:
        if _LINE.fullmatch(value) is None:
            raise Malformed(
                "the text has more than one line, a control character, or over 512 characters", expected="one line"
            )
        if self.choices and value not in self.choices:
            raise Malformed(f"{value!r} is not a choice", expected=f"one of {', '.join(self.choices)}")
        if self.pattern is not None and re.fullmatch(self.pattern, value) is None:
            raise Malformed(f"{value!r} does not fit", expected=f"text that matches {self.pattern}")

    def findings(self) -> Iterator[ModelMistake]:
        if self.pattern is not None:
            try:
                re.compile(self.pattern)
            except re.error as error:
                yield ModelMistake(("pattern",), f"bad regular expression: {error}", "a regular expression of Python's")
                return
        if self.default is not None:
            try:
                self.parse(self.default)
            except Malformed as error:
                yield ModelMistake(("default",), error.what, error.expected)
