"""gameday: record how this host's tenants came back on other hosts, while this host was taken for lost."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from launchpad.runner import paths
from launchpad.runner.backed_up import proven_at
from launchpad.runner.backups import keeping
from launchpad.runner.caller import Caller
from launchpad.runner.facts import GameDay, Returned
from launchpad.runner.host import Host
from launchpad.runner.plan import read_record
from launchpad.runner.protocol import Refused, canonical, record_as_json
from launchpad.runner.slots import is_tenant_name
from launchpad.runner.verbs import reply
from launchpad.runner.wire.body import Empty, body_from_json
from launchpad.runner.wire.rollout_bodies import WriteGameDay

MOST_TENANTS = 1000
_WORD = re.compile(r"[0-9A-Za-z][0-9A-Za-z._+-]{0,79}")
_SENTENCE = re.compile(r"[^\x00-\x1f\x7f]{0,300}")


def gameday(host: Host, body: Mapping[str, Any], caller: Caller) -> Iterator[dict[str, Any]]:
    """Empty, after the write to disk; body WriteGameDay. A tenant that came back has a proven backup from now on."""
    record = judged(body_from_json(WriteGameDay, body).record).but(at=host.now(), by=caller.operator)
    for item in record.tenants:
        if item.is_back and item.snapshot and read_record(host, item.tenant) is not None:
            _prove(host, item, record.at)
    host.write(paths.GAMEDAY, canonical(record_as_json(record)), mode=0o600)
    yield reply(Empty())


def judged(found: GameDay) -> GameDay:
    """The record; Refused unless every field is valid."""
    words = [word for item in found.tenants for word in (item.target, item.snapshot, item.generation, item.version)]
    times = [found.seconds, *(item.seconds for item in found.tenants), *(item.at for item in found.tenants)]
    right = (
        ("a tenant", all(is_tenant_name(item.tenant) for item in found.tenants)),
        ("a tenant (listed twice)", len({item.tenant for item in found.tenants}) == len(found.tenants)),
        ("the number of tenants", 0 < len(found.tenants) <= MOST_TENANTS),
        ("a host", all(not item.host or is_tenant_name(item.host) for item in found.tenants)),
        ("a word", all(not word or _WORD.fullmatch(word) for word in words)),
        ("a reason", all(_SENTENCE.fullmatch(item.problem) for item in found.tenants)),
        ("a time", all(seconds >= 0 for seconds in times)),
    )
    for what, is_so in right:
        if not is_so:
            raise Refused(f"gameday: {what} is not valid")
    return found


def _prove(host: Host, item: Returned, at: float) -> None:
    """Record the tenant's proof as a drill does."""
    if (proven_at(host, item.tenant) or 0.0) > at:
        return
    proof = {"target": item.target, "snapshot": item.snapshot, "at": item.at, "generation": item.generation}
    proof |= {"version": item.version, "proven": at, "host": item.host}
    host.folder(paths.backup(item.tenant), mode=0o700)
    host.write(keeping.proof(item.tenant), canonical(proof), mode=0o600)
