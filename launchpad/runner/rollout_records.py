"""A host's records of the rollouts that include it: the immutable rollout, and its operators' intent.

rollouts/<id>.json          {"rollout": the record, "who", "from", "at": who wrote it here, and when}
         <id>.intent.json   {"intent": the intent, "who", "at"}
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

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
from launchpad.runner.slots import is_tenant_name

LONGEST_ID = 24
"""Longest id of a rollout: its operations' ids have 16 more characters."""
MOST_KEPT = 50
MOST_WAVES, MOST_MEMBERS, MOST_SECONDS = 20, 10_000, 30 * 86_400
VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}")
RING = re.compile(r"[a-z0-9][a-z0-9-]{0,31}%?")
REVISION = re.compile(r"[0-9a-z+]{0,100}")
REASON = re.compile(r"[^\x00-\x1f\x7f]{0,400}")


def parsed(value: Any) -> Rollout:
    """The record; Refused unless every field is valid."""
    found = record_from_json(Rollout, value, "rollout")
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


def put(host: Host, value: Any, caller: Caller) -> None:
    """Write the record. Refused when the id exists with other content: a rollout never changes."""
    record = record_as_json(parsed(value))
    path = f"{paths.ROLLOUTS}/{record['id']}.json"
    known = _json(host, path)
    if known is not None and known["rollout"] != record:
        raise Refused(
            f"rollout {record['id']} exists with other content",
            code="rollout-id-taken",
            kind="state",
            hint="leave out --id for a new id",
        )
    if known is None:
        _forget(host)
        origin = {"who": caller.operator, "from": caller.source, "at": host.now()}
        host.write(path, canonical({"rollout": record} | origin), mode=0o600)


def say(host: Host, identifier: str, value: Any, caller: Caller) -> None:
    """Write the intent. Refused when another operator wrote a newer intent, by its serial: the caller has seen an older
    one."""
    given = record_from_json(Intent, value, "intent")
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
    plain = record_as_json(given)
    if known is not None and known["intent"] == plain:
        return
    if known is not None and known["intent"]["serial"] >= given.serial:
        raise Refused(
            f"rollout {identifier}: {known['who']} requested {known['intent']['what']} in the meantime",
            code="rollout-changed-meanwhile",
            kind="state",
            hint=Next("rollouts"),
        )
    said = {"intent": plain, "who": caller.operator, "at": host.now()}
    host.write(f"{paths.ROLLOUTS}/{identifier}.intent.json", canonical(said), mode=0o600)


def intent(host: Host, identifier: str) -> dict[str, Any] | None:
    """The last intent on this host; None without one."""
    return _json(host, f"{paths.ROLLOUTS}/{checked(identifier)}.intent.json")


def records(host: Host, wanted: str = "") -> Iterator[dict[str, Any]]:
    """Every record on this host, or the one with that id."""
    for name in [checked(wanted)] if wanted else _identifiers(host):
        found = _json(host, f"{paths.ROLLOUTS}/{name}.json")
        if found is not None:
            yield found


def operations(host: Host, identifier: str) -> Iterator[dict[str, Any]]:
    """The operations that began here for the rollout, in order of their beginning."""
    found = []
    for name in host.names(paths.OPERATIONS):
        if not name.startswith(f"{identifier}-") or IDENTIFIER.fullmatch(name) is None:
            continue
        journal = Journal(host, name)
        asked = journal.asked()
        if asked is not None:
            found.append(_operation(journal, asked))
    yield from sorted(found, key=lambda item: (item["at"], item["id"]))


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


def _operation(journal: Journal, asked: Mapping[str, Any]) -> dict[str, Any]:
    outcome = journal.outcome() or {"outcome": None, "message": "", "seconds": None}
    told = {key: outcome[key] for key in ("outcome", "message", "seconds")}
    operation = asked["operation"]
    own = {"id": asked["id"], "kind": operation["kind"], "tenant": operation.get("tenant", ""), "at": asked["at"]}
    return own | {"who": asked["who"]} | told


def _identifiers(host: Host) -> list[str]:
    names = [name.removesuffix(".json") for name in host.names(paths.ROLLOUTS) if name.endswith(".json")]
    return sorted(name for name in names if IDENTIFIER.fullmatch(name))


def _forget(host: Host) -> None:
    """Delete the oldest records, by their ids, which begin with the time."""
    for name in _identifiers(host)[: -(MOST_KEPT - 1)]:
        for ending in (".json", ".intent.json"):
            host.remove(f"{paths.ROLLOUTS}/{name}{ending}")


def _json(host: Host, path: str) -> dict[str, Any] | None:
    data = host.read(path)
    try:
        return None if data is None else dict(json.loads(data))
    except (ValueError, TypeError) as error:
        raise Failed(f"{path} cannot be read: {error}", code="rollout-unreadable") from error
