"""Read untrusted JSON by a closed list: the shapes that every judge checks."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from launchpad.runner.protocol import Refused

NOT_LISTED = "is not allowed in a release"

_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def fields(value: object, where: str, *, known: Collection[str]) -> dict[str, Any]:
    """The object at `where`, with only known keys."""
    if not isinstance(value, dict):
        raise Refused(f"{where}: expected an object", code="wrong-type")
    for key in sorted(value, key=str):
        if key not in known:
            raise Refused(f"{where}.{key}: {NOT_LISTED}", code="key-not-allowed")
    return value


def entries(value: object, where: str) -> list[tuple[str, Any]]:
    """Each item of the list at `where`, with the item's path."""
    if not isinstance(value, list):
        raise Refused(f"{where}: expected a list", code="wrong-type")
    return [(f"{where}[{index}]", item) for index, item in enumerate(value)]


def words(value: object, where: str) -> list[str]:
    """The list of strings at `where`."""
    for path, item in entries(value, where):
        string(item, path)
    return list(value) if isinstance(value, list) else []


def string(value: object, where: str) -> str:
    """The string at `where`."""
    if not isinstance(value, str):
        raise Refused(f"{where}: expected text", code="wrong-type")
    return value


def same(value: object, expected: object, where: str) -> None:
    """Exactly the expected value; `True` is not 1."""
    if type(value) is not type(expected) or value != expected:
        raise Refused(f"{where}: must be {expected!r}, not {value!r}", code="value-differs")


def one_of(value: object, choices: Collection[str], where: str) -> str:
    """One of the given words."""
    if not isinstance(value, str) or value not in choices:
        raise Refused(f"{where}: must be one of {', '.join(sorted(choices))}, not {value!r}", code="value-not-allowed")
    return value


def between(value: object, where: str, *, least: float, most: float) -> None:
    """A number within bounds; a boolean or NaN is refused."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Refused(f"{where}: expected a number", code="wrong-type")
    if not least <= value <= most:
        raise Refused(f"{where}: must be from {least:g} to {most:g}, not {value:g}", code="out-of-bounds")


def matches(value: object, pattern: re.Pattern[str], where: str) -> str:
    """Text that matches the whole pattern."""
    text = string(value, where)
    if not pattern.fullmatch(text):
        raise Refused(f"{where}: {text!r} is not allowed here", code="text-not-allowed")
    return text


def seconds(value: object, where: str) -> float:
    """A duration as Compose prints it (`5m30s`), in seconds."""
    text = string(value, where)
    parts = _DURATION_PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise Refused(f"{where}: {text!r} is not a duration", code="duration-form")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)
