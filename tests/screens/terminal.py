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

ESCAPE = r"\x1b\[[?<>=]?[0-9;]*\$?[A-Za-z]"
CONTROL = re.compile(r"\x1b\[([?<>=]?[0-9;]*\$?)([A-Za-z])|(\r|\n|\x07)")
UNSEEN = re.compile(r"\x1b\][^\x07]*\x07")
"""The shape of the pointer, the window's title."""
FULL_SCREEN, END_OF_FULL_SCREEN = "\x1b[?1049h", "\x1b[?1049l"
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
        below: list[str] = []
        for part in re.split(rf"({ESCAPE}|\r|\n)", UNSEEN.sub("", self.text)):
            moved = CONTROL.fullmatch(part)
            if part == FULL_SCREEN:
                below, lines, row, column = lines, [""], 0, 0
                continue
            if part == END_OF_FULL_SCREEN:
                lines, row, column = below, len(below) - 1, len(below[-1])
                continue
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
            elif moved[2] == "H":
                row, column = (int(place) - 1 for place in (moved[1] or "1;1").split(";"))
                lines += [""] * (row + 1 - len(lines))
            elif moved[2] == "K":
                lines[row] = ""
            elif moved[2] not in "mhlpu":
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
    rows: int = 40,
    encoding: str = "utf-8",
    answers: Sequence[str] = (),
    keys: Sequence[tuple[str, str]] = (),
) -> Printed:
    """Run one command line. The session is made in the child. Each answer is typed at the next question. Of `keys` each
    pair is a text that must be printed first, and the keys to press then."""
    child, terminal = pty.fork()
    if child == 0:
        code = 70
        try:
            fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            for name in ("COLUMNS", "LINES", "NO_COLOR", "COLORTERM"):
                os.environ.pop(name, None)
            os.environ.update({"TERM": "xterm", "TZ": "UTC"} | dict(variables))
            time.tzset()
            sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
            sys.stdout = open(1, "w", encoding=encoding, closefd=False)  # noqa: SIM115
            sys.stderr = open(2, "w", encoding=encoding, closefd=False)  # noqa: SIM115
            sys.__stdin__, sys.__stderr__ = sys.stdin, sys.stderr  # type: ignore[misc]  # what Textual takes
            code = run(words, session=session())
            sys.stdout.flush()
            sys.stderr.flush()
        except BaseException:
            import traceback

            os.write(2, traceback.format_exc().encode())
        finally:
            os._exit(code)
    text = _read(terminal, codecs.getincrementaldecoder(encoding)(errors="strict"), list(answers), list(keys))
    _, status = os.waitpid(child, 0)
    return Printed(os.waitstatus_to_exitcode(status), text.replace("\r\n", "\n"))


def _read(terminal: int, decoder: codecs.IncrementalDecoder, answers: list[str], keys: list[tuple[str, str]]) -> str:
    """Everything to its end; SECONDS without a word are too many."""
    text, seen = "", 0
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
            while keys and keys[0][0] in text[seen:]:
                seen = len(text)
                stream.write(keys.pop(0)[1].encode())
