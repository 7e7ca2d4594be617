"""costs: what tenants' apps say their models cost in a month, by day. Reads only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from launchpad.runner.app_cost import CostsReply, TenantCosts, costs_of, tenants_with_costs
from launchpad.runner.caller import Caller
from launchpad.runner.hint import Next
from launchpad.runner.host import Host
from launchpad.runner.metering.usage_log import MONTH
from launchpad.runner.protocol import Refused, record_as_json
from launchpad.runner.verbs import only, reply


def costs(host: Host, body: Mapping[str, Any], _caller: Caller) -> Iterator[dict[str, Any]]:
    """CostsReply.

    body {"month": "2026-11", "tenants": [name] or null for all}."""
    given = only(body, month=str, tenants=list)
    month, tenants = given["month"] or "", given["tenants"]
    if MONTH.fullmatch(month) is None:
        raise Refused(f"month: {month[:20]!r} is not a month", code="month", hint=Next("usage", "--month", "2026-11"))
    found = []
    for name in tenants_with_costs(host):
        if tenants is None or name in tenants:
            kept = costs_of(host, name)
            days = {day: cost for day, cost in sorted(kept.days.items()) if day.startswith(month)}
            found.append(TenantCosts(name, kept.but(days=days)))
    yield reply(record_as_json(CostsReply(tuple(found))))
