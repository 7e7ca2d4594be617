"""A tenant in memory whose releases migrate its data, and what is done with it over its life."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from launchpad.runner import engine, generation_records, paths
from launchpad.runner.caller import Caller
from launchpad.runner.journal import Journal
from launchpad.runner.protocol import Release
from launchpad.runner.verbs.submit import submit
from tests.memory.host import MemoryHost
from tests.memory.releases import deploy_body, release

Made = tuple[Release, dict[str, str]]
CALLER = Caller("alice", "192.0.2.7")
STATE = f"{paths.data('alice')}/state"


def version(number: int, **more: Any) -> Made:
    """alice's release of that version, whose data has the schema of the same number."""
    return release(app=f"beacon:{number}", **more)


def a_host(*numbers: int, **behaviours: str) -> MemoryHost:
    """A host that can have these versions, the first one deployed; `v3="crash"` says how one behaves."""
    host = MemoryHost()
    for number in numbers:
        services = version(number)[0].services
        host.registry |= {service.image for service in services}
        host.schemas[services[0].image] = number
        host.behaviours |= {service.image: behaviours.get(f"v{number}", "good") for service in services}
    assert run(host, deploy_body("operation-first", version(numbers[0])))["outcome"] == "done"
    host.lively = "alice"
    host.wait(5)
    return host


def run(host: MemoryHost, body: Mapping[str, Any]) -> dict[str, Any]:
    """Submit the operation and carry it out; its outcome."""
    (answer,) = submit(host, body, CALLER)
    if answer["body"]["outcome"] == "unchanged":
        return dict(answer["body"])
    engine.carry_out(host, body["id"])
    outcome = Journal(host, body["id"]).outcome()
    assert outcome is not None
    return outcome


def upgrade(identifier: str, made: Made, *, soak: int = 0, **extra: Any) -> dict[str, Any]:
    return deploy_body(identifier, made, kind="upgrade", soak=soak, rehearse=False, **extra)


def rollback(identifier: str, to: str = "", *, keep_data: bool = False, **extra: Any) -> dict[str, Any]:
    return simple(identifier, "rollback", to=to, keep_data=keep_data, soak=0, **extra)


def simple(identifier: str, kind: str, **extra: Any) -> dict[str, Any]:
    return {"id": identifier, "operation": {"kind": kind, "tenant": "alice"} | extra, "follow": False}


def log(host: MemoryHost, folder: str = STATE) -> list[str]:
    """What was written into the data, in order."""
    return list(host.state(folder)["log"])


def reasons(host: MemoryHost) -> list[tuple[str, str]]:
    """(id, why) of every generation, the newest first."""
    return [(item.id, item.why) for item in generation_records.kept(host, "alice")]


def serving(host: MemoryHost) -> str:
    """The version that a visitor gets once all had time to start; "" for none."""
    host.wait(5)
    answer = host.request("alice.example.com")
    found = host.read(f"{paths.release('alice', answer)}/release.json")
    return "" if found is None else str(answer)
