"""Rewrite old absolute paths in texts to the paths in the tenant's container."""

from __future__ import annotations

import re
from collections.abc import Iterable

from launchpad.archives.recognising import Recognised
from launchpad.fleet.model.layout import Imports

_HOME = r"(?:/[A-Za-z0-9._@+-]+)+"
_END = r"""(?=[/"'\s,:;\\)\]}]|$)"""
USUAL = re.compile(r"/root|/(?:home|Users)/[^/]+")


def homes_in(texts: Iterable[bytes], recognised: Recognised) -> tuple[str, ...]:
    """The old homes, found in the texts as the paths before the app's places. Hidden places are reliable; before a
    place like `clawd`, only a usual home or a single candidate counts."""
    sure: set[str] = set()
    likely: set[str] = set()
    for place in recognised.layout.places:
        before = re.compile(rf"({_HOME})/{re.escape(place)}{_END}".encode())
        for text in texts:
            found = {match[1].decode() for match in before.finditer(text)}
            (sure if place.startswith(".") else likely).update(found)
    if sure:
        return tuple(sorted(sure))
    usual = {home for home in likely if USUAL.fullmatch(home)}
    return tuple(sorted(usual or (likely if len(likely) == 1 else ())))


class Rewriter:
    """Maps every old path to its new path."""

    def __init__(self, recognised: Recognised, imports: Imports, homes: Iterable[str]) -> None:
        self._new: dict[bytes, bytes] = {}
        for place, goes in recognised.layout.places.items():
            inside = imports.inside.get(goes.volume)  # type: ignore[call-overload]  # equal to the plain text
            if inside is not None:
                new = f"{inside}{goes.removeprefix(goes.volume)}".encode()
                self._new |= {f"{home}/{place}".encode(): new for home in (*homes, "~")}
        longest_first = sorted(self._new, key=len, reverse=True)
        names = b"|".join(re.escape(name) for name in longest_first)
        self._old = re.compile(rb"(?<![A-Za-z0-9._/-])(" + names + rb")" + _END.encode()) if names else None

    def rewritten(self, text: bytes) -> bytes:
        """The text with the new paths in it."""
        return self._old.sub(lambda match: self._new[match[1]], text) if self._old else text
