"""How texts read without what stands between and around characters: escapes, breaks of lines, colours, case. Pure.

A program writes a secret in more ways than anybody lists: `%2541`, `&#65;`, `\\x41`, `\\101`, `=41`, in capitals, with
spaces, over several lines. Folded, all of them are the same text; the places of its characters are kept.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterator, Sequence

_ESCAPE = re.compile(
    r"%(?:25)*([0-9A-Fa-f]{2})"
    r"|\\+(?:u00|x)([0-9A-Fa-f]{2})"
    r"|\\+([0-3][0-7]{2})"
    r"|&(?:amp;)*(#[xX]?[0-9A-Fa-f]{1,6}|\w{2,6});"
    r"|=([0-9A-F]{2})(?==[0-9A-F]{2}|(?<==[0-9A-F]{2}=[0-9A-F]{2}))"
)
_DEEPEST = 3
"""Escapes in escapes."""
_BETWEEN = re.compile(r"[\s\"'`\\\x00-\x1f\x7f\u00ad\u200b-\u200f\u2028-\u202f\u2060\ufeff]+")
_COLOUR = re.compile(r"\x1b?\[[\d;]{1,8}m")
_BEFORE = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d) (?:\S+ [\w.@-]+(?:\[\d+\])?: )?")
"""What a log writes before each line."""
_ALIKE = str.maketrans("/_+", "---")
_BLOB = re.compile(r"[A-Za-z0-9+/_-]{40,}")
_STANDARD = str.maketrans("-_", "+/")


def folded(text: str) -> str:
    """The text as it is compared."""
    for _ in range(_DEEPEST):
        before, text = text, _ESCAPE.sub(_character, text)
        if text == before:
            break
    return _BETWEEN.sub("", _COLOUR.sub("", text)).translate(_ALIKE).lower()


def folded_line(text: str) -> str:
    """The same of one line of a log, without what stands before each: the next line goes on where this one broke."""
    return folded(text[_head(text) :])


def places(line: str) -> list[tuple[int, int]]:
    """Where in the line each character of the folded line comes from: from, and to."""
    head = _head(line)
    text, where = line[head:], [(at, at + 1) for at in range(head, len(line))]
    for _ in range(_DEEPEST):
        before = text
        text, where = _replaced(_ESCAPE, text, where)
        if text == before:
            break
    for pattern in (_COLOUR, _BETWEEN):
        text, where = _replaced(pattern, text, where)
    # a capital may have several small letters
    return [place for mark, place in zip(text, where, strict=True) for _ in mark.lower()]


def unpacked(text: str) -> Iterator[tuple[int, int, Sequence[str]]]:
    """Each run of what may be base64: from, to, and what it may hold, folded."""
    for run in _BLOB.finditer(text):
        yield run.start(), run.end(), [folded(inside) for inside in _decoded(run[0])]


def _decoded(run: str) -> Iterator[str]:
    """What the run may hold; base64 in base64 too."""
    run = run.translate(_STANDARD)
    for alignment in range(4):
        part = run[alignment : len(run) - (len(run) - alignment) % 4]
        data = base64.b64decode(part)
        if sum(32 <= byte < 127 for byte in data[:24]) >= 20:  # a text
            inside = data.decode("latin-1")
            yield inside
            for deeper in _BLOB.findall(inside):
                yield from _decoded(deeper)


def _head(line: str) -> int:
    found = _BEFORE.match(line)
    return found.end() if found else 0


def _replaced(pattern: re.Pattern[str], text: str, where: list[tuple[int, int]]) -> tuple[str, list[tuple[int, int]]]:
    pieces: list[str] = []
    kept: list[tuple[int, int]] = []
    done = 0
    for found in pattern.finditer(text):
        new = _character(found) if pattern is _ESCAPE else ""
        pieces += [text[done : found.start()], new]
        kept += where[done : found.start()]
        kept += [(where[found.start()][0], where[found.end() - 1][1])] * len(new)
        done = found.end()
    return "".join([*pieces, text[done:]]), kept + where[done:]


def _character(found: re.Match[str]) -> str:
    """The character that was escaped."""
    code = found[1] or found[2] or found[5]
    if code:
        return chr(int(code, 16))
    if found[3]:
        return chr(int(found[3], 8))
    return html.unescape(f"&{found[4]};")
