"""What the kernel tells in its own files."""

from __future__ import annotations

import os


def told(path: str) -> str:
    """The text of a file below /proc or /sys; its size is not known before it is read."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    with os.fdopen(file, encoding="ascii") as stream:
        return stream.read()
