"""What commands print: tables and sentences for people, JSON for programs. Results go to standard output, everything
else to standard error, and colours only to a terminal."""

from __future__ import annotations

import codecs
import io
import json
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from launchpad.errors import LaunchpadError

NARROWEST = 80
LEAST_COLUMN = 8
RED, GREEN, YELLOW, DIM, BOLD = "31", "32", "33", "2", "1"


@dataclass(frozen=True)
class Table:
    """A table: rows under headings. Cells are text, fitted to the terminal: the widest column is folded first."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    empty: str = ""
    """The sentence to print when there are no rows."""
    firm: tuple[str, ...] = ()
    """Headings of columns that are never folded, because people copy their text."""


@dataclass(frozen=True)
class Line:
    """A line of a result: styled text (an SGR code), then plain text."""

    begins: str
    style: str = ""
    rest: str = ""


PLAIN = {"✓": "+", "✗": "x", "↶": "<", "•": "*", "→": "->", "…": "...", "—": "-"}
"""The replacement of a mark on a terminal whose encoding does not have the mark."""


def make_legible() -> None:
    """Make standard output and standard error accept every text, whatever the terminal's encoding: a missing character
    is replaced, and never an error."""
    codecs.register_error("legible", _plainer)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="legible")


def _plainer(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    marks = error.object[error.start : error.end]
    return "".join(PLAIN.get(mark) or mark.encode("ascii", "backslashreplace").decode() for mark in marks), error.end


class Output:
    """The output of one run. With `json`, standard output gets only JSON, and sentences are not printed."""

    def __init__(self, *, json: bool, color: bool, stdout: TextIO | None = None, stderr: TextIO | None = None) -> None:
        self.json = json
        self.stdout = stdout or sys.stdout
        self.stderr = stderr or sys.stderr
        self._color = color
        self._ascii = not (getattr(self.stdout, "encoding", "") or "utf-8").lower().startswith("utf")
        """JSON must be UTF-8."""

    def result(self, data: Any, text: str | Table | Sequence[Line]) -> None:
        """Print the command's only result: `data` as a JSON document, or `text` for people."""
        if self.json:
            self.document(data)
        elif isinstance(text, Table):
            self._print(self.stdout, self._table(text))
        else:
            lines = [Line(text)] if isinstance(text, str) else text
            shown = (self.styled(safe(line.begins), line.style) + safe(line.rest) for line in lines)
            self._print(self.stdout, "\n".join(shown))

    def document(self, data: Any) -> None:
        """Print the command's only result as JSON, for people too."""
        self._print(self.stdout, json.dumps(data, indent=2, ensure_ascii=self._ascii, default=_as_json))

    def item(self, data: Any, text: str) -> None:
        """Print one of several results: a line of JSON, or a line for people."""
        line = json.dumps(data, ensure_ascii=self._ascii, default=_as_json) if self.json else safe(text)
        self._print(self.stdout, line)

    def say(self, text: str, *, style: str = "") -> None:
        """Print a sentence for people beside the result; nothing under --json."""
        if not self.json:
            self._print(self.stderr, self.styled(safe(text), style, self.stderr))

    def warn(self, text: str) -> None:
        """Print a warning to standard error, under --json too."""
        self._print(self.stderr, f"{self.styled('warning:', YELLOW, self.stderr)} {safe(text)}")

    def error(self, error: LaunchpadError) -> None:
        """Print an error and its hint; under --json a document with the key "error"."""
        if self.json:
            self._print(
                self.stdout, json.dumps({"error": error.as_dict()}, indent=2, ensure_ascii=self._ascii, default=str)
            )
            return
        self._print(self.stderr, f"{self.styled('error:', RED, self.stderr)} {safe(error.message)}")
        for name, failure in getattr(error, "failures", {}).items():
            self._print(self.stderr, f"  {safe(name)}: {safe(failure.message.removeprefix(f'{name}: '))}")
        if error.hint:
            label = f"{safe(error.said_by)} suggests:" if error.said_by else "hint:"
            self._print(self.stderr, f"{self.styled(label, BOLD, self.stderr)} {safe(error.hint)}")

    def styled(self, text: str, style: str, stream: TextIO | None = None) -> str:
        """Style the text (an SGR code) when the stream is a terminal with colours."""
        if not style or not self._color or not (stream or self.stdout).isatty():
            return text
        return f"\x1b[{style}m{text}\x1b[0m"

    def _table(self, table: Table) -> str:
        if not table.rows:
            return safe(table.empty)
        rows = [[safe(cell).translate({10: " ", 9: " "}) for cell in row] for row in table.rows]
        width = max(NARROWEST, shutil.get_terminal_size().columns) if self.stdout.isatty() else NARROWEST
        columns = zip(table.headings, *rows, strict=True)
        firm = [heading in table.firm for heading in table.headings]
        widths = _fitted([max(map(len, column)) for column in columns], width, firm)
        lines = [self.styled(line, BOLD) for line in _laid_out([heading.upper() for heading in table.headings], widths)]
        for row in rows:
            lines += _laid_out(row, widths)
        return "\n".join(lines)

    def _print(self, stream: TextIO, text: str) -> None:
        if not text:
            return
        try:
            stream.write(f"{text}\n")
            stream.flush()
        except BrokenPipeError:
            quiet_exit()


def quiet_exit() -> None:
    """End quietly when the program that reads the output has ended."""
    import typer

    # the interpreter flushes the rest at its end, and would print an error
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise typer.Exit(141)


def safe(text: str) -> str:
    """Escape all control characters except line breaks and tabs, so that the text cannot control the terminal."""
    return "".join(mark if mark.isprintable() or mark in "\n\t" else repr(mark)[1:-1] for mark in str(text))


def fields(pairs: Iterable[tuple[str, object]]) -> str:
    """Format names and values as lines; leave out names without a value."""
    shown = [(name, str(value)) for name, value in pairs if value not in (None, "", ())]
    width = max((len(name) for name, _ in shown), default=0)
    return "\n".join(f"{name.ljust(width)}  {value}" for name, value in shown)


def _fitted(widths: list[int], total: int, firm: Sequence[bool]) -> list[int]:
    """Column widths whose sum, with two spaces between columns, fits the total; the widest columns shrink first."""
    fitted = list(widths)
    yielding = [index for index, is_firm in enumerate(firm) if not is_firm]
    while yielding and sum(fitted) + 2 * (len(fitted) - 1) > total:
        widest = max(yielding, key=fitted.__getitem__)
        if fitted[widest] <= LEAST_COLUMN:
            break
        fitted[widest] -= 1
    return fitted


def _laid_out(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    """The lines of one row: text that does not fit continues on the next line."""
    pieces = [_folded(cell, width) for cell, width in zip(cells, widths, strict=True)]
    height = max(len(column) for column in pieces)
    lines = []
    for index in range(height):
        parts = [
            (column[index] if index < len(column) else "").ljust(width)
            for column, width in zip(pieces, widths, strict=True)
        ]
        lines.append("  ".join(parts).rstrip())
    return lines


def _folded(text: str, width: int) -> list[str]:
    lines = []
    while len(text) > width:
        cut = text.rfind(" ", 0, width + 1)
        cut = cut if cut > 0 else width
        lines.append(text[:cut])
        text = text[cut:].lstrip()
    return [*lines, text]


def _as_json(value: object) -> object:
    """Convert values with a text form to JSON; reject every other value, secrets above all."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"{type(value).__name__} is not written as JSON")
