"""Text for terminals whose encoding lacks some marks. Fast to import, because every command imports this module."""

from __future__ import annotations

import codecs
import io
import sys

PLAIN = {"✓": "+", "✗": "x", "↶": "<", "•": "*", "→": "->", "…": "...", "—": "-"}
"""The replacement of a mark on a terminal whose encoding does not have the mark."""
LEGIBLE = "legible"
"""The name of the way to write other marks, for codecs."""


def make_legible() -> None:
    """Make standard output and standard error accept every text, whatever the terminal's encoding: a missing character
    is replaced, and never an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=LEGIBLE)


def _plainer(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    marks = error.object[error.start : error.end]
    return "".join(PLAIN.get(mark) or mark.encode("ascii", "backslashreplace").decode() for mark in marks), error.end


codecs.register_error(LEGIBLE, _plainer)
