"""logs: the lines of tenants' containers, past and future, without the tenants' known secrets.

Lines that Launchpad's own probes cause are left out. The last lines of the containers of a failed operation are
included, also when the containers were removed. `edge` has Caddy's lines about the tenants' names instead.
"""

from __future__ import annotations

import heapq
import re
import time
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from launchpad.runner import paths
from launchpad.runner.caller import Caller
from launchpad.runner.hint import Next
from launchpad.runner.journal import IDENTIFIER, Journal
from launchpad.runner.log_filter import MOST_EXPRESSION, LogFilter
from launchpad.runner.log_following import LogFollower
from launchpad.runner.log_secrets import LogSecrets
from launchpad.runner.log_sources import LogSource, open_sources
from launchpad.runner.protocol import Refused
from launchpad.runner.slots import is_tenant_name
from launchpad.runner.verbs import reply
from launchpad.runner.view import View
from launchpad.runner.wire.body import Empty, body_from_json
from launchpad.runner.wire.log_bodies import LogRequest, MissingTenant

USUAL_LINES = 200
_MARK = re.compile(r"([0-9TZ:.-]{0,30}) [0-9]{1,9}")


def logs(host: View, body: Mapping[str, Any], _caller: Caller) -> Iterator[dict[str, Any]]:
    """Lines {"type": "log", "tenant", "service", "source", "at", "text"} in order of time, then {}.

    "n" of a line: which one of its source's records with this time it is, unless it is the first. Between lines:
    {"type": "gap", "after", "at"}: Docker rotated lines away between these times before they were read;
    {"type": "missing", "tenant", "message", "hint"}: not on this host; when following {"type": "begun"}: the past lines
    are over, and {"type": "mark", "source", "mark"}: read so far, without a line to show. body: LogRequest."""
    query = _judged(body)
    known = [name for name in query.tenants if _is_here(host, name)]
    if not known:
        raise _missing(query.tenants[0])
    for refused in (_missing(name) for name in query.tenants if name not in known):
        tenant = refused.message.partition(" ")[0]
        yield MissingTenant(
            tenant=tenant, message=refused.message, hint=refused.hint, error=refused.kind, code=refused.code
        ).as_line()
    sources, secrets = dict[str, LogSource](), LogSecrets(host)
    if query.marks is None:
        yield from _past(host, query, known, sources=sources, secrets=secrets)
    if query.follow:
        yield from LogFollower(host, query, sources, secrets=secrets).lines()
    yield reply(Empty())


def _judged(body: Mapping[str, Any]) -> LogRequest:
    first_release = {"tenants": [body["tenant"]]} if "tenant" in body else {}
    known = {key: value for key, value in body.items() if key != "tenant"}
    query = body_from_json(LogRequest, known | first_release)
    for name in query.tenants or ("",):
        if not is_tenant_name(name):
            raise _missing(name)
    if query.lines is not None and query.lines < 0:
        raise Refused("logs.lines: expected 0 or more")
    for mark in (query.marks or {}).values():
        if not _MARK.fullmatch(mark):
            raise Refused("logs.marks: expected TIME COUNT")
    try:
        if len(query.grep) > MOST_EXPRESSION:
            raise ValueError(f"longer than {MOST_EXPRESSION} characters")
        re.compile(query.grep)
    except (ValueError, re.error) as error:
        raise Refused(f"logs.grep: not a regular expression: {error}", code="log-pattern") from error
    return query


def _is_here(host: View, name: str) -> bool:
    there = host.read(paths.record(name)) is not None or host.containers(name)
    return bool(there) or next(_failed(host, name, 0.0), None) is not None


def _missing(name: str) -> Refused:
    return Refused(f"{name[:60]} is not on this host", code="no-such-tenant-on-host", kind="state", hint=Next("status"))


def _past(
    host: View, query: LogRequest, known: list[str], *, sources: dict[str, LogSource], secrets: LogSecrets
) -> Iterator[dict[str, Any]]:
    """The lines until now; `sources` gets each container, read up to there."""
    now = host.now()
    since = query.since or 0.0
    if query.ago is not None:
        since = max(0.0, now - query.ago)
    limited = query.lines is not None or query.since is not None or query.ago is not None
    lines = query.lines if limited else USUAL_LINES
    containers = host.containers()

    def of_tenant(name: str) -> Iterator[dict[str, Any]]:
        mine = dict(open_sources(host, name, query, containers=containers, beside=sources))
        sources.update(mine)
        redaction = secrets.redaction(name)
        streams = [source.past(redaction, since=since, lines=lines, now=now) for source in mine.values()]
        failures = [] if query.edge or query.services else [_shown_failures(host, name, query, since)]
        merged = heapq.merge(*streams, *failures, key=lambda line: line["at"])
        yield from merged if lines is None else deque(merged, maxlen=lines)

    yield from heapq.merge(*map(of_tenant, known), key=lambda line: line["at"])


def _shown_failures(host: View, name: str, query: LogRequest, since: float) -> Iterator[dict[str, Any]]:
    shown = LogFilter(level=query.level, grep=query.grep)
    return (line for line in _failed(host, name, since) if shown.shows(line["text"]))


def _failed(host: View, name: str, since: float) -> Iterator[dict[str, Any]]:
    """The lines that a failed operation's journal kept of the containers that its undo removed; the secrets were
    removed when the journal was written."""
    newest: dict[str, Any] = {"at": since}
    of: dict[str, Any] = {}
    for identifier in filter(IDENTIFIER.fullmatch, host.names(paths.OPERATIONS)):
        journal = Journal(host, identifier)
        outcome = journal.outcome()
        if outcome is None or not outcome.get("lines") or outcome["at"] < newest["at"]:
            continue
        asked = journal.asked()
        if asked is not None and asked["operation"].get("tenant") == name:
            newest, of = outcome, asked
    if not of:
        return
    at = newest["at"]
    stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(at))}.{int(at % 1 * 1e9):09d}Z"
    service = f"{of['operation']['kind']} {of['id']}"
    for number, line in enumerate(newest["lines"], start=1):
        named = {"tenant": name, "service": service, "source": f"{name}/{of['id']}"}
        yield {"type": "log", **named, "at": stamp, "text": line, "n": number}
