"""A variable of an app: a typed value that a tenant's file sets and the app's templates use."""

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
    """The declaration of a variable. Text is one line of at most 512 characters; templates still quote the text."""

    type: Literal["text", "integer", "number", "switch"] = "text"
    """The type of the value; a switch is true or false."""
    default: Value | None = None
    """The value for tenants that do not set the variable."""
    required: bool = False
    """Whether every tenant must set the variable."""
    choices: tuple[str, ...] = ()
    """The allowed values. Default: any value of the type."""
    pattern: Prose | None = None
    """A regular expression that the whole text must match."""
    purpose: Prose | None = None
    """The variable's purpose, printed for operators."""

    def parse(self, value: Value) -> Value:
        """Check a value and return it; raise Malformed for a wrong value."""
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
        """Parse a text from the command line; raise Malformed for a wrong value."""
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
                "the text has several lines, a control character, or more than 512 characters", expected="one line"
            )
        if self.choices and value not in self.choices:
            raise Malformed(f"{value!r} is not an allowed value", expected=f"one of {', '.join(self.choices)}")
        if self.pattern is not None and re.fullmatch(self.pattern, value) is None:
            raise Malformed(f"{value!r} does not match", expected=f"text that matches {self.pattern}")

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
