"""Which pieces of a secret's value count as the secret. Pure; the redactor and the check of the finished bytes share
nothing but this."""

from __future__ import annotations

import re
from collections.abc import Iterator

SHORTEST = 6
"""A shorter value stands in too much that is no secret."""
FRAGMENT = 12
"""So many characters in a row of a random value count as the value."""
LEAST_RANDOM = 16
_LEAST_DISTINCT = 8
_RUN = re.compile(r"[A-Za-z0-9_-]{16,}")
_USERINFO = re.compile(r"://[^/\s:@]*:([^/\s@]+)@")
_PEM_EDGE = "-----"


def wholes(value: str) -> Iterator[str]:
    """What counts only as a whole: the value, each line of a value of several lines, the password in a URL."""
    parts = [value.strip(), *(line.strip() for line in value.splitlines()), *_USERINFO.findall(value)]
    for part in dict.fromkeys(parts):
        if len(part) >= SHORTEST and not part.startswith(_PEM_EDGE):
            yield part


def randoms(value: str) -> Iterator[str]:
    """What counts also by its fragments: parts of LEAST_RANDOM characters and more that look random. Of a URL, and of
    what has several words, only the words do: the rest may stand in any file of that kind."""
    one_line = "\n" not in value.strip() and not value.lstrip().startswith(("{", "["))
    for part in wholes(value):
        if "://" in part or (re.search(r"\s", part) and not one_line):
            yield from (run for run in _RUN.findall(part) if len(set(run)) >= _LEAST_DISTINCT)
        elif len(part) >= LEAST_RANDOM and len(set(part)) >= _LEAST_DISTINCT:
            yield part
