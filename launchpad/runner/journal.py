"""One operation on disk: the request, the plan, and one line for every event, each on disk before the next.

operations/<id>/operation.json   the request: who, for whom, what, from where, when; with the release's files
                plan.json        the steps
                journal.jsonl    the events, numbered from 1
                runner           the folder of the runner that began the operation, and will end it
                cancel           exists when an operator has cancelled the operation
                outcome.json     exists when the operation has ended
                reserve          reserved space for the journal's lines on a full disk
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import launchpad
from launchpad.runner import paths
from launchpad.runner.caller import Caller
from launchpad.runner.families import step_from_json
from launchpad.runner.host import Failed, Host
from launchpad.runner.protocol import BESIDE, Refused, canonical
from launchpad.runner.same_operation import intent_digest
from launchpad.runner.step import Step, step_as_json, step_name

RESERVE = 256 * 1024
OWN_FOLDER = str(launchpad.__file__).rsplit("/", 2)[0]
"""The folder of this runner; launchpad-operation@.service starts the runner that an operation's file names."""
IDENTIFIER = re.compile(r"[0-9a-z][0-9a-z-]{8,38}[0-9a-z]")
_ASKED = frozenset({"id", "operation", "digest", "who", "from", "at"})


class Damaged(Failed):
    """A file of an operation cannot be read, so the operation can be neither finished nor undone."""


class Journal:
    """The journal of one operation. A reader ignores an incomplete last line; a writer appends and fsyncs."""

    def __init__(self, host: Host, identifier: str) -> None:
        if IDENTIFIER.fullmatch(identifier) is None:
            raise Refused(
                f"not an operation's id: {identifier[:60]!r}",
                code="operation-id",
                hint="ids are 10 to 40 of 0-9, a-z and -",
            )
        self.host = host
        self.identifier = identifier
        self.folder = paths.operation(identifier)
        self._asked: dict[str, Any] | None = None
        self._last = 0
        self._events: list[dict[str, Any]] = []
        self._parsed = 0
        """How many bytes of complete lines were parsed into `_events`."""

    # --- the request

    def create(self, operation: Mapping[str, Any], caller: Caller, plan: Sequence[Step]) -> None:
        """Put operation and plan on disk; the operation file last, because it is what makes the operation exist. The
        date comes first: by that a prune knows what a process left that died before the end."""
        self.host.write(f"{paths.OPEN}/{self.identifier}", b"%d" % self.host.now(), mode=0o600)
        self.host.folder(self.folder, mode=0o700)
        self.host.write(f"{self.folder}/reserve", b"\0" * RESERVE, mode=0o600)
        self.host.write(f"{self.folder}/plan.json", canonical([step_as_json(step) for step in plan]), mode=0o600)
        self.host.write(f"{self.folder}/runner", f"{OWN_FOLDER}\n".encode(), mode=0o600)
        asked = {
            "id": self.identifier,
            "operation": operation,
            "digest": intent_digest(operation),
            "who": caller.operator,
            "from": caller.source,
            "on_behalf_of": caller.on_behalf_of,
            "words": dict(caller.words),
            "at": self.host.now(),
        }
        self.host.write(f"{self.folder}/operation.json", canonical(asked), mode=0o600)

    def asked(self) -> dict[str, Any] | None:
        """operation.json; None when there is no such operation. Read once: it never changes. Where it is damaged: what
        the first event says of it, without what was in it; None when nothing was begun."""
        if self._asked is None:
            try:
                self._asked = self._request()
            except Failed:
                self._asked = self._first_event()
        return self._asked

    def plan(self) -> list[Step]:
        """The steps. Damaged when the file is missing or no plan that this runner knows."""
        path = f"{self.folder}/plan.json"
        try:
            steps = list(_steps(self.host.read(path) or b""))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Damaged(f"{path} cannot be read", code="journal-unreadable") from error
        if not steps:  # an operation without a step never begins
            raise Damaged(f"{path} cannot be read", code="journal-unreadable")
        return steps

    def damage(self) -> str:
        """Which file of an open operation cannot be read; empty when all can."""
        try:
            self._request()
            self.plan()
        except Failed as failed:
            return failed.message
        return ""

    def made(self) -> float:
        """When an open operation was created, by the host's clock; 0 when unknown."""
        said = self.host.read(f"{paths.OPEN}/{self.identifier}") or b""
        return float(said) if said.isdigit() else 0.0

    def _request(self) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self._json("operation.json")
        if found is None or _is_request(found):
            return found
        raise Damaged(f"{self.folder}/operation.json cannot be read", code="operation-unreadable")

    def _first_event(self) -> dict[str, Any] | None:
        first = next((item for item in self.events() if item["event"] == "operation-started"), None)
        if first is None:
            return None
        operation = {"kind": first["kind"]} | ({"tenant": first["tenant"]} if first["tenant"] else {})
        told = {key: first[key] for key in ("who", "from", "at")}
        return {"id": self.identifier, "operation": operation, "digest": ""} | told

    # --- the events

    def events(self, after: int = 0) -> list[dict[str, Any]]:
        """The events with a number above `after`. Earlier lines are not parsed again, because lines are only
        appended."""
        data = self.host.read(f"{self.folder}/journal.jsonl") or b""
        whole = data.rfind(b"\n") + 1
        if whole > self._parsed:
            self._events += _parsed(data[self._parsed : whole])
            self._parsed = whole
        return [event for event in (*self._events, *_parsed(data[whole:])) if event["number"] > after]

    def add(self, event: str, **fields: Any) -> dict[str, Any]:
        """Record an event; on disk when this returns."""
        start = b""
        if not self._last:  # only the lock's holder writes, so an earlier process's lines have to be read only once
            self._last = max((item["number"] for item in self.events()), default=0)
            start = b"\n"  # ends an incomplete line of an earlier process; empty lines are ignored
        line = {"number": self._last + 1, "at": self.host.now(), "event": event} | fields
        try:
            self.host.append(f"{self.folder}/journal.jsonl", start + canonical(line) + b"\n")
        except Failed:
            self.host.remove(f"{self.folder}/reserve")  # a full disk must not stop an undo
            self.host.append(f"{self.folder}/journal.jsonl", b"\n" + canonical(line) + b"\n")
        self._last += 1
        return line

    def outcome(self) -> dict[str, Any] | None:
        """{"outcome", "message", "lines", "seconds", "at"}; None while it is open. Where it is damaged: what the last
        event says of it."""
        try:
            found: dict[str, Any] | None = self._json("outcome.json")
            if found is None or isinstance(found, dict):
                return found
        except Damaged:
            pass
        last = next((item for item in self.events() if item["event"] == "operation-finished"), {})
        message = f"{self.folder}/outcome.json cannot be read"
        nothing = {"outcome": "unknown", "message": message, "seconds": 0.0, "at": 0.0}
        return {key: last.get(key, value) for key, value in nothing.items()} | {"lines": []}

    def finish(self, outcome: str, message: str = "", lines: Sequence[str] = ()) -> None:
        """Close the operation. The event comes first: a follower that sees the outcome has seen every event."""
        asked = self.asked() or {}
        seconds = round(max(0.0, self.host.now() - asked.get("at", self.host.now())), 3)
        if not any(item["event"] == "operation-finished" for item in self.events()):
            self.add("operation-finished", outcome=outcome, message=message, seconds=seconds)
        final = {"outcome": outcome, "message": message, "lines": list(lines), "seconds": seconds}
        self.host.remove(f"{self.folder}/reserve")
        self.host.write(f"{self.folder}/outcome.json", canonical(final | {"at": self.host.now()}), mode=0o600)
        self.host.remove(f"{paths.OPEN}/{self.identifier}")

    # --- cancelling

    def ask_cancel(self, caller: Caller) -> None:
        self.host.write(f"{self.folder}/cancel", canonical({"who": caller.operator, "from": caller.source}), mode=0o600)

    def cancel_asked(self) -> bool:
        return self.host.read(f"{self.folder}/cancel") is not None

    def _json(self, name: str) -> Any:
        """What the file says; None when there is none."""
        data = self.host.read(f"{self.folder}/{name}")
        try:
            return None if data is None else json.loads(data)
        except ValueError as error:
            raise Damaged(f"{self.folder}/{name} cannot be read", code="journal-unreadable") from error


