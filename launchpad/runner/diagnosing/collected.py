"""What was collected of a host, as the analysers read it, and what an analyser says. Pure.

Each section is plain JSON, so that a bundle on an operator's machine reads like a host. A section that could not be
collected is missing: an analyser that lacks what it looks at says nothing.
"""

from __future__ import annotations

import calendar
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from launchpad.runner.hint import Hint, hint_as_json
from launchpad.runner.record import Record

_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
_OF_TOOLS = re.compile(r"(?i)(?:\S+Z )?\[(?:tools?|exec|browser|cron|skills?|plugins?|hooks?|web)\b")


UNKNOWN = "unknown"
"""The cause that no analyser names."""


class Diagnosis(Record):
    """One cause, and what to do about it."""

    cause: str
    """A word for programs, such as `disk-full`."""
    message: str
    """What is wrong and where, one sentence without an end."""
    hint: Hint | str
    """The command to type next."""
    tenant: str = ""
    """Whose it is; empty for the host's own."""
    evidence: tuple[str, ...] = ()
    """What it was seen by: at most a few lines."""

    def as_json(self) -> dict[str, Any]:
        return self.plain() | {"hint": hint_as_json(self.hint)}


class Collected(Record):
    """The sections by name, and whose they are."""

    host: str
    tenant: str
    """The tenant that was asked for; empty for a whole host."""
    at: float
    """When, by the host's clock."""
    sections: Mapping[str, Any]

    def get(self, *path: str, otherwise: Any = None) -> Any:
        """What stands at the path of keys, as long as it is of the kind that stands in for it otherwise."""
        return at(self.sections, *path, otherwise=otherwise)

    def tenants(self) -> Iterator[CollectedTenant]:
        """Each tenant that was collected."""
        for name, own in at(self.sections, "tenants", otherwise={}).items():
            if isinstance(own, Mapping):
                yield CollectedTenant(name=str(name), own=own, at=self.at)


class CollectedTenant(Record):
    """One tenant's section."""

    name: str
    own: Mapping[str, Any]
    at: float

    def get(self, *path: str, otherwise: Any = None) -> Any:
        return at(self.own, *path, otherwise=otherwise)

    @property
    def is_wanted(self) -> bool:
        """Whether the tenant is to run here."""
        record = self.get("record", otherwise={})
        return bool(record.get("running")) and not record.get("retired") and not self.get("gone")

    @property
    def containers(self) -> list[Mapping[str, Any]]:
        """Those of the side that serves; all of them where the record does not say which."""
        side = self.get("record", "side")
        found = [item for item in self.get("containers", otherwise=[]) if isinstance(item, Mapping)]
        return [item for item in found if side is None or item.get("side") in (side, None)]

    @property
    def breaker(self) -> Mapping[str, Any]:
        """Why the watch gave the tenant up; empty when it did not."""
        return self.get("breaker", otherwise={})  # type: ignore[no-any-return]

    @property
    def last_failed(self) -> Mapping[str, Any]:
        """The newest operation on the tenant, when it failed; a backup is judged by itself."""
        done = [item for item in self.operations if item.get("kind") not in BACKUP_KINDS]
        last = done[-1] if done else {}
        return last if last.get("outcome") in ("undone", "incomplete") else {}

    @property
    def last_undone(self) -> Mapping[str, Any]:
        """The same, when it was undone and the tenant is to run: what serves then is what served before."""
        failed = self.last_failed
        return failed if failed.get("outcome") == "undone" and self.is_wanted else {}

    @property
    def operations(self) -> list[Mapping[str, Any]]:
        """The newest operations, the last one last."""
        return [item for item in self.get("operations", otherwise=[]) if isinstance(item, Mapping)]

    @property
    def last_words(self) -> list[str]:
        """What the tenant's containers wrote before somebody gave them up: the watch, or an operation that failed. Not
        what an undone release wrote, or a rehearsal's clone: neither serves."""
        failed = () if self.last_undone else self.last_failed.get("lines", ())
        said = [*self.breaker.get("lines", ()), *failed]
        return [str(line) for line in said]

    def lines(self, *, seconds: float, all_of_them: bool = False) -> list[str]:
        """What the app wrote in the last so many seconds, the newest last. Not what its tools and jobs met in the rest
        of the world, unless all is asked for: a page that answers 401 is no provider."""
        found = []
        for lines in self.get("log", otherwise={}).values():
            found += [line for line in lines if isinstance(line, str) and self.at - seconds <= stamp(line)]
        return in_order(found if all_of_them else (line for line in found if not _OF_TOOLS.match(line)))

    def lines_since_start(self, *, seconds: float, all_of_them: bool = False) -> list[str]:
        """The same, but nothing that an earlier start of the app wrote: a restart brings a new key, another version."""
        started = [stamp(str(item.get("started_at", ""))) for item in self.containers if item.get("state") == "running"]
        lines = self.lines(seconds=seconds, all_of_them=all_of_them)
        return [line for line in lines if stamp(line) >= min(started, default=0.0)]

    @property
    def is_ill(self) -> bool:
        """Whether somebody who asks the tenant now is not answered well."""
        if not self.is_wanted:
            return False
        probes = self.get("probes", otherwise=[])
        dead = any(item.get("state") != "running" for item in self.containers)
        return bool(self.breaker) or dead or any(probe.get("ok") is False for probe in probes)


BACKUP_KINDS = frozenset({"backup", "verify", "fetch", "drill", "forget", "rewrap"})


def at(value: Any, *path: str, otherwise: Any = None) -> Any:
    """What stands there, or the other: a bundle may lack anything, and somebody may have written it by hand."""
    for key in path:
        if not isinstance(value, Mapping) or key not in value:
            return otherwise
        value = value[key]
    if otherwise is not None and not isinstance(value, type(otherwise)):
        return otherwise
    return value


def in_order(lines: Iterable[str]) -> list[str]:
    """The lines by their times; those of one second as they came."""
    return sorted(lines, key=stamp)


@lru_cache(maxsize=65536)
def stamp(line: str) -> float:
    """When a log's line was written (it begins with a time in UTC); long ago where it does not say."""
    found = _STAMP.match(line)
    if found is None:
        return 0.0
    try:
        return float(calendar.timegm(time.strptime(found[0], "%Y-%m-%dT%H:%M:%S")))
    except ValueError:
        return 0.0
