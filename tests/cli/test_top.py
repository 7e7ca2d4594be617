"""`launchpad top` as a person has it: a clear error without a terminal; in a terminal keys, colours, a clean end."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.terminal import Terminal
from tests.cli.tmux import Tmux, terminal_of

START = "$PYTHON -m tests.cli.top_at_terminal"
COLOUR = re.compile(r"\x1b\[(?:[0-9;]*;)?(?:3[1-6]|38;[0-9;]+)m")


def in_tmux(test: Callable[..., None]) -> Any:
    without = pytest.mark.skipif(shutil.which("tmux") is None, reason="there is no tmux")
    return pytest.mark.programs(without(test))


def test_without_a_terminal_it_names_status(terminal: Terminal) -> None:
    printed = terminal("top")
    assert (printed.code, printed.out) == (4, "")
    assert printed.err == "error: top needs a terminal\nhint: launchpad status\n"
    found = terminal("top", "--json").json["error"]
    assert (found["message"], found["hint"]) == ("top prints no JSON", "launchpad status --json")


def left(tmux: Tmux, code: int) -> str:
    """The shell has its terminal back: its own lines, its echo, its cursor."""
    tmux.wait(prompt=True)
    tmux.run("echo code=$?; stty -a | tr ' ;' '\\n\\n' | grep -xE -- '-?(echo|icanon|isig|icrnl)' | xargs")
    found = tmux.wait(f"code={code}", prompt=True)
    assert re.search(r"^(?:(?:echo|icanon|isig|icrnl) ?){4}$", found, re.MULTILINE), found
    assert tmux("display", "-p", "#{cursor_flag} #{alternate_on}").split() == ["1", "0"]
    assert START in found and "Traceback" not in found, found
    return found


@in_tmux
@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (120, 40)])
def test_it_is_drawn_in_a_real_terminal(tmp_path: Path, columns: int, lines: int) -> None:
    with terminal_of(tmp_path, columns=columns, lines=lines) as tmux:
        tmux.run(START)
        found = tmux.wait("2 critical", "\n/ search", last="/ search").splitlines()
        assert len(found) == lines and found[2].startswith("GRADE")
        assert COLOUR.search(tmux.screen("-e"))
        tmux.type("/", "carol", "Enter")
        tmux.wait("1 shown", "carol on web-2")
        tmux("resize-window", "-x", "100", "-y", "30")
        tmux.wait("1 shown", "carol on web-2")
        tmux.type("q")
        left(tmux, 0)


@in_tmux
@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"NO_COLOR": "1"}, ""),
        ({}, "--no-color"),
        ({"LC_ALL": "C"}, ""),
        ({"PYTHONIOENCODING": "latin-1"}, ""),
        ({"TERM": "vt100"}, ""),
    ],
)
def test_every_terminal_gets_what_it_understands(tmp_path: Path, variables: dict[str, str], words: str) -> None:
    with terminal_of(tmp_path, columns=80, lines=24, variables=variables) as tmux:
        tmux.run(f"{START} {words}")
        found = tmux.wait("2 critical", "/ search")
        assert "critical  carol" in found
        if words or "NO_COLOR" in variables:
            assert COLOUR.search(tmux.screen("-e")) is None
        tmux.type("Down", "r")  # the worst host stands first
        tmux.wait("Restart carol on web-2?")
        tmux.type("n", "q")
        left(tmux, 0)


@in_tmux
def test_a_dumb_terminal_is_told_so(tmp_path: Path) -> None:
    with terminal_of(tmp_path, columns=80, lines=24, variables={"TERM": "dumb"}) as tmux:
        tmux.run(START)
        tmux.wait("TERM is dumb", "launchpad status")
        left(tmux, 4)


@in_tmux
@pytest.mark.parametrize(("how", "code"), [("C-c", 130), ("TERM", 143), ("HUP", 129), ("INT", 130)])
def test_however_it_ends_the_terminal_is_clean(tmp_path: Path, how: str, code: int) -> None:
    with terminal_of(tmp_path, columns=80, lines=24) as tmux:
        tmux.run(START)
        tmux.wait("2 critical")
        if how == "C-c":
            tmux.type(how)
        else:
            pid = tmux("list-panes", "-F", "#{pane_pid}").strip()
            child = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0]
            os.kill(int(child), signal.Signals[f"SIG{how}"])
        left(tmux, code)


@in_tmux
def test_a_key_runs_the_command_and_comes_back(tmp_path: Path) -> None:
    with terminal_of(tmp_path, columns=80, lines=24) as tmux:
        tmux.run(START)
        tmux.wait("2 critical")
        tmux.type("/", "carol", "Enter", "r")
        tmux.wait("Restart carol on web-2?")
        tmux.type("y")
        found = tmux.wait("$ launchpad restart carol", "Enter returns to launchpad top")
        assert "carol: restart done in" in found
        tmux.type("Enter")
        tmux.wait("1 shown", "carol on web-2")
        tmux.type("l")
        tmux.wait("launchpad logs carol")
        tmux.type("C-c")  # ends the logs
        tmux.wait("1 shown", "carol on web-2")
        tmux.type("q")
        assert "restart done" in left(tmux, 0)
