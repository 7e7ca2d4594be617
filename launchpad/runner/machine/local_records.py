"""The records of Docker's `local` log driver.

A record is its size (4 bytes, big-endian), a protobuf message, and the size again. The message: 1 the stream's name,
2 the time in nanoseconds, 3 the line without its end, 4 whether this is a part of a line, 5.1 whether it is the last.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

LONGEST_LINE = 256 * 1024
"""Bytes: a longer line is cut."""
SIZE = 4
_LARGEST_RECORD = 1_000_000
"""Docker's own limit."""
Place = tuple[int, int, int]
"""A record: where it begins and ends, and its time in nanoseconds."""


def places_in(data: bytes) -> Iterator[Place]:
    """The whole records, up to the first that is damaged or not complete yet."""
    begin = 0
    while (head := data[begin : begin + SIZE]) and len(head) == SIZE:
        end = begin + int.from_bytes(head, "big") + 2 * SIZE
        if end > len(data) or data[end - SIZE : end] != head:
            return
        yield begin, end, _time(data, begin + SIZE)
        begin = end


def joined(parts: dict[bytes, bytearray], data: bytes, begin: int, end: int) -> tuple[str, bool] | None:
    """The line that this record ends, and whether it is cut; None when more parts follow, which `parts` keeps."""
    fields = fields_of(data, begin + SIZE, end - SIZE)
    stream = fields.get(1, b"")
    line = parts.setdefault(stream, bytearray())
    line += fields.get(3, b"")[: LONGEST_LINE + 1 - len(line)]
    if fields.get(4) and fields.get(5, b"")[:2] != b"\x08\x01":
        return None
    del parts[stream]
    return bytes(line[:LONGEST_LINE]).rstrip(b"\r\n").decode(errors="replace"), len(line) > LONGEST_LINE


def is_damaged(rest: bytes) -> bool:
    """Whether what begins here can never become a record."""
    size = int.from_bytes(rest[:SIZE], "big")
    return len(rest) >= SIZE and (size > _LARGEST_RECORD or len(rest) >= size + 2 * SIZE)


def _time(data: bytes, at: int) -> int:
    """Of a record: its second field, behind the short name of the stream."""
    return (
        _number(data, at + 3 + data[at + 1])[0] if data[at] == 0x0A else int(fields_of(data, at, len(data)).get(2, 0))
    )


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A number of protobuf's, and where it ends."""
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 128:
            return value, at


def fields_of(data: bytes, at: int, end: int) -> dict[int, Any]:
    """The fields of a message by their number, as far as they are numbers and bytes."""
    found: dict[int, Any] = {}
    while at < end:
        key, at = _number(data, at)
        value, at = _number(data, at)
        if key & 7 == 2:
            found[key >> 3], at = data[at : at + value], at + value
        else:
            found[key >> 3] = value
    return found


def stamp_of(nano: int) -> str:
    """Nanoseconds since 1970 as Docker writes a time."""
    return f"{_second(nano // 10**9)}.{nano % 10**9:09d}Z"


@lru_cache(maxsize=256)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def nano_of(at: str) -> int:
    """The inverse, for up to nine digits. ValueError for another text."""
    from datetime import datetime

    whole, _, part = at.removesuffix("Z").partition(".")
    if not at.endswith("Z") or not (part or "0").isdecimal():
        raise ValueError(at)
    return int(datetime.fromisoformat(f"{whole}+00:00").timestamp()) * 10**9 + int(part[:9].ljust(9, "0"))
