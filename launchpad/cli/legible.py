"""Text for terminals whose encoding lacks some of its marks. Light to import: every command begins with it."""

from __future__ import annotations

import codecs
import io
import sys

PLAIN = {"✓": "+", "✗": "x", "↶": "<", "•": "*", "→": "->", "…": "...", "—": "-"}
"""What stands for a mark on a terminal whose encoding does not have it."""
LEGIBLE = "legible"
"""The name of the way to write other marks, for codecs."""


def make_legible() -> None:
    """Let standard output and errors take every text, whatever the terminal's encoding: nothing is refused for a mark
    that it lacks, and the usual marks have another form there."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=LEGIBLE)


def _plainer(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    marks = error.object[error.start : error.end]
    return "".join(PLAIN.get(mark) or mark.encode("ascii", "backslashreplace").decode() for mark in marks), error.end


codecs.register_error(LEGIBLE, _plainer)
