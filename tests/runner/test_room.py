"""Two upgrades that begin on one host at the same instant never take the same memory for their clones."""

from __future__ import annotations

from typing import Any

import pytest

from launchpad.runner import engine
from launchpad.runner.protocol import Refused
from launchpad.runner.verbs.submit import ROOM, submit
from tests.memory.data import File
from tests.memory.host import MemoryHost
from tests.memory.living import CALLER, run
from tests.memory.releases import deploy_body, release

MEMINFO = "/proc/meminfo"
ALICE: Any = {}
BOB: Any = {"tenant": "bob", "slot": 8, "domains": ("bob.example.com",)}
ONE = 200
"""MB: enough for one clone of 128, and not for two."""


def two_tenants(host: MemoryHost | None = None) -> MemoryHost:
    """alice and bob on version 1; there is memory for one clone."""
    host = host or MemoryHost()
    for number in (1, 2):
        for more in (ALICE, BOB):
            host.registry |= {service.image for service in release(app=f"beacon:{number}", **more)[0].services}
    assert run(host, deploy_body("operation-first1", release(app="beacon:1")))["outcome"] == "done"
    assert run(host, deploy_body("operation-first2", release(app="beacon:1", **BOB)))["outcome"] == "done"
    host.files[MEMINFO] = File(f"MemAvailable: {ONE * 1024} kB\n".encode())
    return host


def rehearsed(identifier: str, **more: Any) -> dict[str, Any]:
    made = release(app="beacon:2", **more)
    return deploy_body(identifier, made, kind="upgrade", soak=0, rehearse=True) | {"follow": False}


def test_memory_that_an_upgrade_under_way_may_take_is_not_given_to_another() -> None:
    host = two_tenants()
    list(submit(host, rehearsed("operation-alice"), CALLER))
    with pytest.raises(Refused, match=r"bob: a rehearsal may take 128 MB .* for alice \(operation-alice\)") as refused:
        list(submit(host, rehearsed("operation-bob-1", **BOB), CALLER))
    assert refused.value.kind == "locked", "whoever waits for it does not try again"
    engine.carry_out(host, "operation-alice")
    assert run(host, rehearsed("operation-bob-1", **BOB))["outcome"] == "done"


def test_what_needs_no_clone_begins_all_the_same() -> None:
    host = two_tenants()
    list(submit(host, rehearsed("operation-alice"), CALLER))
    body = rehearsed("operation-bob-1", **BOB)
    body["operation"]["rehearse"] = False
    assert run(host, body)["outcome"] == "done"


def test_one_that_begins_while_another_is_judged_waits_for_its_turn() -> None:
    """The second comes just when the first has read how much memory is free."""
    said: list[str] = []

    class Meanwhile(MemoryHost):
        def read(self, path: str) -> bytes | None:
            found = super().read(path)
            if path == MEMINFO and found is not None and not said:
                said.append("asked")
                with pytest.raises(Refused) as refused:
                    list(submit(self, rehearsed("operation-bob-1", **BOB), CALLER))
                said.append(refused.value.kind)
            return found

    host = two_tenants(Meanwhile())
    list(submit(host, rehearsed("operation-alice"), CALLER))
    assert said == ["asked", "locked"], "both were let in"
    assert not host.locks


def test_the_lock_goes_by_its_name_in_what_is_said() -> None:
    host = two_tenants()
    other = {"operation": "operation-other", "who": "bob", "kind": "upgrade"}
    with host.lock(ROOM, other), pytest.raises(Refused, match="room on this host: upgrade by bob holds it") as refused:
        list(submit(host, rehearsed("operation-alice"), CALLER))
    assert refused.value.hint == "launchpad attach operation-other"
