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
from launchpad.runner.verbs import only, reply

MOST_IN_LINE = 500


def metered(host: Host, body: Mapping[str, Any], _caller: Caller) -> Iterator[dict[str, Any]]:
    """{"type": "used", "used": [{"tenant", "period", and the fields of Amounts}]} lines; then {"clock"}.

    body {"month": "2026-11", "tenants": [name] or null for all, "hourly": whether each hour is an entry}."""
    given = only(body, month=str, tenants=list, hourly=bool)
    month, tenants = given["month"] or "", given["tenants"]
    if MONTH.fullmatch(month) is None:
        raise Refused(f"month: {month[:20]!r} is not a month", code="month", hint=Next("usage", "--month", "2026-11"))
    found = [
        {"tenant": item.tenant, "period": item.period, **item.amounts.rounded()}
        for item in usage_of(host, month, hourly=bool(given["hourly"]))
        if tenants is None or item.tenant in tenants
    ]
    for begin in range(0, len(found), MOST_IN_LINE):
        yield {"type": "used", "used": found[begin : begin + MOST_IN_LINE]}
    yield reply({"clock": host.now()})
