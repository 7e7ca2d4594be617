"""The only output to screens: a Rich console for each of the two streams. Text is never markup and never controls the
terminal. On a terminal, lines break between words; elsewhere lines stay whole, and nothing is redrawn."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, TextIO

from launchpad.cli.legible import LEGIBLE
from launchpad.cli.typed import GLUE, glued, unglued
from launchpad.cli.unwritable import Unwritable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

RED, GREEN, YELLOW, DIM, BOLD = "red", "green", "yellow", "dim", "bold"
UNBOUNDED = 1 << 20
"""The width of output that is no terminal."""
GAP = 2
"""The cells between columns."""
HANG = 2
"""The indent of continuation lines."""
COLOURS = re.compile(r"(?:\x1b|\\x1b)\[[0-9;]*m")
"""Colours that programs print, also in the escaped form that hosts send: left out of sentences and logs."""
ANSWER = 4
"""The cells that stay free for the answer after a question."""
Styled = tuple[str, str]
"""A text and its style."""


class Screen:
    """Standard output or standard error for people."""

    def __init__(self, stream: TextIO, *, color: bool) -> None:
        self.stream = stream
        self.terminal = stream.isatty()
        self._color = color
        encoding = (getattr(stream, "encoding", "") or "utf-8").lower()
        self.encoding = "" if encoding.startswith("utf") else encoding
        """Empty when the stream can show every mark."""
        self.drawn: Live | None = None
        """The live display at the bottom, which is redrawn."""

    @cached_property
    def console(self) -> Console:
        """The console, without markup, highlighting and emoji names."""
        from rich.console import Console

        console = Console(
            file=self.stream,
            force_terminal=self.terminal,
            color_system="standard" if self._color and self.terminal else None,
            width=None if self.terminal else UNBOUNDED,
            markup=False,
            highlight=False,
            emoji=False,
        )
        if console.is_dumb_terminal:  # Rich takes each of these for eighty columns
            import shutil

            console.width = shutil.get_terminal_size().columns
        return console

    @property
    def live(self) -> bool:
        """Whether a line can be redrawn in place."""
        return self.terminal and not self.console.is_dumb_terminal

    @contextmanager
    def still(self) -> Iterator[None]:
        """Stop redrawing during the block, because a person types."""
        if self.drawn is not None:
            self.drawn.stop()
        try:
            yield
        finally:
            if self.drawn is not None:
                self.drawn.start()

    def shown(self, text: str) -> str:
        """Escape control characters, and use marks that the stream can show."""
        text = safe(text)
        return text.encode(self.encoding, LEGIBLE).decode(self.encoding) if self.encoding else text

    def raw(self, text: str, *, end: str = "\n") -> None:
        """The very text."""
        with self._writing():
            self.stream.write(f"{text}{end}")
            self.stream.flush()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Keep an error of the output apart from errors of connections, which operations retry."""
        try:
            yield
        except BrokenPipeError:
            quiet_exit()
        except OSError as error:
            raise Unwritable.of(error) from error

    def prose(self, *parts: str | Styled, hang: int = HANG, end: str = "\n") -> None:
        """Print lines of text. On a terminal, lines break between words, and continuation lines are indented by `hang`
        more; commands to type and sizes are never broken."""
        pairs = [(part, "") if isinstance(part, str) else part for part in parts]
        pairs = [(self.shown(COLOURS.sub("", text)), style) for text, style in pairs]
        if not self.terminal:
            self.raw("".join(text for text, _ in pairs), end=end)
            return
        from rich.text import Text

        whole = Text.assemble(*pairs)
        whole.plain = glued(whole.plain)
        if end != "\n":
            whole.append(GLUE * ANSWER)
        lines = [piece for line in whole.split("\n", allow_blank=True) for piece in self._wrapped(line, hang)]
        for number, line in enumerate(lines, start=1):
            self.console.print(line, soft_wrap=True, end=end if number == len(lines) else "\n")

    def _wrapped(self, line: Text, hang: int) -> Iterable[Text]:
        from rich.text import Text

        hang += len(line.plain) - len(line.plain.lstrip(" "))
        first, pieces = Text(), [line]
        if line.cell_len > self.console.width:
            first, rest = line[:hang], line[hang:]
            rest.overflow = "ignore"  # else a long word would be cut
            pieces = [*rest.wrap(self.console, max(self.console.width - hang, 1))]
        for number, piece in enumerate(pieces):
            piece = Text(" " * hang) + piece if number else first + piece
            piece.plain = unglued(piece.plain)
            piece.rstrip()
            yield piece

    def table(
        self, headings: Iterable[str], rows: Iterable[Iterable[str | Styled]], *, firm: Iterable[str] = ()
    ) -> None:
        """Print rows under headings; `firm` columns are never broken. Words are never broken: if whole words do not fit
        the terminal, the first cells of each row are printed above the others, or each cell on a line of its own. The
        last cell of a row that is too short has the room of all columns that are left."""
        named, firm = list(headings), set(firm)
        cells = [[self._cell(cell, whole=name in firm) for name, cell in zip(named, row, strict=False)] for row in rows]
        lines = self._grid(named, cells)
        if lines is None:
            cells = [[*row, *[self._cell("", whole=False)] * (len(named) - len(row))] for row in cells]
            lines = self._stacked(named, cells)
        if lines is None:
            self._blocks(named, cells)
            return
        for line in lines:
            line.rstrip()
            self.console.print(line, soft_wrap=True) if self.terminal else self.raw(line.plain)

    def _grid(self, headings: list[str], rows: list[list[Text]], *, room: int = 0) -> list[Text] | None:
        """The lines of a table; None when the table is wider than the terminal, or than `room`."""
        from rich.text import Text

        room, count = room or self.console.width, len(headings)
        whole = [row if len(row) == count else row[:-1] for row in rows]
        words = [
            [name, *(row[index].plain for row in whole if index < len(row))] for index, name in enumerate(headings)
        ]
        widths = _shared(words, room)
        if widths is None:
            return None
        lines = self._lines([[Text(name.upper(), BOLD) for name in headings]], widths)
        for length, group in groupby(rows, key=len):
            left = room - sum(widths[: length - 1]) - GAP * (length - 1)
            if length == count:
                lines += self._lines(group, widths)
                continue
            for row in group:
                if longest(row[-1].plain) > left:
                    return None
                lines += self._lines([row], [*widths[: length - 1], min(left, row[-1].cell_len)])
        return lines

    def _lines(self, rows: Iterable[list[Text]], widths: list[int]) -> list[Text]:
        """The lines of rows whose columns have these widths."""
        from rich.segment import Segment
        from rich.table import Column, Table
        from rich.text import Text

        columns = [Column(overflow="fold", width=width) for width in widths]
        table = Table(*columns, box=None, padding=(0, GAP), collapse_padding=True, pad_edge=False, show_header=False)
        for row in rows:
            table.add_row(*row)
        room = sum(widths) + GAP * (len(widths) - 1)
        lines = list(Segment.split_lines(self.console.render(table, self.console.options.update(width=room))))
        return [Text.assemble(*((unglued(part.text), part.style or "") for part in line)) for line in lines]

    def _stacked(self, headings: list[str], rows: list[list[Text]]) -> list[Text] | None:
        """The lines of a table with the first cells of each row above the others; None when this is too wide, too."""
        from rich.text import Text

        for count in range(1, len(headings)):
            first = self._grid(headings[:count], [row[:count] for row in rows])
            rest = self._grid(headings[count:], [row[count:] for row in rows], room=self.console.width - HANG)
            if first and rest and len(first) == len(rest) == len(rows) + 1:
                return [part for above, below in zip(first, rest, strict=True) for part in (above, Text("  ") + below)]
        return None

    def _cell(self, cell: str | Styled, *, whole: bool) -> Text:
        from rich.text import Text

        text, style = (cell, "") if isinstance(cell, str) else cell
        line = glued(self.shown(text).translate({9: " ", 10: " "}))
        return Text(line.replace(" ", GLUE) if whole else line, style)

    def _blocks(self, headings: list[str], rows: list[list[Text]]) -> None:
        for number, row in enumerate(rows):
            if number:
                self.prose("")
            self.fields((name, unglued(cell.plain)) for name, cell in zip(headings, row, strict=True))

    def fields(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Print names and values as lines; leave out names without a value."""
        shown = [(name, value) for name, value in pairs if value]
        width = max((len(name) for name, _ in shown), default=0) + 2
        for name, value in shown:
            self.prose((name, BOLD), f"{' ' * (width - len(name))}{value}", hang=width)


def _shared(columns: list[list[str]], room: int) -> list[int] | None:
    """The width of each column: at least its longest word, and what is left goes first to who needs least; None when
    there is not so much room."""
    from rich.cells import cell_len

    widths = [max(map(longest, column)) for column in columns]
    lacking = [max(map(cell_len, column)) - width for column, width in zip(columns, widths, strict=True)]
    spare = room - sum(widths) - GAP * (len(widths) - 1)
    for served, index in enumerate(sorted(range(len(widths)), key=lacking.__getitem__)):
        more = min(lacking[index], max(0, spare) // (len(widths) - served))
        widths[index], spare = widths[index] + more, spare - more
    return widths if spare >= 0 else None


def longest(text: str) -> int:
    """The width of the longest word."""
    from rich.cells import cell_len

    return max(map(cell_len, text.split(" ")))


def safe(text: str) -> str:
    """Escape all control characters except line breaks and tabs, so that the text cannot control the terminal."""
    return "".join(mark if mark.isprintable() or mark in "\n\t" else repr(mark)[1:-1] for mark in str(text))


def quiet_exit() -> None:
    """End quietly when the program that reads the output has ended."""
    import typer

    # the interpreter flushes the rest at its end, and would print an error
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise typer.Exit(141)
