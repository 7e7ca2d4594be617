"""Run a move's steps, and undo them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_never

from launchpad.runner import generation_records, paths, slots
from launchpad.runner.context import Context
from launchpad.runner.effects import bytes_or_none, put_site, text_or_none
from launchpad.runner.host import Failed, Host
from launchpad.runner.moving import sealed_certificates, steps
from launchpad.runner.moving.forward import forward
from launchpad.runner.protocol import canonical


def look(step: steps.MoveStep, context: Context) -> dict[str, Any]:
    """What undo needs."""
    host = context.host
    match step:
        case steps.Entomb():
            return {"tombstone": text_or_none(host.read(paths.tombstone(step.tenant)))}
        case steps.PutForward():
            return {"site": text_or_none(host.read(paths.site(step.tenant)))}
        case _:
            return {}


def apply(step: steps.MoveStep, context: Context) -> None:
    """Run the step. Failed says what could not be done and why."""
    host = context.host
    match step:
        case steps.Entomb():
            host.folder(paths.DEPARTED, mode=0o700)
            host.write(paths.tombstone(step.tenant), canonical(step.tombstone), mode=0o600)
        case steps.AdoptData():
            adopt(host, step, context.identifier)
        case steps.PlaceCertificates():
            sealed_certificates.place(host, step.tenant, step.domains)
        case steps.PutForward():
            put_site(host, step.tenant, forward(host, step.domains, step.address).encode())
        case steps.DropReceived():
            for name in step.drop:
                generation_records.drop(host, step.tenant, name)
            host.remove(paths.received(step.tenant))
        case _:
            assert_never(step)


def undo(step: steps.MoveStep, before: Mapping[str, Any], context: Context) -> None:
    """Restore what `look` saw."""
    host = context.host
    match step:
        case steps.Entomb():
            if before["tombstone"] is None:
                host.remove(paths.tombstone(step.tenant))
            else:
                host.write(paths.tombstone(step.tenant), before["tombstone"].encode(), mode=0o600)
        case steps.AdoptData():
            host.remove(paths.data(step.tenant))
            host.remove(paths.adopted(step.tenant))
        case steps.PutForward():
            put_site(host, step.tenant, bytes_or_none(before["site"]))
        case _:
            pass


def adopt(host: Host, step: steps.AdoptData, identifier: str) -> None:
    """Adopt the received data. A file beside the data names the operation that adopted it, so that it is not adopted
    twice: the app may have written to it since."""
    if host.read(paths.adopted(step.tenant)) != identifier.encode():
        if host.has_data(paths.data(step.tenant)) and host.read(paths.record(step.tenant)) is not None:
            raise Failed(f"{step.tenant}: already has data on this host", code="data-arrived-before")
        generation_records.put_back(host, step.tenant, step.generation, disk_mb=step.disk_mb)
        host.write(paths.adopted(step.tenant), identifier.encode(), mode=0o600)
    host.folder(paths.tenant(step.tenant), mode=0o711)
    uid = slots.host_uid(step.slot)
    host.make_data(paths.data(step.tenant), volumes=step.volumes, disk_mb=step.disk_mb, uid=uid)
