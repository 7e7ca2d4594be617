"""follow: an operation's events from a number on, as they are written, until it ends."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from typing import Any

from launchpad.runner import paths
from launchpad.runner.caller import Caller
from launchpad.runner.hint import Next
from launchpad.runner.host import Host
from launchpad.runner.journal import Damaged, Journal
from launchpad.runner.protocol import Refused, canonical, digest_of
from launchpad.runner.steps import Record, TakeGeneration
from launchpad.runner.verbs import reply
from launchpad.runner.wire.body import body_from_json
from launchpad.runner.wire.operation_bodies import Follow, OutcomeReply

MOST_SECONDS = 3600.0
POLL_SECONDS = 0.1
ALIVE_SECONDS = 15.0
"""Seconds between alive lines: a failed write shows the follower that its client is gone."""


def follow(host: Host, body: Mapping[str, Any], _caller: Caller) -> Iterator[dict[str, Any]]:
    """The events with a number above `after`, then OutcomeReply; body Follow. When the outcome is `running`, the client
    asks again."""
    given = body_from_json(Follow, body)
    journal = Journal(host, given.id)
    asked = journal.asked()
    if asked is None:
        raise Refused(
            f"there is no operation {journal.identifier}", code="no-such-operation", kind="state", hint=Next("history")
        )
    end = host.elapsed() + min(given.seconds or MOST_SECONDS, MOST_SECONDS)
    outcome = yield from _events(host, journal, given.after, end)
    found = outcome or {"outcome": "running", "message": "", "lines": [], "seconds": host.now() - asked["at"]}
    yield reply(
        OutcomeReply(
            id=journal.identifier,
            outcome=found["outcome"],
            message=found["message"],
            lines=tuple(found["lines"]),
            release=_release(journal, asked["operation"]),
            seconds=found["seconds"],
        )
    )


def _events(
    host: Host, journal: Journal, last: int, end: float
) -> Generator[dict[str, Any], None, dict[str, Any] | None]:
    """Yields the events as they come; returns the outcome, None when the time is over first."""
    seen, spoken = -1, host.elapsed()
    while True:
        # Read the outcome first: it is written after the last event.
        outcome = journal.outcome()
        written = len(host.read(f"{paths.operation(journal.identifier)}/journal.jsonl") or b"")
        for event in journal.events(last) if written != seen else ():
            last, spoken = event["number"], host.elapsed()
            yield {"type": "event"} | event
        seen = written
        if outcome is not None or host.elapsed() >= end:
            return outcome
        if host.elapsed() - spoken >= ALIVE_SECONDS:
            spoken = host.elapsed()
            yield {"type": "alive", "at": host.now()}
        host.wait(POLL_SECONDS)


def _release(journal: Journal, operation: Mapping[str, Any]) -> str:
    """The short name of the release of a deploy or an upgrade, or the release that a plan about data names."""
    value = operation.get("release")
    if value:
        return digest_of(canonical(value)).removeprefix("sha256:")[:12]
    if operation["kind"] not in ("rollback", "restore", "snapshot"):
        return ""
    try:
        plan = journal.plan()
    except Damaged:
        return ""
    recorded = (step.record["release"] for step in plan if isinstance(step, Record))
    return str(next(recorded, "") or next((step.release for step in plan if isinstance(step, TakeGeneration)), ""))
