"""A real terminal of a chosen width in which the command line runs, in a child of this very process: what it printed,
and what then stands on the screen."""

from __future__ import annotations

import codecs
import fcntl
import io
import os
import pty
import re
import select
import struct
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from launchpad.cli.boundary import run
from launchpad.cli.session import Session

CONTROL = re.compile(r"\x1b\[(\??[0-9;]*)([A-Za-z])|(\r|\n|\x07)")
SECONDS = 30


@dataclass(frozen=True)
class Printed:
    """What one command printed to a terminal, as it came."""

    code: int
    text: str

    @property
    def lines(self) -> list[str]:
        """What stands on the screen at the end. A line that is too long is not broken."""
        lines, row, column = [""], 0, 0
        for part in re.split(r"(\x1b\[\??[0-9;]*[A-Za-z]|\r|\n)", self.text):
            moved = CONTROL.fullmatch(part)
            if moved is None:
                if "\x1b" in part:
                    raise ValueError(f"an unknown escape in {part!r}")
                lines[row] = lines[row][:column].ljust(column) + part + lines[row][column + len(part) :]
                column += len(part)
            elif moved[3] == "\n":
                row, column = row + 1, 0
                lines += [""] * (row + 1 - len(lines))
            elif moved[3] == "\r":
                column = 0
            elif moved[2] == "A":
                row = max(0, row - int(moved[1] or 1))
            elif moved[2] == "K":
                lines[row] = ""
            elif moved[2] not in "mhl":
                raise ValueError(f"an unknown escape {part!r}")
        while lines and not lines[-1]:
            lines.pop()
        return [line.rstrip() for line in lines]


def on_terminal(
    words: Sequence[str],
    *,
    session: Callable[[], Session] = Session,
    columns: int = 80,
    variables: Mapping[str, str] = {},
    encoding: str = "utf-8",
    answers: Sequence[str] = (),
) -> Printed:
    """Run one command line. The session is made in the child. Each answer is typed at the next question."""
    child, terminal = pty.fork()
    if child == 0:
        code = 70
        try:
            fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
            for name in ("COLUMNS", "LINES", "NO_COLOR", "COLORTERM"):
                os.environ.pop(name, None)
            os.environ.update({"TERM": "xterm", "TZ": "UTC"} | dict(variables))
            time.tzset()
            sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
            sys.stdout = open(1, "w", encoding=encoding, closefd=False)  # noqa: SIM115
            sys.stderr = open(2, "w", encoding=encoding, closefd=False)  # noqa: SIM115
            code = run(words, session=session())
            sys.stdout.flush()
            sys.stderr.flush()
        except BaseException:
            import traceback

            os.write(2, traceback.format_exc().encode())
        finally:
            os._exit(code)
    text = _read(terminal, codecs.getincrementaldecoder(encoding)(errors="strict"), list(answers))
    _, status = os.waitpid(child, 0)
    return Printed(os.waitstatus_to_exitcode(status), text.replace("\r\n", "\n"))


def _read(terminal: int, decoder: codecs.IncrementalDecoder, answers: list[str]) -> str:
    """Everything to its end; SECONDS without a word are too many."""
    text = ""
    with io.FileIO(terminal, "r+") as stream:
        while True:
            if not select.select([terminal], [], [], SECONDS)[0]:
                raise TimeoutError(text)
            try:
                piece = stream.read(65536)
            except OSError:  # how Linux says that nobody holds the other end any more
                return text
            if not piece:
                return text
            text += decoder.decode(piece)
            if answers and text.rstrip(" ").endswith(("[y/N]", "(not shown):")):
                stream.write(f"{answers.pop(0)}\n".encode())
