"""names: resolve domain names on this host, as a second opinion to the operator's own resolver."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any

from launchpad.runner.caller import Caller
from launchpad.runner.protocol import Refused
from launchpad.runner.verbs import reply
from launchpad.runner.view import View
from launchpad.runner.wire.body import body_from_json
from launchpad.runner.wire.host_bodies import Names, NamesReply

MOST_NAMES = 64
SECONDS = 5.0


def names(host: View, body: Mapping[str, Any], _caller: Caller) -> Iterator[dict[str, Any]]:
    """NamesReply, within 5 s; body Names."""
    asked = body_from_json(Names, body).names
    if len(asked) > MOST_NAMES or not all(len(name) <= 253 for name in asked):
        raise Refused(f"names: expected at most {MOST_NAMES} names")
    found: dict[str, tuple[str, ...]] = dict.fromkeys(asked, ())

    def look(name: str) -> None:
        found[name] = tuple(sorted(host.leads_to(name)))

    threads = [threading.Thread(target=look, args=(name,), daemon=True) for name in asked]
    for thread in threads:
        thread.start()
    end = host.elapsed() + SECONDS
    for thread in threads:
        thread.join(max(0.0, end - host.elapsed()))
    yield reply(NamesReply(names=dict(found)))
