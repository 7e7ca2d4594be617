"""Times and sizes as people read and write them."""

from __future__ import annotations

import datetime
import re
import time
from collections.abc import Callable
from typing import TypeVar

from launchpad.fleet.words.malformed import Malformed
from launchpad.fleet.words.quantities import Duration

Read = TypeVar("Read")
MINUTE, HOUR, DAY = 60, 3600, 86_400
MOST_EXPRESSION = 200
"""Characters: no host accepts more."""


def lasted(seconds: float | None) -> str:
    """Format a duration: `0.4 s`, `12 s`, `3 min 20 s`, `5 min`."""
    if seconds is None:
        return ""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if round(seconds) < MINUTE:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), MINUTE)
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"


def size(count: int | None) -> str:
    """Format bytes in their largest unit: `12 B`, `3.4 MiB`."""
    if count is None:
        return ""
    amount, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if amount < 1024:
            break
        amount, unit = amount / 1024, larger
    return f"{amount:.0f} {unit}" if unit == "B" or amount >= 10 else f"{amount:.1f} {unit}"


def of(used: int, most: int) -> str:
    """Format a use and its limit: `12.0 MiB of 256.0 MiB`; only the use without a limit; empty when the use is
    unknown."""
    return f"{size(used)} of {size(most)}" if most else size(used) if used else ""


def age(seconds: float | None) -> str:
    """Format an age in its largest unit: `12 s`, `5 min`, `3 h`, `20 d`."""
    if seconds is None:
        return ""
    for unit, length in (("d", DAY), ("h", HOUR), ("min", MINUTE)):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit}"
    return f"{seconds:.0f} s"


def moment(at: float) -> str:
    """Format a time in this machine's zone: `2026-11-22 14:03:05`."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def short_moment(at: float, *, now: float) -> str:
    """Format a time shortly: `11-22 14:03`, or `2025-11-22` for another year."""
    text = moment(at)
    return text[5:16] if text[:4] == moment(now)[:4] else text[:10]


def read(option: str, kind: Callable[[str], Read], text: str) -> Read:
    """Parse an option's value; raise Malformed, which names the option, for a wrong value."""
    try:
        return kind(text)
    except Malformed as error:
        raise Malformed(f"{option}: {error.what}", expected=error.expected, hint=error.hint) from error


def since(text: str) -> tuple[float | None, float | None]:
    """Parse `2026-11-22T14:00` to seconds since 1970, or `10m`, `2h` or `1d` to seconds before now, which each host
    counts by its own clock. Raise Malformed for any other text."""
    if re.fullmatch(r"[0-9]{1,5}d", text):
        return None, float(int(text[:-1]) * DAY)
    try:
        return None, float(Duration.parse(text).seconds)
    except Malformed:
        pass
    try:
        return datetime.datetime.fromisoformat(text).timestamp(), None
    except ValueError as error:
        raise Malformed(f"bad time {text[:60]!r}", expected="10m, 2h, 1d or 2026-11-22T14:00") from error


def expression(text: str) -> str:
    """A regular expression that hosts accept. Raise Malformed for any other text."""
    expected = f"a regular expression of at most {MOST_EXPRESSION} characters"
    if len(text) > MOST_EXPRESSION:
        raise Malformed(f"{len(text)} characters", expected=expected)
    try:
        re.compile(text)
    except re.error as error:
        hint = "put a backslash before each of ( ) [ ] { } . * + ? that stands for itself"
        raise Malformed(f"bad expression {text[:60]!r}: {error}", expected=expected, hint=hint) from error
    return text


def soak(text: str, *, option: str = "--soak") -> int:
    """Parse `60s`, `5m` or `0s` (no soak) to seconds. Raise Malformed, which names the option, for any other text."""
    if text in ("0", "0s"):
        return 0
    expected = "such as 5m, at most 1h, or 0s for none"
    try:
        seconds = Duration.parse(text).seconds
    except Malformed as error:
        raise Malformed(f"{option}: {error.what}", expected=expected, hint=f"{option} 60s") from error
    if seconds > HOUR:
        raise Malformed(f"{option}: {text} is too long", expected=expected, hint=f"{option} 1h")
    return seconds
