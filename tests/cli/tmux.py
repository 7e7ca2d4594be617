"""A real terminal: tmux with a server of its own, in which a shell runs."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
SECONDS = 30
PROMPT = "lp>"
LEFT_OUT = ("NO_COLOR", "COLORTERM", "TMUX", "COLUMNS", "LINES")
"""COLUMNS and LINES win over a terminal's own size; readline sets them in pytest and so in its workers."""


@dataclass(frozen=True)
class Tmux:
    """One terminal."""

    socket: Path

    def __call__(self, *words: str) -> str:
        command = ["tmux", "-S", str(self.socket), *words]
        return subprocess.run(command, check=True, capture_output=True, text=True, errors="replace").stdout

    def type(self, *keys: str) -> None:
        self("send-keys", *keys)

    def run(self, line: str) -> None:
        """Type a line and Enter."""
        self("send-keys", "-l", line)
        self("send-keys", "Enter")

    def screen(self, *how: str) -> str:
        """What stands there now; with `-e` also colours."""
        return self("capture-pane", "-p", *how)

    def wait(self, *texts: str, prompt: bool = False, last: str = "") -> str:
        """The screen as soon as it has every text, its last line begins so, and it ends with the shell's prompt."""
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            found = self.screen()
            drawn = (found.splitlines() or [""])[-1].startswith(last)
            if (
                drawn
                and all(text in found for text in texts)
                and (not prompt or found.rstrip().endswith(f"\n{PROMPT}"))
            ):
                return found
            time.sleep(0.05)  # nothing of tmux's tells of a change
        raise AssertionError(f"{texts} did not appear:\n{self.screen()}")


@contextmanager
def terminal_of(folder: Path, *, columns: int, lines: int, variables: Mapping[str, str] = {}) -> Iterator[Tmux]:
    """A terminal of that size with a shell, in which $PYTHON is this very Python."""
    tmux = Tmux(folder / "tmux")
    environment = {key: value for key, value in os.environ.items() if key not in LEFT_OUT}
    environment |= {"PYTHON": sys.executable, "TZ": "UTC", "PYTHONPATH": f"{PROJECT}:{PROJECT}/scripts"}
    size = ["-x", str(columns), "-y", str(lines)]
    given = {"PS1": PROMPT} | dict(variables)
    shell = f"exec env {shlex.join(f'{key}={value}' for key, value in given.items())} sh"
    command = ["tmux", "-S", str(tmux.socket), "-f", "/dev/null", "new-session", "-d", *size, shell]
    subprocess.run(command, check=True, env=environment, cwd=PROJECT)
    try:
        tmux("set", "-g", "status", "off")
        tmux("resize-window", *size)
        tmux.wait(PROMPT)  # the first
        yield tmux
    finally:
        subprocess.run(["tmux", "-S", str(tmux.socket), "kill-server"], check=False)
