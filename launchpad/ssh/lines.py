"""Assemble the runner's lines from the pieces that the network delivers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

LONGEST_LINE = 16 * 1024 * 1024


class BadLine(Exception):
    """The received line is not a line of the protocol; the text says why."""


class LineReader:
    """Bytes in, JSON objects out, one for each line. BadLine for a line of more than `longest` bytes, before it is
    stored."""

    def __init__(self, longest: int = LONGEST_LINE) -> None:
        self._longest = longest
        self._pieces: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> Iterator[dict[str, Any]]:
        """The objects that this piece completes."""
        *ends, rest = data.split(b"\n")
        for end in ends:
            self._keep(end)
            line, self._pieces, self._size = b"".join(self._pieces), [], 0
            if line.strip():
                yield _parse(line)
        self._keep(rest)

    def _keep(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._longest:
            raise BadLine(f"a line of more than {self._longest} bytes")
        if piece:
            self._pieces.append(piece)


def _parse(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadLine(f"a line that is not JSON: {_excerpt(line)}") from error
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        raise BadLine(f"a line without a type: {_excerpt(line)}")
    return value


def _excerpt(line: bytes) -> str:
    """The line's beginning, without terminal control characters."""
    text = line[:80].decode(errors="replace")
    return "".join(character if character.isprintable() else "�" for character in text)
