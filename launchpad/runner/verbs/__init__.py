"""The verbs of the runner: one file for each, with a function of the same name.

`verb(host, body, caller)` yields JSON lines, the reply last; it raises Refused. `body` is untrusted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from launchpad.runner.protocol import Refused, record_as_json
from launchpad.runner.record import Record


def only(body: Mapping[str, Any], **known: type) -> dict[str, Any]:
    """The body's values by key; None for a missing key. Refused for an unknown key or a value of another type; a bool
    is not a number."""
    for key, value in body.items():
        if key not in known:
            raise Refused(f"unknown key {key[:60]!r}")
        wanted = known[key]
        fits = isinstance(value, (int, float)) if wanted is float else isinstance(value, wanted)
        if value is not None and (not fits or (isinstance(value, bool) and wanted is not bool)):
            raise Refused(f"{key}: expected {wanted.__name__}")
    return {key: body.get(key) for key in known}


def reply(body: Record | Mapping[str, Any]) -> dict[str, Any]:
    """The last line of an answer."""
    return {"type": "reply", "body": record_as_json(body) if isinstance(body, Record) else dict(body)}
