"""The differences between two releases of a tenant, file by file, for people. Pure."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

BLACK = "[secret]"
"""The text that a host shows instead of a known secret value."""
MANIFEST = "release.json"
APART = frozenset({"files", "secrets", "version", "domains", "format"})
"""The manifest's keys that are left out here: shown in words, or by the files themselves."""


def diffs(
    before: tuple[Mapping[str, Any], Mapping[str, str]], after: tuple[Mapping[str, Any], Mapping[str, str]]
) -> dict[str, str]:
    """Path → unified diff of the files that differ, and of the manifests' other keys. Each release is its manifest and
    its files."""
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
    """The line as the host shows it when the host hides a secret value in it: then the value here is hidden too."""
    return next((black for black in before if BLACK in black and _like(black).fullmatch(line)), line)


def _like(black: str) -> re.Pattern[str]:
    return re.compile(".+".join(map(re.escape, black.split(BLACK))))


def shortened(text: str, most: int) -> Iterator[str]:
    """The text's first lines, and the number of omitted lines."""
    lines = text.splitlines()
    yield from lines[:most]
    if len(lines) > most:
        yield f"… {len(lines) - most} more lines: --json has them"
