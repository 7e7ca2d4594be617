"""generations: a tenant's generations on this host, and the releases that a rollback could restore."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from launchpad.runner import generation_records as kept
from launchpad.runner import paths
from launchpad.runner.caller import Caller
from launchpad.runner.cell import read_release
from launchpad.runner.hint import Next
from launchpad.runner.host import Failed, Host
from launchpad.runner.plan import read_record
from launchpad.runner.protocol import Refused
from launchpad.runner.slots import is_tenant_name
from launchpad.runner.verbs import reply
from launchpad.runner.wire.body import body_from_json
from launchpad.runner.wire.tenant_bodies import EarlierRelease, Generations, GenerationsReply


def generations(host: Host, body: Mapping[str, Any], _caller: Caller) -> Iterator[dict[str, Any]]:
    """GenerationsReply; body Generations."""
    tenant = body_from_json(Generations, body).tenant
    record = read_record(host, tenant) if is_tenant_name(tenant) else None
    if record is None:
        raise Refused(
            f"{tenant[:60]!r}: no such tenant on this host",
            code="no-such-tenant-on-host",
            kind="state",
            hint=Next("status"),
        )
    found = kept.kept(host, tenant)
    releases = [_release(host, tenant, short, record, found) for short in host.names(paths.releases(tenant))]
    ordered = sorted((item for item in releases if item), key=lambda item: _order(item, record, found))
    yield reply(
        GenerationsReply(
            generations=tuple(found), releases=tuple(ordered), incomplete=tuple(kept.incomplete(host, tenant))
        )
    )


def _release(
    host: Host, tenant: str, short: str, record: Mapping[str, Any], found: list[kept.Generation]
) -> EarlierRelease | None:
    """A release folder for the reply; None for a damaged folder."""
    try:
        release = read_release(host, tenant, short)
    except Failed:
        return None
    left = kept.left(found, short)
    return EarlierRelease(
        release=short,
        version=release.version,
        kept=short in record.get("before", ()) or any(item.release == short for item in found),
        running=short == record["release"] and not record["retired"],
        generation=left.id if left else "",
    )


def _order(item: EarlierRelease, record: Mapping[str, Any], found: list[kept.Generation]) -> tuple[Any, ...]:
    """The sort key: the running release first, then by the last time that it ran, if known."""
    earlier = list(record.get("before", ()))
    short = item.release
    newest = next((index for index, item in enumerate(found) if item.release == short), len(found))
    place = earlier.index(short) if short in earlier else len(earlier)
    return not item.running, newest, place, short
