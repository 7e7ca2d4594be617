"""Which backups to believe when they are thinned out: what a repository says of a backup's time, its host said.

Whoever has a host's credentials can add backups of any date, and rules that count days and months would keep those and
have the real ones deleted. So operators remember, where no host reaches, what they saw in the repository: a backup that
is new since then and dated before the newest of those was made later than it says.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from typing import Any

AHEAD = datetime.timedelta(hours=1).total_seconds()
"""So much a host's clock may be ahead of the operator's."""


def remembered(snapshots: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What to remember of these, [{"id", "time"}]: {"newest": seconds since 1970, "ids"}."""
    times = {str(item["id"]): moment(item) for item in snapshots}
    return {"newest": max(times.values(), default=0.0), "ids": sorted(times)}


def out_of_order(before: Mapping[str, Any], snapshots: Iterable[Mapping[str, Any]]) -> list[str]:
    """The ids of those that `before` does not have and that are dated before its newest, oldest first."""
    ids = set(before["ids"])
    new = [item for item in snapshots if item["id"] not in ids and moment(item) < before["newest"]]
    return [str(item["id"]) for item in sorted(new, key=moment)]


def moment(snapshot: Mapping[str, Any]) -> float:
    """When it says that it was made, in seconds since 1970."""
    return datetime.datetime.fromisoformat(snapshot["time"]).timestamp()
