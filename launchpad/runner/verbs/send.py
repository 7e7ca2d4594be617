"""send: send a generation's files, encrypted for the recipients in the host's signed settings.

A thief with only an operator's SSH key gets nothing readable, because a request cannot name recipients.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from typing import Any

from launchpad.runner import generation_records, paths, slots
from launchpad.runner.backups import keeping, work
from launchpad.runner.caller import Caller
from launchpad.runner.carrying import packing
from launchpad.runner.hint import HERE, Next
from launchpad.runner.host import Confined, Failed, Host
from launchpad.runner.plan import read_record
from launchpad.runner.protocol import Refused, record_as_json, record_from_json
from launchpad.runner.verbs import reply
from launchpad.runner.wire.body import body_from_json
from launchpad.runner.wire.streams import DataLine, Send, SentReply

SECONDS = 24 * 3600
NO_RECIPIENTS = Next("provision", HERE) + ", with recipients in launchpad.yaml (" + Next("key show") + " prints yours)"


def send(host: Host, body: Mapping[str, Any], _caller: Caller) -> Iterator[dict[str, Any]]:
    """DataLines, which together are one age file with a tar; then SentReply; body Send."""
    given = body_from_json(Send, body)
    sealed_for = keeping.recipients(host)
    wanted = found(host, given.tenant, given.generation)
    tenant = wanted.tenant
    record = read_record(host, tenant) or {}
    slot = record.get("slot")
    if slot is None:
        raise Refused(
            f"{tenant}: this host does not know its slot, so its files cannot be read",
            code="slot-unknown",
            kind="state",
        )
    task: dict[str, Any] = {"do": "pack", "uid": slots.host_uid(slot), "recipients": sealed_for}
    task["most"] = max(record["disk_mb"], wanted.disk_mb) << 20
    reads = work.volumes(host, paths.generation(tenant, wanted.id))
    volumes = tuple(place.rpartition("/")[2] for place in reads)
    if given.base:
        base = found(host, tenant, given.base)
        task |= {"base": base.id, "base_at": base.at}
        for name in host.names(paths.generation(tenant, base.id)):
            reads[f"{packing.BASE}/{name}"] = f"{paths.generation(tenant, base.id)}/{name}"
    unit = work.unit(tenant, f"send-{round(host.now() * 1000)}")
    try:
        sent = yield from passed_on(host, Confined(unit=unit, task=task, reads=reads, seconds=SECONDS))
    except Failed as failed:
        raise Refused(f"{tenant}: {failed.message}", code=failed.code, kind="step") from failed
    told = {"generation": record_as_json(wanted), "slot": slot, "volumes": list(volumes)} | sent
    yield reply(record_from_json(SentReply, told, "send"))


def found(host: Host, tenant: str, identifier: str) -> generation_records.Generation:
    """The tenant's generation of that id; Refused when there is none."""
    known = generation_records.kept(host, tenant) if slots.is_tenant_name(tenant) else []
    for item in known:
        if item.id == identifier:
            return item
    hint = Next("generations", tenant) if known else Next("status")
    raise Refused(
        f"{tenant[:60]}: this host has no generation {identifier[:60]!r}",
        code="no-such-generation-on-host",
        kind="state",
        hint=hint,
    )


def passed_on(host: Host, asked: Confined) -> Generator[dict[str, Any], None, dict[str, Any]]:
    """Yields the program's data as lines of an answer; returns the program's result."""
    lines = host.streamed(asked)
    while True:
        try:
            item = next(lines)
        except StopIteration as end:
            return dict(end.value)
        if "data" in item:
            yield DataLine(data=item["data"]).as_line()
