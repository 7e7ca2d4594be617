"""What commands print: tables and sentences for people, JSON for programs. Results go to standard output, everything
else to standard error, and colours only to a terminal."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TextIO

from launchpad.cli.screen import BOLD, RED, YELLOW, Screen, Styled
from launchpad.cli.typed import apart
from launchpad.errors import LaunchpadError


@dataclass(frozen=True)
class Table:
    """Rows under headings; a cell is a text, or a text and its style. The last cell of a row that is too short has the
    room of all columns that are left."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str | Styled, ...], ...]
    empty: str = ""
    """The sentence to print when there are no rows."""
    firm: tuple[str, ...] = ()
    """Headings of columns that are never folded, because people copy their text."""


@dataclass(frozen=True)
class Line:
    """A line of a result: styled text, then plain text."""

    begins: str
    style: str = ""
    rest: str = ""


@dataclass(frozen=True)
class Fields:
    """Names and values under each other; those without a value are left out."""

    pairs: tuple[tuple[str, str], ...]


Shown = str | Table | Fields | Line


@dataclass(kw_only=True)
class FollowedOperation:
    """An operation that a command follows."""

    host: str
    tenant: str
    kind: str
    ended: bool = False


class Output:
    """The output of one run. With `json`, standard output gets only JSON, and sentences are not printed."""

    def __init__(self, *, json: bool, color: bool, stdout: TextIO | None = None, stderr: TextIO | None = None) -> None:
        self.json = json
        self.out = Screen(stdout or sys.stdout, color=color)
        self.err = Screen(stderr or sys.stderr, color=color)
        self.followed: dict[str, FollowedOperation] = {}
        """The operations that this command followed, by id."""

    def result(self, data: Any, shown: Shown | Sequence[Shown]) -> None:
        """Print the command's only result: `data` as a JSON document, or the form for people."""
        if self.json:
            self.document(data)
            return
        for item in [shown] if isinstance(shown, Shown) else shown:
            self._show(item)

    def document(self, data: Any) -> None:
        """Print the command's only result as JSON, for people too."""
        self.out.raw(json.dumps(data, indent=2, ensure_ascii=bool(self.out.encoding), default=_as_json))

    def verbatim(self, data: Any, text: str) -> None:
        """Print the command's only result unchanged: a file or a value."""
        if self.json:
            self.document(data)
        else:
            self.out.raw(self.out.shown(text))

    def item(self, data: Any, text: str) -> None:
        """Print one of several results: a line of JSON, or a line for people."""
        if self.json:
            self.out.raw(json.dumps(data, ensure_ascii=bool(self.out.encoding), default=_as_json))
        elif text:
            self.out.prose(text)

    def say(self, text: str, *, style: str = "") -> None:
        """Print a sentence for people beside the result; nothing under --json."""
        if text and not self.json:
            parts = [(self._apart(text), style)] if style else _about(self._apart(text))
            self.err.prose(*parts)

    def warn(self, text: str, *, hint: str = "") -> None:
        """Print a warning and its hint to standard error, under --json too: the hint in lines of its own on a terminal,
        and in parentheses elsewhere."""
        beside = f" ({hint})" if hint and not self.err.terminal else ""
        self.err.prose(("warning:", YELLOW), " ", *_about(self._apart(f"{text}{beside}")))
        for line in self._apart(hint).split("\n") if hint and not beside else ():
            self.err.prose(line if self._apart(hint).startswith("  ") else f"  {line}")

    def error(self, error: LaunchpadError) -> None:
        """Print an error and its hint; under --json a document with the key "error"."""
        if self.json:
            data = {"error": error.as_dict()}
            self.out.raw(json.dumps(data, indent=2, ensure_ascii=bool(self.out.encoding), default=str))
            return
        first, *more = error.message.split("\n")
        self.err.prose(("error:", f"{BOLD} {RED}"), " ", *_standing_out(first))
        for line in more:
            self.err.prose(*_standing_out(self._apart(line)))
        for name, failure in getattr(error, "failures", {}).items():
            self.err.prose(*_standing_out(f"  {name}: {failure.message.removeprefix(f'{name}: ')}"))
        if error.hint:
            self._hint(f"{error.said_by} suggests:" if error.said_by else "hint:", error.hint)
        if cause := getattr(error, "likely_cause", None):
            self.err.prose(("likely cause:", BOLD), f" {cause.message}")
            self._hint("type:", cause.hint)

    @contextmanager
    def asking(self, question: str) -> Iterator[None]:
        """Print a question; the answer is typed after it."""
        with self.err.still():
            self.err.prose(question, end=" ")
            yield

    def _show(self, item: Shown) -> None:
        match item:
            case Table(rows=()):
                self._show(item.empty)
            case Table():
                self.out.table(item.headings, item.rows, firm=item.firm)
            case Fields():
                self.out.fields(item.pairs)
            case Line():
                self.out.prose((self._apart(item.begins), item.style), self._apart(item.rest))
            case str() if item:
                self.out.prose(item)

    def _hint(self, label: str, text: str) -> None:
        hint = self._apart(text)
        self.err.prose((label, BOLD), f"\n{hint}" if hint.startswith("  ") else f" {hint}")

    def _apart(self, text: str) -> str:
        return apart(text) if self.err.terminal else text


def fields(pairs: Iterable[tuple[str, object]]) -> Fields:
    """Names and values under each other; those without a value are left out."""
    return Fields(tuple((name, str(value)) for name, value in pairs if value not in (None, "", ())))


def _about(text: str) -> Iterator[str | Styled]:
    """A sentence, with the tenant, host or file that it is about in bold."""
    found = re.match(r"\S+:(?= |\n)", text)
    about = found[0] if found else ""
    yield about, BOLD
    yield text[len(about) :]


def _standing_out(text: str) -> Iterator[str | Styled]:
    """The line of an error: the subject, the event, and the cause."""
    found = re.fullmatch(r"( *)(\S+:)( .+: )?( ?.+?)", text, re.DOTALL)
    if found is None:
        yield text
        return
    yield found[1]
    yield found[2], BOLD
    yield found[3] or ""
    yield found[4], RED if found[3] else ""


def _as_json(value: object) -> object:
    """Convert values with a text form to JSON; reject every other value, secrets above all."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"{type(value).__name__} is not written as JSON")
