"""Mistakes in the inventory: collected, each with file and line, and reported all at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from launchpad.errors import InventoryError
from launchpad.runner.hint import Next


def printable(text: str) -> str:
    """The text with every control character escaped, so that it cannot control a terminal."""
    return "".join(mark if mark.isprintable() else repr(mark)[1:-1] for mark in text)


@dataclass(frozen=True, order=True)
class Place:
    """A line of a file of the workspace; line 0 is the file as a whole."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, order=True)
class Mistake:
    """One mistake: its place, what is wrong, what was expected, and a hint."""

    place: Place
    what: str
    expected: str = ""
    hint: str = ""
    overfull: str = ""
    """The host that promises its tenants more than it has, where that is the mistake."""

    def __str__(self) -> str:
        expected = f"; expected {self.expected}" if self.expected else ""
        hint = f" ({self.hint})" if self.hint else ""
        return printable(f"{self.place}: {self.what}{expected}{hint}")

    def as_dict(self) -> dict[str, object]:
        """The mistake as JSON: {"file", "line", "what", "expected", "hint"}."""
        return asdict(self.place) | {"what": self.what, "expected": self.expected, "hint": self.hint}


class InventoryMistakes(InventoryError):
    """Every mistake of an inventory; the message has one line for each, in the order of files and lines."""

    code = "inventory-mistakes"

    def __init__(self, mistakes: Iterable[Mistake], *, hint: str = "") -> None:
        self.mistakes = tuple(sorted(set(mistakes)))
        count = len(self.mistakes)
        title = "1 mistake in the inventory" if count == 1 else f"{count} mistakes in the inventory"
        lines = "\n".join(f"  {mistake}" for mistake in self.mistakes)
        super().__init__(f"{title}:\n{lines}", hint=hint or "correct the files, then: " + Next("check"))

    def __reduce__(self) -> tuple[type[InventoryMistakes], tuple[tuple[Mistake, ...]], dict[str, object]]:
        return type(self), (self.mistakes,), {"hint": self.hint}

    def as_dict(self) -> dict[str, object]:
        return super().as_dict() | {"mistakes": [mistake.as_dict() for mistake in self.mistakes]}
