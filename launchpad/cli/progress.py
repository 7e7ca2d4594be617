"""The progress of an operation while it runs: a spinner and its steps on a terminal, lines elsewhere, or JSON lines."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from launchpad.cli.output import DIM, GREEN, RED, YELLOW, Output, safe
from launchpad.cli.wording import lasted, moment
from launchpad.events import (
    CameBack,
    ConnectionCut,
    Event,
    HeardEvent,
    MemberEnded,
    NameAstray,
    OnEvent,
    OperationResumed,
    OperationStarted,
    StepDone,
    StepFailedEvent,
    StepProgress,
    StepStarted,
    StepUndone,
    UndoFailed,
    UndoStarted,
    WaveJudged,
    WaveSoaking,
    WaveStarted,
)
from launchpad.operations.requests.outcome import GOOD

if TYPE_CHECKING:
    from rich.live import Live

DONE, FAILED, UNDONE, NOTE = "✓", "✗", "↶", "•"


class Teller(Protocol):
    """An event listener that threads may share."""

    def hear(self, heard: HeardEvent) -> None: ...


@contextmanager
def telling(output: Output, *, brief: bool = False) -> Iterator[OnEvent]:
    """Give an `on_event` for the operations in the block. With `brief`, print only the failures of each operation."""
    if output.json:
        yield lambda heard: output.item(heard.as_json(), "")
    elif output.stderr.isatty():
        with _on_terminal(output, brief=brief) as teller:
            yield teller.hear
    else:
        yield ProgressLines(output, brief=brief).hear


@contextmanager
def working(output: Output, what: str) -> Iterator[Callable[[str], None]]:
    """Give a function that shows the progress of work on this machine: a status line on a terminal, nothing
    elsewhere."""
    if output.json or not output.stderr.isatty():
        yield lambda _text: None
        return
    from rich.console import Console

    plain = not output.styled("x", DIM, sys.stderr)
    console = Console(file=output.stderr, highlight=False, markup=False, no_color=plain)
    with console.status(safe(what)) as shown:
        yield lambda text: shown.update(safe(f"{what}: {text}"))


class ProgressLines:
    """Print one line for each finished step and for each other event that an operator needs."""

    def __init__(self, output: Output, *, brief: bool = False) -> None:
        self._output = output
        self._brief = brief
        self._guard = threading.Lock()
        self._titles: dict[tuple[str, int], str] = {}
        self._said: dict[str, str] = {}

    def hear(self, heard: HeardEvent) -> None:
        with self._guard:
            if isinstance(heard.event, StepStarted):
                self._titles[heard.operation, heard.event.index] = heard.event.title or heard.event.step
            if self._again(heard):
                return
            for mark, style, text in self._lines(heard, heard.event):
                self.print(f"{self._output.styled(mark, style, self._output.stderr)} {subject(heard)}: {safe(text)}")

    def _again(self, heard: HeardEvent) -> bool:
        """Whether the operation's last progress text was the same, as when a pulled image is unpacked."""
        text = heard.event.text if isinstance(heard.event, StepProgress) else ""
        before, self._said[heard.operation] = self._said.get(heard.operation, ""), text
        return bool(text) and text == before

    def print(self, line: str) -> None:
        print(line, file=self._output.stderr, flush=True)

    def _lines(self, heard: HeardEvent, event: Event) -> Iterator[tuple[str, str, str]]:
        match event:
            case StepDone() | StepProgress() | StepUndone() if self._brief:
                return
            case WaveStarted() | MemberEnded() | WaveSoaking() | WaveJudged():
                yield _of_rollout(event)
            case StepDone():
                yield DONE, GREEN, f"{self._title(heard, event)}  {lasted(event.seconds)}"
            case StepFailedEvent():
                yield FAILED, RED, f"{self._title(heard, event)}: {event.message}"
                yield from ((" ", DIM, f"  {line}") for line in event.lines)
            case UndoStarted():
                yield UNDONE, YELLOW, f"undoing: {event.reason}"
            case StepUndone():
                yield UNDONE, YELLOW, f"undone: {self._title(heard, event)}"
            case UndoFailed():
                yield FAILED, RED, f"cannot undo {self._title(heard, event)} yet: {event.message}"
            case OperationResumed():
                yield NOTE, YELLOW, f"the host resumes after an interruption (attempt {event.attempt})"
            case ConnectionCut():
                yield NOTE, YELLOW, f"connection lost, reconnecting: {event.reason}"
            case CameBack():
                yield NOTE, YELLOW, _came_back(event)
            case NameAstray():
                where = f"points to {', '.join(event.leads_to)}" if event.leads_to else "has no DNS record"
                yield (
                    NOTE,
                    YELLOW,
                    f"{event.name} {where}, so the host gets no certificate for {event.name}; DNS record to set: "
                    f"{event.record}",
                )
            case StepProgress():
                yield NOTE, DIM, event.text

    def _title(self, heard: HeardEvent, event: Any) -> str:
        return self._titles.get((heard.operation, event.index), str(event.step))


