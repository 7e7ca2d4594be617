"""Files of NAME=value lines, as dotenv reads them: self-hosted apps keep their secrets there.

A value in ' or ` is literal, also over several lines; in " it may have \\n, \\r, \\", \\\\ and \\$; an unquoted value
ends at the line's end or at a # after a space. Beyond that, readers differ, so `line` writes only what Node's dotenv
and Compose read alike (2560 values with awkward characters: no difference, 2026-11-26). Source:
https://github.com/motdotla/dotenv#what-rules-does-the-parsing-engine-follow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_ENTRY = re.compile(
    rb"^[ \t]*(?:export[ \t]+)?([A-Z][A-Z0-9_]*)[ \t]*=[ \t]*"
    rb"(?:'([^']*)'|\"((?:[^\"\\]|\\[\s\S])*)\"|`([^`]*)`|([^\r\n]*?))"
    rb"[ \t]*(?:(?<=[ \t])#[^\r\n]*)?(?:\r?\n|\r|\Z)",
    re.MULTILINE,
)
_ESCAPED = re.compile(rb"\\([nr\"\\$])")
_MEANT = {b"n": b"\n", b"r": b"\r"}
_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,=-]+")


def entries(text: bytes) -> Iterator[tuple[bytes, str, str]]:
    """The file in pieces that together are the whole file: (piece, name, value) for an entry, (piece, "", "") for
    anything else."""
    at = 0
    for match in _ENTRY.finditer(text):
        if match.start() > at:
            yield text[at : match.start()], "", ""
        at = match.end()
        name, single, double, back, plain = match.groups()
        if double is not None:
            value = _ESCAPED.sub(lambda found: _MEANT.get(found[1], found[1]), double)
        else:
            value = next(item for item in (single, back, plain) if item is not None)
        yield match[0], name.decode(), value.decode(errors="replace")
    if text[at:]:
        yield text[at:], "", ""


def line(name: str, value: str) -> str | None:
    """The line that every reader parses to this value; None when there is no such line."""
    if _PLAIN.fullmatch(value):
        return f"{name}={value}\n"
    if value.endswith("\\"):  # a backslash would escape the quote
        return None
    if not set(value) & {"'", "\r"}:
        return f"{name}='{value}'\n"
    if not set(value) & {'"', "\\", "$"}:
        return f'{name}="{value}"\n'.replace("\r", "\\r")
    return None
