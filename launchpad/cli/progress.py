"""The progress of an operation: on a terminal a live line for each tenant, and a short account at the end; elsewhere
lines; under --json JSON lines."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from launchpad.cli.output import FollowedOperation, Output
from launchpad.cli.screen import DIM, GREEN, RED, YELLOW, Screen
from launchpad.cli.wording import lasted, moment
from launchpad.events import (
    CameBack,
    ConnectionCut,
    Event,
    HeardEvent,
    MaintenanceProgress,
    MemberEnded,
    NameAstray,
    OnEvent,
    OperationFinished,
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
    from rich.console import RenderableType
    from rich.text import Text

DONE, FAILED, UNDONE, NOTE = "✓", "✗", "↶", "•"
LONG = 1.0
"""Seconds: a longer step is named in the last line of its operation."""
COMMIT = "commit"
"""A step without work, which has no event for its end."""
WAITING = 3.0
"""Seconds: a live line shows the duration of a step that takes longer."""


class Teller(Protocol):
    """An event listener that threads may share."""

    def hear(self, heard: HeardEvent) -> None: ...


@contextmanager
def telling(output: Output, *, brief: bool = False) -> Iterator[OnEvent]:
    """Give an `on_event` for the operations in the block. With `brief`, print only the failures of each operation."""
    if output.json:
        yield lambda heard: output.item(heard.as_json(), "")
    elif output.err.live:
        with _on_terminal(output, brief=brief) as teller:
            yield teller.hear
    else:
        yield ProgressLines(output, brief=brief).hear


@contextmanager
def working(output: Output, what: str) -> Iterator[Callable[[str], None]]:
    """Give a function that shows the progress of work on this machine: a status line on a terminal, nothing
    elsewhere."""
    if output.json or not output.err.live:
        yield lambda _text: None
        return
    doing = LiveLine(what)
    with _live(output.err, {"": doing}):
        yield doing.goes_on


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
            self._follow(heard, heard.event)
            if self._again(heard):
                return
            self._note(heard, heard.event)
            for mark, style, text in self._lines(heard, heard.event):
                whose = f"{subject(heard)}: " if mark.strip() else ""
                self._output.err.prose((mark, style), f" {whose}{text}")

    def _follow(self, heard: HeardEvent, event: Event) -> None:
        """Keep what Ctrl-C prints about the operation."""
        followed = self._output.followed
        if isinstance(event, OperationStarted | CameBack):
            ended = isinstance(event, CameBack) and bool(event.outcome)
            followed[heard.operation] = FollowedOperation(
                host=heard.host, tenant=heard.tenant, kind=event.kind, ended=ended
            )
        elif isinstance(event, OperationFinished) and heard.operation in followed:
            followed[heard.operation].ended = True

    def _note(self, heard: HeardEvent, event: Event) -> None:
        """Keep the state of the operation."""

    def _again(self, heard: HeardEvent) -> bool:
        """Whether the operation's last progress text was the same, as when a pulled image is unpacked."""
        text = heard.event.text if isinstance(heard.event, StepProgress) else ""
        before, self._said[heard.operation] = self._said.get(heard.operation, ""), text
        return bool(text) and text == before

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
            case StepProgress() | MaintenanceProgress():
                yield NOTE, DIM, event.text

    def _title(self, heard: HeardEvent, event: Any) -> str:
        return self._titles.get((heard.operation, event.index), str(event.step))


def _came_back(event: CameBack) -> str:
    begun = f"the {event.kind} that you started at {moment(event.since)}"
    if not event.outcome:
        return f"{begun} is still running: this command follows it and starts no second one"
    if event.outcome not in GOOD:
        ended = "was undone" if event.outcome == "undone" else f"was undone ({event.outcome})"
        return f"{begun} {ended} and changed nothing: starting again"
    return f"{begun} has ended, and you have not seen the result: this is the result; no second one is started"


MARKS = {"changed": (DONE, GREEN), "undone": (UNDONE, YELLOW), "left": (NOTE, DIM), "pass": (DONE, GREEN)}
"""Outcome of a tenant or verdict of a wave → mark and colour; every other outcome is a failure."""


def _of_rollout(event: WaveStarted | MemberEnded | WaveSoaking | WaveJudged) -> tuple[str, str, str]:
    """The line of a rollout's event: mark, colour, text."""
    match event:
        case WaveStarted():
            tenants = f"{event.tenants} tenant{'' if event.tenants == 1 else 's'}"
            hosts = f"{event.hosts} host{'' if event.hosts == 1 else 's'}"
            return NOTE, DIM, f"ring {event.ring}: {'returning ' if event.back else ''}{tenants} on {hosts}"
        case WaveSoaking():
            return NOTE, DIM, f"ring {event.ring}: watching for {lasted(event.seconds)}"
        case WaveJudged():
            mark, style = MARKS.get(event.verdict, (FAILED, RED))
            return mark, style, f"ring {event.ring}: {event.verdict}{f': {event.reason}' if event.reason else ''}"
        case MemberEnded():
            mark, style = MARKS.get(event.outcome, (FAILED, RED))
            time = f" in {lasted(event.seconds)}" if event.seconds else ""
            return mark, style, f"{event.outcome}{time}{f': {event.message}' if event.message else ''}"


