"""expect: what the inventory expects of this host; the watch judges by it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from launchpad.runner.caller import Caller
from launchpad.runner.expected import expected_from_json, keep_expected
from launchpad.runner.verbs import reply
from launchpad.runner.view import View


def expect(host: View, body: Mapping[str, Any], _caller: Caller) -> Iterator[dict[str, Any]]:
    """{"digest"}, as the account's facts have it after the watch's next look.

    body {"backups": {tenant: seconds}, "peer": a host's name, "names": {tenant of the peer: [domain]}}."""
    found = expected_from_json(dict(body))
    keep_expected(host, found)
    yield reply({"digest": found.digest})