def _came_back(event: CameBack) -> str:
    begun = f"the {event.kind} that you started at {moment(event.since)}"
    if not event.outcome:
        return f"{begun} is still running: this command follows it and starts no second one"
    if event.outcome not in GOOD:
        return f"{begun} was undone ({event.outcome}) and changed nothing: starting again"
    return f"{begun} has ended, and you have not seen the result: this is the result; no second one is started"


MARKS = {"changed": (DONE, GREEN), "undone": (UNDONE, YELLOW), "left": (NOTE, DIM), "pass": (DONE, GREEN)}
"""Outcome of a tenant or verdict of a wave → mark and colour; every other outcome is a failure."""


def _of_rollout(event: WaveStarted | MemberEnded | WaveSoaking | WaveJudged) -> tuple[str, str, str]:
    """The line of a rollout's event: mark, colour, text."""
    match event:
        case WaveStarted():
            tenants = f"{event.tenants} tenant{'' if event.tenants == 1 else 's'}"
            hosts = f"{event.hosts} host{'' if event.hosts == 1 else 's'}"
            return NOTE, DIM, f"ring {event.ring}: {event.back or 'now'}, {tenants} on {hosts}"
        case WaveSoaking():
            return NOTE, DIM, f"ring {event.ring}: watching for {lasted(event.seconds)}"
        case WaveJudged():
            mark, style = MARKS.get(event.verdict, (FAILED, RED))
            return mark, style, f"ring {event.ring}: {event.verdict}{f': {event.reason}' if event.reason else ''}"
        case MemberEnded():
            mark, style = MARKS.get(event.outcome, (FAILED, RED))
            time = f" in {lasted(event.seconds)}" if event.seconds else ""
            return mark, style, f"{event.outcome}{time}{f': {event.message}' if event.message else ''}"


class Spinners(ProgressLines):
    """Print the same lines, and below them a spinner with the current step of each operation."""

    def __init__(self, output: Output, live: Live, *, brief: bool = False) -> None:
        super().__init__(output, brief=brief)
        self._live = live
        self._now: dict[str, Any] = {}

    def hear(self, heard: HeardEvent) -> None:
        super().hear(heard)
        self._note(heard)

    def print(self, line: str) -> None:
        from rich.text import Text

        self._live.console.print(Text.from_ansi(line))

    def _note(self, heard: HeardEvent) -> None:
        from rich.console import Group
        from rich.spinner import Spinner
        from rich.text import Text

        with self._guard:
            match heard.event:
                case OperationStarted():
                    doing = f"{heard.event.kind}, {len(heard.event.steps)} steps"
                case StepStarted():
                    doing = heard.event.title or heard.event.step
                case StepProgress():
                    doing = heard.event.text
                case UndoStarted():
                    doing = "undoing"
                case ConnectionCut():
                    doing = "connecting"
                case WaveSoaking():
                    doing = f"ring {heard.event.ring}: watching for {lasted(heard.event.seconds)}"
                case StepDone() | StepFailedEvent() | StepUndone() | UndoFailed() | OperationResumed() | NameAstray():
                    return
                case _:
                    self._now.pop(heard.operation, None)
                    doing = ""
            if doing:
                self._now[heard.operation] = Spinner("dots", Text(f"{subject(heard)}: {safe(doing)}"))
            self._live.update(Group(*self._now.values()))


def subject(heard: HeardEvent) -> str:
    """The tenant or host that the operation changes."""
    return heard.tenant or heard.host or "rollout"


@contextmanager
def _on_terminal(output: Output, *, brief: bool) -> Iterator[Spinners]:
    from rich.console import Console
    from rich.live import Live

    console = Console(
        file=output.stderr, highlight=False, markup=False, no_color=not output.styled("x", DIM, sys.stderr)
    )
    with Live(console=console, transient=True, refresh_per_second=8) as live:
        yield Spinners(output, live, brief=brief)