def _is_request(value: Any) -> bool:
    if not isinstance(value, dict) or not _ASKED.issubset(value):
        return False
    operation = value["operation"]
    return isinstance(operation, dict) and isinstance(operation.get("kind"), str)


@lru_cache(maxsize=16)
def _steps(plan: bytes) -> tuple[Step, ...]:
    return tuple(step_from_json(item) for item in json.loads(plan))


def _parsed(lines: bytes) -> list[dict[str, Any]]:
    """The events on these lines, without a last line that is incomplete after a crash."""
    found = []
    for line in filter(None, lines.split(b"\n")):
        try:
            event = json.loads(line.decode())
        except ValueError:
            continue
        if isinstance(event, dict) and isinstance(event.get("number"), int) and isinstance(event.get("event"), str):
            found.append(event)
    return found


def open_journals(host: Host) -> Iterator[Journal]:
    """Every open operation, oldest first; the time does not grow with the number of ended operations."""
    found = []
    for identifier in host.names(paths.OPEN):
        if IDENTIFIER.fullmatch(identifier) is None:
            continue
        journal = Journal(host, identifier)
        if host.read(f"{journal.folder}/outcome.json") is None and (asked := journal.asked()) is not None:
            found.append((asked["at"], identifier, journal))
    for _, _, journal in sorted(found, key=lambda item: item[:2]):
        yield journal


def open_subjects(host: Host) -> set[str]:
    """The subjects of open operations, including those of dead runners."""
    return {subject(asked["operation"]) for journal in open_journals(host) if (asked := journal.asked())}


def subject(operation: Mapping[str, Any]) -> str:
    """The lock that the operation holds while it runs: `tenant-<name>`, `backup-<name>`, or `host`."""
    if operation["kind"] in BESIDE:
        return f"backup-{operation['tenant']}"
    return f"tenant-{operation['tenant']}" if "tenant" in operation else "host"


def outline(plan: Sequence[Step]) -> list[dict[str, str]]:
    """The plan for people: [{"step", "title"}]."""
    return [{"step": step_name(type(step)), "title": step.title} for step in plan]
