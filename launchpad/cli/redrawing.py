"""The terminal of `launchpad top`, by Textual: keys in, lines out, and a clean terminal at the end. Nothing is decided
here."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import cache, lru_cache, partial
from types import FrameType
from typing import Any, Protocol

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.app import App, ComposeResult
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from launchpad.cli.browsing import QUIT, Browsing, Chosen
from launchpad.cli.frame import frame, rows_room
from launchpad.errors import LaunchpadError
from launchpad.plan.overview import OverviewRow

LOOK_SECONDS, REDRAW_SECONDS = 0.25, 1.0
"""How often new rows are looked for, and how often ages are drawn again."""
ENDED, INTERRUPTED = 0, 130


class Rows(Protocol):
    """Where the rows come from: `LiveFleet`."""

    problem: LaunchpadError | None
    bug: BaseException | None
    changes: int

    def rows(self) -> list[OverviewRow]: ...


class Sheet(Widget, can_focus=True):
    """The whole screen. Only lines that changed are drawn again."""

    DEFAULT_CSS = "Sheet { width: 1fr; height: 1fr; }"

    def __init__(self) -> None:
        super().__init__()
        self._strips: list[Strip] = []

    def show(self, strips: list[Strip]) -> None:
        before, self._strips = self._strips, strips
        if len(before) != len(strips):
            self.refresh()
            return
        changed = [line for line, strip in enumerate(strips) if strip != before[line]]
        if changed:
            self.refresh(*(Region(0, line, self.size.width, 1) for line in changed))

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        strip = self._strips[y] if y < len(self._strips) else Strip.blank(width)
        return strip.adjust_cell_length(width)


class TopApp(App[int]):
    """The view. `run` returns the exit code; `bug` is what ended it otherwise."""

    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS = "Sheet"

    def __init__(
        self, source: Rows, *, carry_out: Callable[[tuple[str, ...]], None], now: Callable[[], float],
        shown: Callable[[str], str] = str, color: bool = True,
    ) -> None:  # fmt: skip
        """`carry_out` runs a command at the terminal; `shown` makes a text that the terminal can show."""
        super().__init__(ansi_color=True)
        self.browsing = Browsing()
        self.bug: BaseException | None = None
        self._source, self._carry_out, self._now, self._color = source, carry_out, now, color
        self._text = lru_cache(4096)(lambda text: shown(text.replace("\n", " ")))
        self._seen, self._leaving = -1, False
        self._signals: Mapping[int, Any] = {}

    def compose(self) -> ComposeResult:
        yield Sheet()

    def on_mount(self) -> None:
        self._signals = {
            number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        }
        self.set_interval(LOOK_SECONDS, self._look)
        self.set_interval(REDRAW_SECONDS, self.redraw)

    def on_unmount(self) -> None:
        for number, handler in self._signals.items():
            signal.signal(number, handler)

    def on_resize(self, _event: events.Resize) -> None:
        self.call_after_refresh(self.redraw)

    def on_key(self, event: events.Key) -> None:
        event.stop()
        event.prevent_default()
        if self._leaving:  # typed ahead, for the shell
            return
        answer = self.browsing.press(event.key, event.character or "")
        if isinstance(answer, Chosen):
            self.call_next(self._run, answer)
        elif answer == QUIT:
            self._leave(INTERRUPTED if event.key == "ctrl+c" else ENDED)
        self.redraw()

    def _look(self) -> None:
        """Take new rows, if there are any."""
        if self._source.bug is not None:
            self._end(self._source.bug)
        elif self._source.changes != self._seen:
            self.redraw()

    def redraw(self) -> None:
        """Draw what changed since the last time."""
        width, height = self.size
        if self._source.changes != self._seen:
            self._seen = self._source.changes
            self.browsing.take(self._source.rows())
        self.browsing.resize(rows_room(height))
        problem = self._source.problem.message if self._source.problem else ""
        lines = frame(self.browsing, width=width, height=height, now=self._now(), problem=problem)
        self.query_one(Sheet).show([Strip([self._segment(*part) for part in line]) for line in lines])

    def _segment(self, text: str, style: str) -> Segment:
        return Segment(self._text(text), _style(style, self._color))

    def _run(self, chosen: Chosen) -> None:
        """Give the terminal to the command, and take it back."""
        with nullcontext() if self.is_headless else self.suspend(), self._usual_signals():
            self._carry_out(chosen.words)
        self.redraw()

    @contextmanager
    def _usual_signals(self) -> Iterator[None]:
        """Ctrl-C ends the command, and not the view."""
        for number, handler in self._signals.items():
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else handler)
        try:
            yield
        finally:
            for number in self._signals:
                signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        loop: asyncio.AbstractEventLoop | None = self._loop
        if loop is not None:
            loop.call_soon_threadsafe(partial(self._leave, 128 + number))

    def _leave(self, code: int) -> None:
        self._leaving = True
        self.exit(code)

    def _end(self, bug: BaseException) -> None:
        self.bug = bug
        self._leave(ENDED)

    def _handle_exception(self, error: Exception) -> None:
        """Leave the terminal clean, without Textual's traceback, which prints the values of variables."""
        super()._handle_exception(error)
        self._exit_renderables.clear()
        self.bug = error

    def panic(self, *_renderables: Any) -> None:
        """What Textual's thread for the keyboard calls with a traceback."""
        self._end(RuntimeError("the keyboard cannot be read"))


@cache
def _style(words: str, color: bool) -> Style:
    kept = words if color else " ".join(word for word in words.split() if word in ("bold", "dim", "reverse"))
    return Style.parse(kept) if kept else Style.null()
