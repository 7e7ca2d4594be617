"""What differs between two releases of a tenant, file by file, as people read it. Pure."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

BLACK = "[secret]"
"""What a host puts in the place of a value that it knows to be secret."""
MANIFEST = "release.json"
APART = frozenset({"files", "secrets", "version", "domains", "format"})
"""Of a manifest: what is told in words, or by the files themselves."""


def diffs(
    before: tuple[Mapping[str, Any], Mapping[str, str]], after: tuple[Mapping[str, Any], Mapping[str, str]]
) -> dict[str, str]:
    """Path → unified diff, of the files that differ and of what the manifests say beside them; each release is its
    manifest and its files."""
    one, other = (dict(files) | {MANIFEST: _lines(manifest)} for manifest, files in (before, after))
    found = {path: _diff(one.get(path, ""), other.get(path, "")) for path in sorted({*one, *other})}
    return {path: text for path, text in found.items() if text}


def _lines(manifest: Mapping[str, Any]) -> str:
    plain = {key: value for key, value in manifest.items() if key not in APART}
    return json.dumps(plain, indent=1, sort_keys=True, ensure_ascii=False)


def _diff(before: str, after: str) -> str:
    one = before.expandtabs(4).splitlines()
    other = [_as_black(line, one) for line in after.expandtabs(4).splitlines()]
    return "\n".join([*difflib.unified_diff(one, other, n=2, lineterm="")][2:])


def _as_black(line: str, before: list[str]) -> str:
    """The line as the host shows it, where it has a secret's value in that place: whatever stands there here is not
    shown either."""
    return next((black for black in before if BLACK in black and _like(black).fullmatch(line)), line)


def _like(black: str) -> re.Pattern[str]:
    return re.compile(".+".join(map(re.escape, black.split(BLACK))))


def shortened(text: str, most: int) -> Iterator[str]:
    """Its first lines, and how many are left out."""
    lines = text.splitlines()
    yield from lines[:most]
    if len(lines) > most:
        yield f"… {len(lines) - most} more lines: --json has them"
