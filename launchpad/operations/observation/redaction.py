"""Replace known secrets in text that will be shown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from urllib.parse import quote

from launchpad.fleet.words.secret import Secret

SHORTEST = 6
"""Shorter secrets would match ordinary words."""
MARK = "[secret]"


class Redaction:
    """Replaces each secret with `[secret]`: as plain text, as JSON and URLs encode it, and line by line."""

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        spellings = {spelling for secret in secrets for spelling in _spellings(secret.reveal())}
        longest_first = sorted(spellings, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if spellings else None

    def __call__(self, text: str) -> str:
        return self._pattern.sub(MARK, text) if self._pattern else text


def _spellings(value: str) -> Iterable[str]:
    for part in (value, *value.splitlines()):
        for spelling in (part.strip(), json.dumps(part)[1:-1], quote(part, safe="")):
            if len(spelling) >= SHORTEST:
                yield spelling
