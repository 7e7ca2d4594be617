"""Changing one thing deep in a JSON document, for tables of refusals."""

from __future__ import annotations

import copy
from typing import Any

GONE = object()
"""In a table: the key is taken away."""


def changed(document: Any, path: str, value: Any) -> Any:
    """A copy with the value at `path` (keys and indices parted by `/`) written otherwise, or taken away."""
    document = copy.deepcopy(document)
    *parents, last = [int(part) if part.isdecimal() else part for part in path.split("/")]
    place = document
    for part in parents:
        place = place[part]
    if value is GONE:
        del place[last]
    elif isinstance(place, list) and last == len(place):
        place.append(value)
    else:
        place[last] = value
    return document
