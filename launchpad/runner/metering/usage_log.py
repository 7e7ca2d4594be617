"""The files of usage by the hour: one a month, one line for each tenant and hour, in UTC.

Each line has the time at which its count began. A line that a crash made the meter write twice has the same time twice,
and counts once. Two counts of one hour, as after a change of the clock, add up.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from launchpad.runner import paths
from launchpad.runner.record import Record

if TYPE_CHECKING:
    from launchpad.runner.host import Host

MONTH = re.compile(r"[0-9]{4}-(?:0[1-9]|1[0-2])")
KEPT_MONTHS = 15
"""Files: the present month and 14 whole months, which are more than 400 days. Counted by their names, so that a wrong
clock removes no history."""


class Amounts(Record):
    """What a tenant used in a time."""

    cpu_seconds: float = 0.0
    memory_gib_hours: float = 0.0
    disk_gib_hours: float = 0.0
    received_bytes: int = 0
    """To the tenant: visitors' requests, and answers from outside."""
    sent_bytes: int = 0
    restarts: int = 0
    observed_seconds: float = 0.0
    """For how long memory and disk were measured."""

    def plus(self, other: Amounts) -> Amounts:
        mine, more = self.plain(), other.plain()
        return Amounts(**{name: mine[name] + more[name] for name in mine})

    def rounded(self) -> Amounts:
        return Amounts(**{name: round(value, 6) for name, value in self.plain().items()})


class UsedIn(Record):
    """What one tenant used in one hour (`2026-11-30T19:00Z`) or month (`2026-11`)."""

    tenant: str
    period: str
    amounts: Amounts


def hour_of(at: float) -> str:
    """The name of the hour: `2026-11-30T19:00Z`."""
    return time.strftime("%Y-%m-%dT%H:00Z", time.gmtime(at))


def append_hour(host: Host, hour: str, opened: float, amounts: Mapping[str, Amounts]) -> None:
    """Write the hour's lines in one step, and remove the oldest months."""
    lines = [
        json.dumps({"hour": hour, "opened": opened, "tenant": tenant, **used.rounded().plain()})
        for tenant, used in sorted(amounts.items())
    ]
    # The empty line ends what a crash left of an earlier write.
    host.append(_file(hour[:7]), b"\n%s\n" % "\n".join(lines).encode())
    for name in _months(host)[:-KEPT_MONTHS]:
        host.remove(_file(name))


Counts = dict[tuple[str, str, float], Amounts]
"""Tenant, hour, and when the count began → what was used."""


def read_month(host: Host, month: str) -> Counts:
    """The finished counts of the month. A torn line is skipped."""
    counts: Counts = {}
    for line in (host.read(_file(month)) or b"").splitlines():
        try:
            found: dict[str, Any] = json.loads(line)
            key = str(found.pop("tenant")), str(found.pop("hour")), float(found.pop("opened"))
            counts[key] = Amounts(**found)
        except (ValueError, TypeError, KeyError, AttributeError):
            continue
    return counts


def added(uses: Iterable[UsedIn]) -> Iterator[UsedIn]:
    """One entry for each tenant and period, in order."""
    found: dict[tuple[str, str], Amounts] = {}
    for item in uses:
        key = item.tenant, item.period
        found[key] = found.get(key, Amounts()).plus(item.amounts)
    for (tenant, period), used in sorted(found.items(), key=lambda pair: pair[0]):
        yield UsedIn(tenant=tenant, period=period, amounts=used)


def _months(host: Host) -> list[str]:
    names = (name.removesuffix(".jsonl") for name in host.names(paths.USAGE))
    return [name for name in names if MONTH.fullmatch(name)]


def _file(month: str) -> str:
    return f"{paths.USAGE}/{month}.jsonl"
