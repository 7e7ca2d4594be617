"""metered: what tenants used on this host in a month, or in each hour of it. Reads only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from launchpad.runner.caller import Caller
from launchpad.runner.hint import Next
from launchpad.runner.host import Host
from launchpad.runner.metering.meter import usage_of
from launchpad.runner.metering.usage_log import MONTH
from launchpad.runner.protocol import Refused
from launchpad.runner.verbs import reply
from launchpad.runner.wire.body import body_from_json
from launchpad.runner.wire.streams import MeteredReply, ReadMetered, UsedLine

MOST_IN_LINE = 500


def metered(host: Host, body: Mapping[str, Any], _caller: Caller) -> Iterator[dict[str, Any]]:
    """UsedLines, then MeteredReply; body ReadMetered."""
    given = body_from_json(ReadMetered, body)
    month, tenants = given.month, given.tenants
    if MONTH.fullmatch(month) is None:
        raise Refused(f"month: {month[:20]!r} is not a month", code="month", hint=Next("usage", "--month", "2026-11"))
    found = [
        item.but(amounts=item.amounts.rounded())
        for item in usage_of(host, month, hourly=given.hourly)
        if tenants is None or item.tenant in tenants
    ]
    for begin in range(0, len(found), MOST_IN_LINE):
        yield UsedLine(used=tuple(found[begin : begin + MOST_IN_LINE])).as_line()
    yield reply(MeteredReply(clock=host.now()))