@dataclass
class LiveLine:
    """The state of one operation that a live line shows, and the steps that are done."""

    subject: str
    kind: str = ""
    steps: int = 0
    step: str = ""
    progress: str = ""
    since: float = field(default_factory=time.monotonic)
    done: list[tuple[str, float]] = field(default_factory=list)
    undone: int = 0
    failed: str = ""

    def goes_on(self, text: str) -> None:
        self.progress = text

    def begins(self, step: str) -> None:
        self.step, self.progress, self.since = step, "", time.monotonic()

    def line(self) -> str:
        """`alice: deploy, step 4 of 11: pull images, 12 s: 120 of 267 MiB`"""
        number = f", step {len(self.done) + 1} of {self.steps}" if self.steps and len(self.done) < self.steps else ""
        waited = time.monotonic() - self.since
        step = f"{self.step}, {lasted(waited)}" if self.step and waited >= WAITING else self.step
        return ": ".join(filter(None, (self.subject, f"{self.kind}{number}", step, self.progress)))

    def account(self) -> str:
        """`11 steps: pull images (12 s), start web (8.0 s), 9 others (2.1 s)`"""
        long = [(title, seconds) for title, seconds in self.done if seconds >= LONG]
        others = [seconds for _, seconds in self.done if seconds < LONG]
        parts = [f"{title} ({lasted(seconds)})" for title, seconds in long]
        if long and others:
            parts.append(f"{len(others)} other{'' if len(others) == 1 else 's'} ({lasted(sum(others))})")
        count = f"{len(self.done)} step{'' if len(self.done) == 1 else 's'}"
        return f"{count}: {', '.join(parts)}" if parts else f"{count} in {lasted(sum(others))}"


class LiveProgress(ProgressLines):
    """Print failures, a live line for each operation, and one line for each finished operation."""

    def __init__(self, output: Output, *, brief: bool = False) -> None:
        super().__init__(output, brief=brief)
        self.doing: dict[str, LiveLine] = {}
        self._over = LiveLine("")

    def left(self) -> None:
        """Print the last known step of each operation that this command no longer follows."""
        with self._guard:
            for doing in self.doing.values():
                if doing.kind:
                    self._output.err.prose((NOTE, YELLOW), f" {doing.line()} (last known step)")

    def _note(self, heard: HeardEvent, event: Event) -> None:
        doing = self.doing.get(heard.operation)
        if doing is None:
            doing = LiveLine(subject(heard))
        match event:
            case OperationStarted():
                doing.kind, doing.steps = event.kind, sum(item.step != COMMIT for item in event.steps)
            case StepStarted():
                doing.begins(event.title or event.step)
            case StepProgress():
                doing.goes_on(event.text)
            case StepDone():
                doing.done.append((self._title(heard, event), event.seconds))
            case StepFailedEvent():
                doing.failed = event.message
            case UndoStarted():
                doing.steps = 0
                doing.begins("undoing")
            case StepUndone():
                doing.undone += 1
            case ConnectionCut():
                doing.begins("connecting")
            case WaveSoaking():
                doing.begins(f"ring {event.ring}: watching for {lasted(event.seconds)}")
            case OperationFinished() | WaveStarted() | WaveJudged() | MemberEnded():
                self.doing.pop(heard.operation, None)
                self._over = doing
                return
            case _:
                return
        self.doing[heard.operation] = doing

    def _lines(self, heard: HeardEvent, event: Event) -> Iterator[tuple[str, str, str]]:
        match event:
            case StepDone() | StepProgress() | StepUndone():
                return
            case StepFailedEvent() if self._brief:
                return  # the end of the tenant has the message
            case StepFailedEvent():  # the operation's error has the message
                yield FAILED, RED, f"failed: {self._title(heard, event)}"
                yield from ((" ", DIM, f"  {line}") for line in event.lines if line not in event.message)
            case UndoStarted() if event.reason == self.doing[heard.operation].failed:
                return  # the same
            case OperationFinished() if not self._brief:
                if self._over.undone:
                    steps = f"{self._over.undone} step{'' if self._over.undone == 1 else 's'}"
                    yield UNDONE, YELLOW, f"{self._over.kind} undone: {steps}"
                elif self._over.done and event.outcome in GOOD:
                    yield DONE, GREEN, f"{self._over.kind}, {self._over.account()}"
            case _:
                yield from super()._lines(heard, event)


def subject(heard: HeardEvent) -> str:
    """The tenant or host that the operation changes."""
    return heard.tenant or heard.host or "rollout"


@contextmanager
def _on_terminal(output: Output, *, brief: bool) -> Iterator[LiveProgress]:
    teller = LiveProgress(output, brief=brief)
    try:
        with _live(output.err, teller.doing):
            yield teller
    except BaseException:
        teller.left()
        raise


@contextmanager
def _live(screen: Screen, doing: dict[str, LiveLine]) -> Iterator[None]:
    """Redraw the lines in place, and remove them at the end."""
    from rich.console import Group
    from rich.live import Live
    from rich.spinner import Spinner

    spinner = Spinner("line" if screen.encoding else "dots")

    def drawn() -> RenderableType:
        return Group(*(_cropped(screen, spinner, item.line()) for item in list(doing.values())))

    with Live(
        console=screen.console,
        get_renderable=drawn,
        transient=True,
        refresh_per_second=8,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as screen.drawn:
        try:
            yield
        finally:
            screen.drawn = None


def _cropped(screen: Screen, spinner: Any, line: str) -> Text:
    from rich.text import Text

    frame = str(spinner.render(screen.console.get_time()))
    shown = screen.shown(line).replace("\n", " ")
    text = Text(f"{frame} {shown}", no_wrap=True)
    # The terminal prints ^C after the line: in a further line the mark could not be cleared with this one.
    text.truncate(screen.console.width - len("^C"), overflow="crop" if screen.encoding else "ellipsis")
    return text
