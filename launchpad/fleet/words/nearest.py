"""The nearest existing name, for `did you mean`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that is nearest to the text, or empty."""
    folded = {item.lower(): item for item in sorted(known)}
    found = difflib.get_close_matches(name.lower(), list(folded), n=1, cutoff=0.6)
    return folded[found[0]] if found else ""
