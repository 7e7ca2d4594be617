"""The watch's account: the findings of the last check of each subject, and the repairs that the watch made.

The watch writes both files; `observe` and `history` read them. The file of findings is replaced as a whole; the file of
repairs has one line for each repair.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import launchpad
from launchpad.runner import paths
from launchpad.runner.hint import hint_as_json, hint_from_json
from launchpad.runner.host import RUN_PROVISION as RUN_PROVISION
from launchpad.runner.record import Record

if TYPE_CHECKING:
    from launchpad.runner.facts import Fact
    from launchpad.runner.host import Host
    from launchpad.runner.wire.operation_bodies import PastRepair

WATCH = "watch"
"""The subject of findings about the watch itself."""
ILLNESS = "illness"
"""The subject of what an image's own health check reports."""
THE_HOST = "the host"
"""The check of the host itself; a provision asks for it again at its end."""
RUNNER = str(launchpad.__file__).rsplit("/", 2)[0]
"""The folder of the runner that runs in this process."""
STALE_SECONDS = 90.0
"""After so many seconds without a check, the earlier findings no longer count."""
CALM_SECONDS = 10.0
"""Without news the account is written at most so often: each check sees the same again every few seconds."""
PEEK_SECONDS = 0.9
MOST_BYTES = 256 << 10
"""Largest size of the file of repairs; when it is full, the older half is removed."""
_KEYS = frozenset({"runner", "boot_id", "at", "elapsed", "checks", "findings", "facts", "health"})


class Finding(Record):
    """A problem that the operator has to know."""

    subject: str
    """One word for programs, such as `firewall` or `sshd`."""
    message: str
    """One sentence for people without a full stop: `status` adds "since …"."""
    hint: str = ""
    """The command to type next."""
    tenant: str = ""
    """The tenant that has the problem; empty for the host itself."""
    since: float = 0.0
    """When the problem was first seen, by the host's clock; filled in by the account unless the check knows it."""

    def as_json(self) -> dict[str, Any]:
        return self.plain() | {"hint": hint_as_json(self.hint)}


