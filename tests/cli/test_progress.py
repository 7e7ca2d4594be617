"""What a person sees of operations while they run: live lines on a terminal, plain lines elsewhere."""

from __future__ import annotations

import io
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from launchpad.cli.output import Output
from launchpad.cli.progress import LiveLine, telling
from launchpad.cli.running import interrupted_kindly
from launchpad.events import (
    CameBack,
    Event,
    HeardEvent,
    OperationFinished,
    OperationStarted,
    Outline,
    StepDone,
    StepFailedEvent,
    StepProgress,
    StepStarted,
    StepUndone,
    UndoStarted,
)
from tests.cli.terminal import Tty
from tests.cli.tmux import terminal_of
from tests.screens.terminal import Printed

STEPS = tuple(Outline(step=name, title=name) for name in ("pull images", "start web", "open the door"))
STARTED = OperationStarted(operation="o", kind="deploy", steps=STEPS)


def step(index: int, seconds: float) -> list[Event]:
    title = STEPS[index].title
    return [StepStarted(index=index, step="s", title=title), StepDone(index=index, step="s", seconds=seconds)]


GOOD = [STARTED, *step(0, 12.0), *step(1, 0.4), *step(2, 0.2), OperationFinished(outcome="done", seconds=12.6)]
BAD = [
    STARTED,
    *step(0, 12.0),
    StepStarted(index=1, step="s", title="start web"),
    StepFailedEvent(index=1, step="s", message="web exited with 1", lines=("no such file", "bye")),
    UndoStarted(reason="web exited with 1"),
    StepUndone(index=1, step="s"),
    StepUndone(index=0, step="s"),
    OperationFinished(outcome="undone", message="web exited with 1", seconds=14.0),
]


def told(events: list[Event], stream: io.StringIO, *, left: BaseException | None = None) -> list[str]:
    """The lines that stay, without what was drawn over."""
    try:
        with telling(Output(json=False, color=False, stdout=io.StringIO(), stderr=stream)) as hear:
            for event in events:
                hear(HeardEvent(host="web-1", operation="o", tenant="alice", event=event))
            if left:
                raise left
    except (KeyboardInterrupt, ValueError):
        pass
    return Printed(0, stream.getvalue()).lines


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")


def test_what_went_well_leaves_one_line() -> None:
    assert told(GOOD, Tty()) == ["✓ alice: deploy, 3 steps: pull images (12 s), 2 others (0.6 s)"]


def test_what_failed_leaves_the_step_its_lines_and_the_undo() -> None:
    assert told(BAD, Tty()) == [
        "✗ alice: failed: start web",
        "    no such file",
        "    bye",
        "↶ alice: deploy undone: 2 steps",
    ]


def test_who_leaves_sees_how_far_it_was() -> None:
    for left in (KeyboardInterrupt(), ValueError("a bug")):
        lines = told(GOOD[:4], Tty(), left=left)
        assert lines == ["• alice: deploy, step 2 of 3: start web (last known step)"]


def test_off_a_terminal_every_step_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    told(GOOD, stream)
    assert stream.getvalue().splitlines() == [
        "✓ alice: pull images  12 s",
        "✓ alice: start web  0.4 s",
        "✓ alice: open the door  0.2 s",
    ]
    monkeypatch.setenv("TERM", "dumb")
    dumb = Tty()
    told(GOOD, dumb)
    assert dumb.getvalue() == stream.getvalue()


def test_a_live_line_says_where_the_operation_is() -> None:
    line = LiveLine("alice", kind="deploy", steps=3)
    assert line.line() == "alice: deploy, step 1 of 3"
    line.begins("pull images")
    line.goes_on("120 of 267 MiB")
    assert line.line() == "alice: deploy, step 1 of 3: pull images: 120 of 267 MiB"
    line.since -= 61
    assert line.line() == "alice: deploy, step 1 of 3: pull images, 1 min 1 s: 120 of 267 MiB"


def test_a_live_line_never_wraps(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Tty()
    told([STARTED, StepProgress(index=0, text="word " * 60)], stream)
    drawn = [part for part in stream.getvalue().replace("\n", "\r").split("\r") if "word" in part]
    assert drawn and all(len(Printed(0, part).lines[0]) == 78 for part in drawn), "2 cells stay free for ^C"


INTERRUPTED = """
import time
from launchpad.cli.output import Output
from launchpad.cli.progress import working
with working(Output(json=False, color=True), "the workspace") as progress:
    progress("word " * 60)
    time.sleep(60)
"""


@pytest.mark.programs
@pytest.mark.skipif(shutil.which("tmux") is None, reason="there is no tmux")
def test_ctrl_c_leaves_no_live_line_on_a_real_terminal(tmp_path: Path) -> None:
    (tmp_path / "long.py").write_text(INTERRUPTED)
    with terminal_of(tmp_path, columns=80, lines=24) as tmux:
        tmux.run(f"$PYTHON {tmp_path}/long.py")
        tmux.wait("the workspace: word word")
        tmux.type("C-c")
        assert "word word" not in tmux.wait("KeyboardInterrupt", prompt=True)


def test_nothing_is_drawn_over_a_question() -> None:
    stream = Tty()
    output = Output(json=False, color=False, stdout=io.StringIO(), stderr=stream)
    with telling(output) as hear:
        hear(HeardEvent(host="web-1", operation="o", tenant="alice", event=STARTED))
        with output.asking("Is the old one stopped? [y/N]"):
            asked = stream.getvalue()
            assert output.err.drawn is not None and not output.err.drawn.is_started
        assert output.err.drawn.is_started
    assert Printed(0, asked).lines == ["Is the old one stopped? [y/N]"]


def interrupted(events: list[Event], *, kind: str = "") -> list[str]:
    """What Ctrl-C says after these events."""
    err = io.StringIO()
    session = SimpleNamespace(output=Output(json=False, color=False, stdout=io.StringIO(), stderr=err))
    with pytest.raises(KeyboardInterrupt), interrupted_kindly(session), telling(session.output) as hear:  # type: ignore[arg-type]
        for event in events:
            event = replace(event, kind=kind) if kind and isinstance(event, OperationStarted) else event
            hear(HeardEvent(host="web-1", operation="o", tenant="" if kind else "alice", event=event))
        raise KeyboardInterrupt
    return err.getvalue().splitlines()


def test_ctrl_c_names_the_operation_that_continues_and_how_to_follow_it() -> None:
    assert interrupted(GOOD[:4])[-1] == "the deploy of alice continues on web-1; to follow it: launchpad attach o"
    told_last = interrupted(GOOD[:4], kind="provision")[-1]
    assert told_last == "the provision continues on web-1; to follow it: launchpad provision web-1"


def test_ctrl_c_names_no_operation_that_has_ended() -> None:
    for ended in (GOOD, BAD):
        assert interrupted(ended)[-1] == "the deploy of alice on web-1 has ended; to see it: launchpad history"


def test_ctrl_c_before_the_first_event_knows_no_operation() -> None:
    assert interrupted([]) == ["if an operation was begun, it continues on its host; to see it: launchpad history"]


def test_an_earlier_operation_that_is_followed_is_named_too() -> None:
    back = CameBack(kind="deploy", since=0.0, outcome="")
    assert interrupted([back])[-1] == "the deploy of alice continues on web-1; to follow it: launchpad attach o"
