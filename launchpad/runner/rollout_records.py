"""A host's records of the rollouts that include it: the immutable rollout, and its operators' intent.

rollouts/<id>.json          KnownRollout, without the intent
         <id>.intent.json   WrittenIntent
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from launchpad.runner import paths
from launchpad.runner.caller import Caller
from launchpad.runner.hint import Next
from launchpad.runner.host import Failed, Host
from launchpad.runner.journal import IDENTIFIER, Journal, open_journals
from launchpad.runner.protocol import (
    Intent,
    Refused,
    Rollout,
    canonical,
    record_as_json,
    record_from_json,
)
from launchpad.runner.record import Record
from launchpad.runner.slots import is_tenant_name
from launchpad.runner.wire.rollout_bodies import KnownRollout, RolloutOperation, WrittenIntent

Kept = TypeVar("Kept", bound=Record)

LONGEST_ID = 24
"""Longest id of a rollout: its operations' ids have 16 more characters."""
MOST_KEPT = 50
MOST_WAVES, MOST_MEMBERS, MOST_SECONDS = 20, 10_000, 30 * 86_400
VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}")
RING = re.compile(r"[a-z0-9][a-z0-9-]{0,31}%?")
REVISION = re.compile(r"[0-9a-z+]{0,100}")
REASON = re.compile(r"[^\x00-\x1f\x7f]{0,400}")


def judged(found: Rollout) -> Rollout:
    """The record; Refused unless every field is valid."""
    members = [member for wave in found.waves for member in wave.members]
    times = [found.tenant_soak, found.timeout, found.patience, *(wave.soak for wave in found.waves)]
    right = (
        ("id", len(found.id) <= LONGEST_ID and IDENTIFIER.fullmatch(found.id)),
        ("app", is_tenant_name(found.app)),
        ("version", VERSION.fullmatch(found.version)),
        ("revision", REVISION.fullmatch(found.revision)),
        ("waves", 0 < len(found.waves) <= MOST_WAVES and all(wave.members for wave in found.waves)),
        ("ring", all(RING.fullmatch(wave.ring) for wave in found.waves)),
        ("budget", all(0 <= wave.budget <= MOST_MEMBERS for wave in found.waves)),
        ("a duration", all(0 <= seconds <= MOST_SECONDS for seconds in times)),
        ("members", 0 < len(members) <= MOST_MEMBERS),
        ("a tenant", all(is_tenant_name(member.tenant) for member in members)),
        ("a tenant (listed twice)", len({member.tenant for member in members}) == len(members)),
        ("a host", all(is_tenant_name(member.host) for member in members)),
        ("a version", all(VERSION.fullmatch(member.version) for member in members)),
        ("format", found.format == 1),
    )
    for what, is_so in right:
        if not is_so:
            raise Refused(f"rollout: {what} is not valid")
    return found


def put(host: Host, wanted: Rollout, caller: Caller) -> None:
    """Write the record. Refused when the id exists with other content: a rollout never changes."""
    record = judged(wanted)
    path = f"{paths.ROLLOUTS}/{record.id}.json"
    known = _read(host, path, KnownRollout)
    if known is not None and known.rollout != record:
        raise Refused(
            f"rollout {record.id} exists with other content",
            code="rollout-id-taken",
            kind="state",
            hint="leave out --id for a new id",
        )
    if known is None:
        _forget(host)
        written = KnownRollout(rollout=record, who=caller.operator, source=caller.source, at=host.now())
        host.write(path, canonical(record_as_json(written)), mode=0o600)


def say(host: Host, identifier: str, given: Intent, caller: Caller) -> None:
    """Write the intent. Refused when another operator wrote a newer intent, by its serial: the caller has seen an older
    one."""
    if given.serial < 1 or len(given.accepted + given.passed) > 2 * MOST_WAVES or not REASON.fullmatch(given.reason):
        raise Refused("intent: not valid")
    if host.read(f"{paths.ROLLOUTS}/{checked(identifier)}.json") is None:
        raise Refused(
            f"there is no rollout {identifier} on this host",
            code="no-such-rollout",
            kind="state",
            hint=Next("rollouts"),
        )
    known = intent(host, identifier)
    if known is not None and known.intent == given:
        return
    if known is not None and known.intent.serial >= given.serial:
        raise Refused(
            f"rollout {identifier}: {known.who} requested {known.intent.what} in the meantime",
            code="rollout-changed-meanwhile",
            kind="state",
            hint=Next("rollouts"),
        )
    said = WrittenIntent(intent=given, who=caller.operator, at=host.now())
    host.write(f"{paths.ROLLOUTS}/{identifier}.intent.json", canonical(record_as_json(said)), mode=0o600)


def intent(host: Host, identifier: str) -> WrittenIntent | None:
    """The last intent on this host; None without one."""
    return _read(host, f"{paths.ROLLOUTS}/{checked(identifier)}.intent.json", WrittenIntent)


def records(host: Host, wanted: str = "") -> Iterator[KnownRollout]:
    """Every record on this host, or the one with that id."""
    for name in [checked(wanted)] if wanted else _identifiers(host):
        found = _read(host, f"{paths.ROLLOUTS}/{name}.json", KnownRollout)
        if found is not None:
            yield found


def operations(host: Host, identifier: str) -> Iterator[RolloutOperation]:
    """The operations that began here for the rollout, in order of their beginning."""
    found = []
    for name in host.names(paths.OPERATIONS):
        if not name.startswith(f"{identifier}-") or IDENTIFIER.fullmatch(name) is None:
            continue
        journal = Journal(host, name)
        asked = journal.asked()
        if asked is not None:
            found.append(_operation(journal, asked))
    yield from sorted(found, key=lambda item: (item.at, item.id))


def changing(host: Host) -> list[str]:
    """Every running operation that changes a tenant's version, also outside rollouts."""
    return [journal.identifier for journal in open_journals(host) if _kind(journal) in ("upgrade", "rollback")]


def _kind(journal: Journal) -> str:
    return str((journal.asked() or {"operation": {"kind": ""}})["operation"]["kind"])


def checked(identifier: str) -> str:
    """The id; Refused when it is malformed."""
    if len(identifier) > LONGEST_ID or IDENTIFIER.fullmatch(identifier) is None:
        raise Refused(f"not a rollout's id: {identifier[:60]!r}")
    return identifier


def _operation(journal: Journal, asked: Mapping[str, Any]) -> RolloutOperation:
    outcome = journal.outcome() or {"outcome": None, "message": "", "seconds": None}
    return RolloutOperation(
        id=asked["id"],
        kind=asked["operation"]["kind"],
        tenant=asked["operation"].get("tenant", ""),
        who=asked["who"],
        at=asked["at"],
        outcome=outcome["outcome"],
        message=outcome["message"],
        seconds=outcome["seconds"],
    )


def _identifiers(host: Host) -> list[str]:
    names = [name.removesuffix(".json") for name in host.names(paths.ROLLOUTS) if name.endswith(".json")]
    return sorted(name for name in names if IDENTIFIER.fullmatch(name))


def _forget(host: Host) -> None:
    """Delete the oldest records, by their ids, which begin with the time."""
    for name in _identifiers(host)[: -(MOST_KEPT - 1)]:
        for ending in (".json", ".intent.json"):
            host.remove(f"{paths.ROLLOUTS}/{name}{ending}")


def _read(host: Host, path: str, kind: type[Kept]) -> Kept | None:
    data = host.read(path)
    try:
        return None if data is None else record_from_json(kind, json.loads(data), "rollout")
    except (ValueError, Refused) as error:
        raise Failed(f"{path} cannot be read: {error}", code="rollout-unreadable") from error