class Account:
    """Written by the watch; each check of the watch runs in its own thread."""

    def __init__(self, host: Host, checks: Iterable[str]) -> None:
        self._host = host
        self._lock = threading.Lock()
        self._looked = dict.fromkeys(checks, host.elapsed())
        self._found: dict[str, list[Finding]] = {}
        self._facts: dict[str, Mapping[str, Any]] = {}
        self._health: dict[str, list[dict[str, Any]]] = {}
        self._made: dict[str, dict[int, tuple[Fact, dict[str, Any]]]] = {}
        """The facts of each check, by identity, and as JSON: most are the same from look to look."""
        self._stood = _stood(host)
        """Fact → its grade, and since when it has this grade."""
        self._restarts: dict[str, int] = {}
        self._parts: dict[str, list[str]] = {}
        """The findings and the facts of each check as texts of JSON: only what a check sees anew is made anew."""
        self._written = float("-inf")
        self._asked, self._peeked = 0.0, float("-inf")
        """When somebody last asked for new checks, and when that was read."""

    def see(
        self, check: str, findings: Iterable[Finding], facts: Mapping[str, Any], health: Iterable[Fact] = ()
    ) -> None:
        """All that the check finds now, in place of what it found before. A finding that it had already, by subject,
        tenant and message, keeps the time since when it stands, and so does a fact with the same grade. A finding
        that no fact of the check is about becomes one."""
        with self._lock:
            told = self._found.get(check), self._facts.get(check), _told(self._health.get(check, ()))
            before = {_key(item): item.since for item in told[0] or ()}
            now = self._host.now()
            self._found[check] = [item.but(since=item.since or before.get(_key(item), now)) for item in findings]
            self._facts[check] = facts
            self._health[check] = self._facts_of(check, health, now)
            self._looked[check] = looked = self._host.elapsed()
            self._parts.pop(check, None)
            news = told != (self._found[check], facts, _told(self._health[check]))
            if news or looked - self._written >= CALM_SECONDS or self.asked_since(self._written):
                self._write(now, looked)

    def _write(self, now: float, looked: float) -> None:
        for check, found in self._found.items():
            if check not in self._parts:
                findings, facts = [item.as_json() for item in found], self._facts[check]
                self._parts[check] = [
                    json.dumps(part)[1:-1] for part in (findings, {check: facts}, self._health[check])
                ]
        about = {
            "runner": RUNNER,
            "boot_id": self._host.boot_id(),
            "at": now,
            "elapsed": looked,
            "checks": self._looked,
        }
        wrong, known, health = (", ".join(filter(None, column)) for column in zip(*self._parts.values(), strict=True))
        rest = f'"findings": [{wrong}], "facts": {{{known}}}, "health": [{health}]'
        self._host.write(paths.ACCOUNT, f"{json.dumps(about)[:-1]}, {rest}}}".encode(), mode=0o600)
        self._written = looked

    def asked_since(self, looked: float) -> bool:
        """Whether somebody asked for new checks since then, as of a second ago: every check's thread asks."""
        now = self._host.elapsed()
        if now - self._peeked >= PEEK_SECONDS:
            self._peeked, self._asked = now, float(self._host.read(paths.LOOK_AGAIN) or 0)
        return self._asked > looked

    def _facts_of(self, check: str, health: Iterable[Fact], now: float) -> list[dict[str, Any]]:
        """The check's own facts, and its findings as facts, each with its times; as JSON."""
        from launchpad.runner.facts import fact_as_json, fact_of  # late: a reader does not judge facts

        before, made = self._made.get(check, {}), {}
        for fact in health:
            known = before.get(id(fact)) if fact.at else None  # else it was seen now
            made[id(fact)] = known or (fact, fact_as_json(self._timed(fact, now)))
        self._made[check] = made
        own = {(fact.tenant, fact.subject) for fact, _ in made.values()}
        found = (item for item in self._found[check] if (item.tenant, item.subject) not in own)
        more = [fact_of(item, tenant=item.tenant, at=now) for item in found]
        return [*(told for _, told in made.values()), *map(fact_as_json, more)]

    def _timed(self, fact: Fact, now: float) -> Fact:
        """The fact with when it was seen, and since when it has its grade."""
        grade, since = self._stood.get(fact.key, ("", 0.0))
        since = fact.since or (since if grade == fact.grade else fact.at or now)
        self._stood[fact.key] = (fact.grade, since)
        return fact.but(at=fact.at or now, since=since)

    def known_facts(self) -> list[Fact]:
        """Everything that the checks know now."""
        from launchpad.runner.facts import fact_from_json

        with self._lock:
            return [fact_from_json(fact) for facts in self._health.values() for fact in facts]

    def is_fresh(self) -> bool:
        """Whether every check has run recently."""
        now = self._host.elapsed()
        with self._lock:
            return all(now - looked <= STALE_SECONDS for looked in self._looked.values())

    def restarted(self, tenant: str) -> None:
        """Count a restart of one of the tenant's containers by the watch."""
        with self._lock:
            self._restarts[tenant] = self._restarts.get(tenant, 0) + 1

    def restarts(self) -> dict[str, int]:
        """Tenant → the watch's restarts since this process began."""
        with self._lock:
            return dict(self._restarts)

    def note(self, subject: str, message: str, *, tenant: str = "") -> None:
        """Record a repair by the watch; `history` shows the record."""
        with self._lock:
            line = {"at": self._host.now(), "subject": subject, "tenant": tenant, "message": message}
            kept = self._host.read(paths.DONE_BY_WATCH) or b""
            if len(kept) > MOST_BYTES:
                newest = kept[-MOST_BYTES // 2 :].partition(b"\n")[2]
                self._host.write(paths.DONE_BY_WATCH, newest, mode=0o600)
            self._host.append(paths.DONE_BY_WATCH, b"%s\n" % json.dumps(line).encode())


def look_again(host: Host, check: str, *, seconds: float = 10.0) -> None:
    """Ask the watch to run every check now, and wait at most `seconds` until this check has run: the earlier findings
    are out of date."""
    asked = host.elapsed()
    host.write(paths.LOOK_AGAIN, str(asked).encode(), mode=0o600)
    while host.elapsed() - asked < seconds:
        found = _account(host)
        if found is None or found["checks"].get(check, asked) >= asked:
            return
        host.wait(0.1)


def read_account(host: Host) -> tuple[list[Finding], dict[str, Any], list[dict[str, Any]]]:
    """What the watch found, what it knows of each subject, and its facts (launchpad.runner.facts) as JSON; that nobody
    watches, or has stopped to look at something, is found too."""
    found = _account(host)
    if found is None or found["boot_id"] != host.boot_id():
        since = found["at"] if found else 0.0
        return [Finding(WATCH, "not watched", RUN_PROVISION, since=since)], {}, []
    findings = [Finding(**item | {"hint": hint_from_json(item["hint"])}) for item in found["findings"]]
    now = host.elapsed()
    late = {name: now - looked for name, looked in found["checks"].items() if now - looked > STALE_SECONDS}
    if now - found["elapsed"] > STALE_SECONDS:
        late = {"": now - found["elapsed"]}
    for name, seconds in late.items():
        message = f"{name} is not watched" if name else "not watched"
        findings.append(Finding(WATCH, message, RUN_PROVISION, since=host.now() - seconds))
    return findings, dict(found["facts"]), list(found["health"])


def written_at(host: Host) -> float:
    """When the watch wrote its account last, by the host's clock; 0 without an account."""
    found = _account(host)
    return found["at"] if found else 0.0


def is_watched(host: Host, *, by: str) -> bool:
    """Whether every check runs, and the watch belongs to the runner in this folder."""
    found = _account(host)
    return found is not None and found["runner"] == by and all(item.subject != WATCH for item in read_account(host)[0])


def done_by_watch(host: Host) -> Iterator[PastRepair]:
    """Each repair by the watch, oldest first. An incomplete line is skipped."""
    from launchpad.runner.protocol import Refused, record_from_json  # late: `observe` needs none of it
    from launchpad.runner.wire.operation_bodies import PastRepair as Repair

    for line in (host.read(paths.DONE_BY_WATCH) or b"").splitlines():
        with suppress(ValueError, Refused):
            yield record_from_json(Repair, json.loads(line), "repair")


def note_of(host: Host, who: str, subject: str, message: str, *, tenant: str) -> None:
    """Record an operator's act that is not an operation; `history` shows it among the watch's repairs."""
    line = {"at": host.now(), "subject": subject, "tenant": tenant, "message": message, "who": who}
    host.append(paths.DONE_BY_WATCH, b"%s\n" % json.dumps(line).encode())


def _account(host: Host) -> dict[str, Any] | None:
    """None also for an account that another runner version wrote in another form."""
    try:
        found: dict[str, Any] = json.loads(host.read(paths.ACCOUNT) or b"{}")
    except ValueError:
        return None
    return found if found.keys() >= _KEYS else None


def _stood(host: Host) -> dict[tuple[str, str, str], tuple[str, float]]:
    """What an earlier process of the watch kept since this boot."""
    from launchpad.runner.facts import fact_from_json

    found = _account(host)
    if found is None or found["boot_id"] != host.boot_id():
        return {}
    try:
        return {fact.key: (fact.grade, fact.since) for fact in map(fact_from_json, found["health"])}
    except (TypeError, ValueError):
        return {}  # another runner's words


def _key(item: Finding) -> tuple[str, str, str]:
    return item.subject, item.tenant, item.message


def _told(facts: Iterable[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    """What of the facts is news when it changes."""
    return [tuple(fact.get(name, "") for name in ("tenant", "layer", "subject", "grade", "message")) for fact in facts]
