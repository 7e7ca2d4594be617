"""Requests of a move, as an operator's side sends them, and hosts that get them."""

from __future__ import annotations

from typing import Any

from launchpad.runner import engine, paths
from launchpad.runner.caller import Caller
from launchpad.runner.journal import Journal
from launchpad.runner.protocol import canonical
from launchpad.runner.verbs.submit import submit
from launchpad.runner.verbs.whereabouts import whereabouts
from tests.memory.host import MemoryHost
from tests.memory.releases import deploy_body, release

CALLER = Caller("ann", "192.0.2.7")
MADE = release()
ADDRESS = "192.0.2.2"
DEPART = {"kind": "depart", "tenant": "alice", "to": "web-2", "address": ADDRESS, "above": 0, "replaces": MADE[0].short}


def a_host() -> MemoryHost:
    host = MemoryHost()
    host.registry |= {service.image for service in MADE[0].services}
    return host


def with_alice() -> MemoryHost:
    host = a_host()
    run(host, deploy_body("prepare-000001", MADE))
    return host


def departed() -> tuple[MemoryHost, dict[str, Any]]:
    """A host that alice left for web-2, and the receipt."""
    host = with_alice()
    run(host, asked("depart-000001", DEPART))
    return host, look(host)["tombstone"]


def arriving(receipt: dict[str, Any], identifier: str = "arrive-000001", **changes: Any) -> dict[str, Any]:
    body = deploy_body(identifier, MADE)
    body["operation"] |= {"kind": "arrive", "receipt": receipt, "from": "web-1"} | changes
    return body


def asked(identifier: str, operation: dict[str, Any]) -> dict[str, Any]:
    return {"id": identifier, "operation": operation, "follow": False}


def run(host: MemoryHost, body: dict[str, Any]) -> str:
    """Submit and carry out; the outcome."""
    for answer in submit(host, body, CALLER):
        if answer["body"]["outcome"] == "unchanged":
            return "unchanged"
    for identifier in list(host.begun):
        engine.carry_out(host, identifier)
        host.begun.remove(identifier)
    return str((Journal(host, body["id"]).outcome() or {})["outcome"])


def look(host: MemoryHost) -> dict[str, Any]:
    (said,) = whereabouts(host, {"tenant": "alice", "slot": 7}, CALLER)
    return dict(said["body"])


def bury(host: MemoryHost, receipt: dict[str, Any], **changes: Any) -> None:
    """A tombstone, put there by hand."""
    host.write(paths.tombstone("alice"), canonical(receipt | changes))


def put_generation(host: MemoryHost, receipt: dict[str, Any]) -> None:
    """The data of the receipt, as if it had come."""
    identifier = receipt["generation"]
    record = {key: receipt[key] for key in ("tenant", "app", "version", "release")}
    record |= {"id": identifier, "at": 1.0, "why": "received", "operation": identifier, "disk_mb": 64}
    host.make_data(paths.received("alice"), volumes=["state"], disk_mb=64, uid=1)
    host.snapshot(paths.received("alice"), paths.generation("alice", identifier))
    host.remove(paths.received("alice"))
    host.write(paths.generation_record("alice", identifier), canonical(record))
