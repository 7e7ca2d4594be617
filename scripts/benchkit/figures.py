"""What was measured, and the table of it."""

from __future__ import annotations

import dataclasses
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One line of the table: the median of `n` runs, and how far they were apart."""

    text: str
    value: float
    unit: str
    n: int
    least: float
    most: float
    goal: float | None = None
    """At most so much; None: printed, and no promise."""
    evidence: str = ""
    """Its name among the project's goals."""

    @property
    def holds(self) -> bool:
        return self.goal is None or self.value <= self.goal


class Figures:
    """Everything that a run measured, in order."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.all: list[Figure] = []
        self.notes: list[str] = []
        self._quiet = quiet

    def say(self, text: str) -> None:
        if not self._quiet:
            print(text, file=sys.stderr, flush=True)

    def note(self, text: str) -> None:
        """Something that the reader of the figures has to know."""
        self.notes.append(text)

    def add(
        self, text: str, values: Sequence[float], unit: str, *, goal: float | None = None, evidence: str = ""
    ) -> float:
        """Add a figure from its runs and return their median."""
        middle = statistics.median(values)
        self.all.append(
            Figure(
                text=text,
                value=middle,
                unit=unit,
                n=len(values),
                least=min(values),
                most=max(values),
                goal=goal,
                evidence=evidence,
            )
        )
        return middle

    @property
    def short(self) -> list[Figure]:
        return [figure for figure in self.all if not figure.holds]

    def as_json(self) -> dict[str, Any]:
        figures = [dataclasses.asdict(figure) | {"holds": figure.holds} for figure in self.all]
        return {"figures": figures, "notes": self.notes, "holds": not self.short}

    def table(self) -> str:
        rows = [("figure", "median", "least", "most", "n", "goal", "")]
        for figure in self.all:
            goal = "" if figure.goal is None else f"≤ {figure.goal:g}"
            verdict = "" if figure.goal is None else "holds" if figure.holds else "falls short"
            amounts = (_number(figure.value, figure.unit), _number(figure.least), _number(figure.most))
            rows.append((figure.text, *amounts, str(figure.n), goal, verdict))
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = ["  ".join(_aligned(row, widths)).rstrip() for row in rows]
        promised = [figure for figure in self.all if figure.goal is not None]
        end = [f"{len(promised) - len(self.short)} of {len(promised)} goals hold"] if promised else []
        return "\n".join([*lines, "", *self.notes, *end])


def timed(work: Callable[[], object]) -> float:
    """Seconds that the work took."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _aligned(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    first, *numbers, goal, verdict = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
    return [first, *(number.strip().rjust(len(number)) for number in numbers), goal, verdict]


def _number(value: float, unit: str = "") -> str:
    text = f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"
    return f"{text} {unit}".strip()
