"""Text for terminals whose encoding lacks some marks. Fast to import, because every command imports this module."""

from __future__ import annotations

import codecs
import io
import os
import sys
from pathlib import Path

PLAIN = {"✓": "+", "✗": "x", "↶": "<", "•": "*", "→": "->", "…": "...", "—": "-"}
"""The replacement of a mark on a terminal whose encoding does not have the mark."""
LEGIBLE = "legible"
"""The name of the way to write other marks, for codecs."""


def make_legible() -> None:
    """Make standard output and standard error accept every text, whatever the terminal's encoding: a missing character
    is replaced, and never an error. Text to a stream that the caller closed is discarded."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):  # in this order each gets its own number back
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115  it stays open
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=LEGIBLE)


def _plainer(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    marks = error.object[error.start : error.end]
    return "".join(PLAIN.get(mark) or mark.encode("ascii", "backslashreplace").decode() for mark in marks), error.end


codecs.register_error(LEGIBLE, _plainer)
