"""What an app itself says its models cost, by day: the answers of its action `usage-cost`, kept on the host.

The action's last line is JSON: {"complete": bool, "days": [{"date": "2026-12-01", "cost": US dollars, "tokens": number,
"unpriced": entries without a price}]}, days in UTC. Nobody can verify these numbers: a tenant can print any.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from launchpad.runner import paths
from launchpad.runner.host import Failed
from launchpad.runner.protocol import Refused, canonical, record_as_json, record_from_json
from launchpad.runner.wire.cost_bodies import AppCosts, DayCost

if TYPE_CHECKING:
    from launchpad.runner.host import Files

ACTION = "usage-cost"
MOST_DAYS, KEPT_DAYS = 62, 460
"""Days of one answer, and days that are kept: more than 400, as with what the meter keeps."""
MOST_COST, MOST_TOKENS = 1e6, 10**13
"""Of one day: more is no answer."""
_DAY = re.compile(r"20[0-9]{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])")
_KEYS = {"date", "cost", "tokens", "unpriced"}


def days_of(text: str) -> dict[str, DayCost]:
    """The days in what the action printed. ValueError for anything else than the documented JSON."""
    last = (text.strip().splitlines() or [""])[-1]
    try:
        said = json.loads(last)
        complete, days = said["complete"], list(said["days"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError("prints what cannot be understood") from None
    if complete is not True:
        raise ValueError("still adds up")
    found = dict(map(_day, days[: MOST_DAYS + 1]))
    if len(days) > MOST_DAYS or len(found) < len(days):
        raise ValueError("prints too many days, or one twice")
    return found


def _day(item: Any) -> tuple[str, DayCost]:
    if not isinstance(item, dict) or item.keys() != _KEYS or not isinstance(item["date"], str):
        raise ValueError("prints what cannot be understood")
    cost, counts = item["cost"], (item["tokens"], item["unpriced"])
    fits = type(cost) in (int, float) and 0 <= cost <= MOST_COST  # false for NaN
    if not fits or not all(type(count) is int and 0 <= count <= MOST_TOKENS for count in counts):
        raise ValueError("prints a cost that is none")
    if not _DAY.fullmatch(item["date"]):
        raise ValueError("prints what cannot be understood")
    return item["date"], DayCost(cost_usd=round(float(cost), 6), tokens=counts[0], unpriced=counts[1])


def learned(before: AppCosts, days: Mapping[str, DayCost], *, at: float) -> AppCosts:
    """With these days in place of what was known of the same days. A day without use is not kept, and removes nothing:
    an app forgets its oldest sessions."""
    used = {day: cost for day, cost in days.items() if cost.tokens or cost.cost_usd or cost.unpriced}
    known = sorted({**before.days, **used}.items())[-KEPT_DAYS:]
    return AppCosts(asked=at, days=dict(known))


def costs_of(host: Files, tenant: str) -> AppCosts:
    """What is kept of the tenant; nothing where nothing, or something damaged, is kept."""
    try:
        return record_from_json(AppCosts, json.loads(host.read(_file(tenant)) or b"{}"), "costs")
    except (ValueError, Refused, Failed):
        return AppCosts()


def keep_costs(host: Files, tenant: str, costs: AppCosts) -> None:
    host.write(_file(tenant), canonical(record_as_json(costs)), mode=0o600)


def tenants_with_costs(host: Files) -> Iterator[str]:
    """Also those that are no longer on the host."""
    return (name.removesuffix(".json") for name in host.names(paths.APP_COSTS) if name.endswith(".json"))


def _file(tenant: str) -> str:
    return f"{paths.APP_COSTS}/{tenant}.json"
