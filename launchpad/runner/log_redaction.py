"""Remove a tenant's known secrets from its containers' logs.

Only known values can be found: the secrets in use on this host, in plain form and as JSON, URLs and base64 encode them.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator

from launchpad.runner import paths
from launchpad.runner.host import Files
from launchpad.runner.view import ContainerLine

SHORTEST = 6
"""Shorter values are not removed, because they also occur in harmless text."""
BLACK = "[secret]"
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


class LogRedaction:
    """Replaces each known value by `[secret]`, also inside a longer word."""

    def __init__(self, values: Iterable[str]) -> None:
        # Longest first, because one value may be the beginning of another.
        forms = sorted({form for value in values for form in _forms(value)}, key=lambda form: (-len(form), form))
        self._longest = len(forms[0]) if forms else 0
        self._pattern = re.compile("|".join(map(re.escape, forms))) if forms else None

    def __repr__(self) -> str:
        return "LogRedaction([secret])"

    def text(self, text: str) -> str:
        """The text without the known values."""
        return self._pattern.sub(BLACK, text) if self._pattern else text

    def line(self, line: ContainerLine) -> str:
        """The line's text without the known values; of a cut line, also without an end that may be the beginning of a
        value."""
        text = self.text(line.text)
        return text[: max(len(text) - self._longest, 0)] + "…" if line.cut else text


def known_secrets(host: Files, tenant: str) -> LogRedaction:
    """The values to remove from this tenant's lines: its secrets in use, of every release."""
    return LogRedaction(values_in(host, f"{paths.RUN}/{tenant}") if tenant else ())


def values_in(host: Files, folder: str) -> Iterator[str]:
    """The values in use, of every release."""
    for release in host.names(folder):
        for name in host.names(f"{folder}/{release}"):
            yield (host.read(f"{folder}/{release}/{name}") or b"").decode(errors="replace")


def _forms(value: str) -> Iterator[str]:
    """The forms of a value in a line. Of a value with several lines, such as a key, each line counts."""
    for part in {value.strip(), *(line.strip() for line in value.splitlines())}:
        if len(part) < SHORTEST:
            continue
        yield part
        yield json.dumps(part)[1:-1]
        yield json.dumps(part, ensure_ascii=False)[1:-1]
        yield "".join(
            sign if sign in _UNRESERVED else "".join(f"%{byte:02X}" for byte in sign.encode()) for sign in part
        )
        yield base64.b64encode(part.encode()).decode().rstrip("=")
