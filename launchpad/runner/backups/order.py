"""Which backups' dates to trust when backups are pruned: the date of a backup comes from its host.

A thief with a host's credentials can add backups of any date, and rules that count days and months would keep those and
delete the real ones. So the operator's side remembers which backups it saw, in a place that no host can reach. A backup
that is new since then and dated before the newest remembered one has a wrong date.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from typing import Any

AHEAD = datetime.timedelta(hours=1).total_seconds()
"""A host's clock may be so many seconds ahead of the operator's."""


def remembered(snapshots: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What to remember of these backups [{"id", "time"}]: {"newest": seconds since 1970, "ids"}."""
    times = {str(item["id"]): moment(item) for item in snapshots}
    return {"newest": max(times.values(), default=0.0), "ids": sorted(times)}


def out_of_order(before: Mapping[str, Any], snapshots: Iterable[Mapping[str, Any]]) -> list[str]:
    """The ids of the backups that `before` does not have and that are dated before its newest one; oldest first."""
    ids = set(before["ids"])
    new = [item for item in snapshots if item["id"] not in ids and moment(item) < before["newest"]]
    return [str(item["id"]) for item in sorted(new, key=moment)]


def moment(snapshot: Mapping[str, Any]) -> float:
    """The backup's own date, in seconds since 1970."""
    return datetime.datetime.fromisoformat(snapshot["time"]).timestamp()
