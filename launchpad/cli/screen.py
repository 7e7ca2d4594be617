"""The one way to a screen: a Rich console for each of the two streams. Text from elsewhere is never markup and never
steers the terminal. On a terminal lines break between words; elsewhere a line is a line, and nothing is drawn again."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, TextIO

from launchpad.cli.legible import LEGIBLE
from launchpad.cli.typed import GLUE, glued, unglued

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

RED, GREEN, YELLOW, DIM, BOLD = "red", "green", "yellow", "dim", "bold"
UNBOUNDED = 1 << 20
"""The width of what is no terminal."""
HANG = 2
"""By how much what goes on below is indented."""
ANSWER = 4
"""The cells that are left for what a person types behind a question."""
Styled = tuple[str, str]
"""A text and its style."""


class Screen:
    """Standard output, or standard error, as people read it."""

    def __init__(self, stream: TextIO, *, color: bool) -> None:
        self.stream = stream
        self.terminal = stream.isatty()
        self._color = color
        encoding = (getattr(stream, "encoding", "") or "utf-8").lower()
        self.encoding = "" if encoding.startswith("utf") else encoding
        """Empty where every mark can be shown."""
        self.drawn: Live | None = None
        """What is drawn again and again at the bottom."""

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
        """Whether a line can be drawn again in its place."""
        return self.terminal and not self.console.is_dumb_terminal

    @contextmanager
    def still(self) -> Iterator[None]:
        """Nothing is drawn meanwhile: a person types."""
        if self.drawn is not None:
            self.drawn.stop()
        try:
            yield
        finally:
            if self.drawn is not None:
                self.drawn.start()

    def shown(self, text: str) -> str:
        """The text with everything escaped that could steer a terminal, in marks that the stream has."""
        text = safe(text)
        return text.encode(self.encoding, LEGIBLE).decode(self.encoding) if self.encoding else text

    def raw(self, text: str, *, end: str = "\n") -> None:
        """The very text."""
        try:
            self.stream.write(f"{text}{end}")
            self.stream.flush()
        except BrokenPipeError:
            quiet_exit()

    def prose(self, *parts: str | Styled, hang: int = HANG, end: str = "\n") -> None:
        """Lines of text. On a terminal they break between words, and what goes on below is indented by `hang` more; no
        command to type and no size is broken, whatever the width."""
        pairs = [(part, "") if isinstance(part, str) else part for part in parts]
        if not self.terminal:
            self.raw("".join(self.shown(text) for text, _ in pairs), end=end)
            return
        from rich.text import Text

        whole = Text.assemble(*((self.shown(text), style) for text, style in pairs))
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
        """Rows under headings, of which the `firm` ones are never broken. No word is broken: where not even whole words
        fit the terminal, the first cells of each row stand above the others, or each cell has a line of its own."""
        named, firm = list(headings), set(firm)
        cells = [[self._cell(cell, whole=name in firm) for name, cell in zip(named, row, strict=True)] for row in rows]
        lines = self._grid(named, cells) or self._stacked(named, cells)
        if lines is None:
            self._blocks(named, cells)
            return
        for line in lines:
            line.rstrip()
            self.console.print(line, soft_wrap=True) if self.terminal else self.raw(line.plain)

    def _grid(self, headings: list[str], rows: list[list[Text]], *, room: int = 0) -> list[Text] | None:
        """The lines of a table; None where it is wider than the terminal, or than the `room` that is given."""
        from rich.segment import Segment
        from rich.table import Column, Table
        from rich.text import Text

        words = [[name, *(row[index].plain for row in rows)] for index, name in enumerate(headings)]
        columns = [
            Column(name.upper(), overflow="fold", min_width=max(map(longest, column)))
            for name, column in zip(headings, words, strict=True)
        ]
        table = Table(*columns, box=None, padding=(0, 2), collapse_padding=True, pad_edge=False, header_style=BOLD)
        for row in rows:
            table.add_row(*row)
        room = room or self.console.width
        lines = list(Segment.split_lines(self.console.render(table, self.console.options.update(width=room))))
        if Segment.get_line_length(lines[0]) > room:
            return None
        return [Text.assemble(*((unglued(part.text), part.style or "") for part in line)) for line in lines]

    def _stacked(self, headings: list[str], rows: list[list[Text]]) -> list[Text] | None:
        """The same, with the first cells of each row above the others; None where that does not help."""
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
        """Names and values under each other; those without a value are left out."""
        shown = [(name, value) for name, value in pairs if value]
        width = max((len(name) for name, _ in shown), default=0) + 2
        for name, value in shown:
            self.prose((name, BOLD), f"{' ' * (width - len(name))}{value}", hang=width)


def longest(text: str) -> int:
    """The cells of the longest word."""
    from rich.cells import cell_len

    return max(map(cell_len, text.split(" ")))


def safe(text: str) -> str:
    """The text with everything escaped that could steer a terminal; lines and tabs stay."""
    return "".join(mark if mark.isprintable() or mark in "\n\t" else repr(mark)[1:-1] for mark in str(text))


def quiet_exit() -> None:
    """End as a program does whose reader has gone."""
    import typer

    # the interpreter flushes what is left at its end, and would complain
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise typer.Exit(141)
