"""Finds known texts in a long one: some as a whole, of some any FRAGMENT characters in a row. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from launchpad.runner.diagnosing.secret_parts import FRAGMENT

_PART = 6
_STRIDE = FRAGMENT - _PART + 1
"""Of any FRAGMENT characters in a row a whole part begins at a multiple of this, wherever they stand."""


class GramIndex:
    """What is looked for. A search costs the same for one text and for thousands."""

    def __init__(self) -> None:
        self._heads: dict[str, list[str]] = {}
        """What stands as a whole, by its first FRAGMENT characters."""
        self._grams: set[str] = set()
        self._parts: set[str] = set()

    def add_whole(self, text: str) -> None:
        """Find the text as a whole; it has FRAGMENT characters at least."""
        self._heads.setdefault(text[:FRAGMENT], []).append(text)
        self._parts.update(text[at : at + _PART] for at in range(_STRIDE))

    def add_fragments(self, text: str) -> None:
        """Find any FRAGMENT characters in a row of the text."""
        self._grams.update(text[at : at + FRAGMENT] for at in range(len(text) - FRAGMENT + 1))
        self._parts.update(text[at : at + _PART] for at in range(len(text) - _PART + 1))

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Where they stand, in order; those that touch are one."""
        begin = end = 0
        some = [at for at in range(0, len(text), _STRIDE) if text[at : at + _PART] in self._parts]
        for at in (at for near in some for at in range(max(near - _STRIDE + 1, 0), near + 1)):
            gram = text[at : at + FRAGMENT]
            reaches = at + FRAGMENT if gram in self._grams else 0
            for form in self._heads.get(gram, ()):
                if text.startswith(form, at):
                    reaches = max(reaches, at + len(form))
            if not reaches:
                continue
            if at > end or not end:
                if end:
                    yield begin, end
                begin = at
            end = max(end, reaches)
        if end:
            yield begin, end
