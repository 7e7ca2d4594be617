"""costs: what tenants' apps say their models cost in a month, by day. Reads only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from launchpad.runner.app_cost import costs_of, tenants_with_costs
from launchpad.runner.caller import Caller
from launchpad.runner.hint import Next
from launchpad.runner.host import Host
from launchpad.runner.metering.usage_log import MONTH
from launchpad.runner.protocol import Refused
from launchpad.runner.verbs import reply
from launchpad.runner.wire.body import body_from_json
from launchpad.runner.wire.cost_bodies import CostsReply, ReadCosts, TenantCosts


def costs(host: Host, body: Mapping[str, Any], _caller: Caller) -> Iterator[dict[str, Any]]:
    """CostsReply; body ReadCosts."""
    given = body_from_json(ReadCosts, body)
    month, tenants = given.month, given.tenants
    if MONTH.fullmatch(month) is None:
        raise Refused(f"month: {month[:20]!r} is not a month", code="month", hint=Next("usage", "--month", "2026-11"))
    found = []
    for name in tenants_with_costs(host):
        if tenants is None or name in tenants:
            kept = costs_of(host, name)
            days = {day: cost for day, cost in sorted(kept.days.items()) if day.startswith(month)}
            found.append(TenantCosts(name, kept.but(days=days)))
    yield reply(CostsReply(tuple(found)))
