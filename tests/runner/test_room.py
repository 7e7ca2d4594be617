"""Two upgrades on one host, whoever begins them, never take the same memory or CPUs for their clones."""

from __future__ import annotations

from typing import Any

import pytest

from launchpad.runner import engine, paths
from launchpad.runner.capacity import CPUS_ONLINE, check_clone, cpus
from launchpad.runner.protocol import Refused, release_from_json
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
    with pytest.raises(Refused, match=r"bob: a rehearsal needs 128 MiB .* for alice \(operation-alice\)") as refused:
        list(submit(host, rehearsed("operation-bob-1", **BOB), CALLER))
    assert refused.value.kind == "locked", "whoever waits for it does not try again"
    engine.carry_out(host, "operation-alice")
    assert run(host, rehearsed("operation-bob-1", **BOB))["outcome"] == "done"


def with_cpus(online: str) -> MemoryHost:
    """The same host with memory for all, and these CPUs; each clone of alice's and bob's may take one."""
    host = two_tenants()
    host.files[MEMINFO] = File(b"MemAvailable: 8000000 kB\n")
    host.files[CPUS_ONLINE] = File(f"{online}\n".encode())
    return host


def test_cpus_that_an_upgrade_under_way_may_take_are_not_given_to_another() -> None:
    host = with_cpus("0")
    list(submit(host, rehearsed("operation-alice"), CALLER))
    said = r"bob: a rehearsal needs 1 of 1 CPUs, but 1 are reserved for alice \(operation-alice\)"
    with pytest.raises(Refused, match=said) as refused:
        list(submit(host, rehearsed("operation-bob-1", **BOB), CALLER))
    assert refused.value.kind == "locked", "whoever waits for it does not try again"
    engine.carry_out(host, "operation-alice")
    assert run(host, rehearsed("operation-bob-1", **BOB))["outcome"] == "done"


@pytest.mark.parametrize("damaged", [b"{torn", b"[7]"])
def test_a_damaged_plan_of_one_keeps_nobody_from_a_rehearsal(damaged: bytes) -> None:
    host = with_cpus("0-1")
    list(submit(host, rehearsed("operation-alice"), CALLER))
    host.write(f"{paths.operation('operation-alice')}/plan.json", damaged)
    assert run(host, rehearsed("operation-bob-1", **BOB))["outcome"] == "done"


def test_two_clones_run_where_there_are_cpus_for_two() -> None:
    host = with_cpus("0-1")
    list(submit(host, rehearsed("operation-alice"), CALLER))
    assert run(host, rehearsed("operation-bob-1", **BOB))["outcome"] == "done"


def test_shares_of_cpus_that_fill_them_are_let_in() -> None:
    """alice's take one; these make it three, and a little more in binary."""
    host = with_cpus("0-2")
    list(submit(host, rehearsed("operation-alice"), CALLER))
    made = rehearsed("operation-bob-1", **BOB)["operation"]["release"]
    services = [made["services"][0] | {"cpus": share} for share in (0.66, 1.12, 0.22)]
    assert 1 + sum(item["cpus"] for item in services) > 3
    check_clone(host, release_from_json(made | {"services": services}), hint="")


def test_a_clone_alone_may_want_more_cpus_than_there_are() -> None:
    made = rehearsed("operation-alice")["operation"]["release"]
    services = [item | {"cpus": 2.0} for item in made["services"]]
    check_clone(with_cpus("0"), release_from_json(made | {"services": services}), hint="")


@pytest.mark.parametrize(
    ("said", "found"), [("0", 1), ("0-3", 4), ("0-1,4,6-7\n", 5), ("", None), ("all of them", None)]
)
def test_cpus_are_counted_as_the_kernel_lists_them(said: str, found: int | None) -> None:
    assert cpus(MemoryHost(files={CPUS_ONLINE: File(said.encode())})) == found
    assert cpus(MemoryHost()) is None


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
    with (
        host.lock(ROOM, other),
        pytest.raises(Refused, match=r"room on this host: locked by bob \(upgrade\)") as refused,
    ):
        list(submit(host, rehearsed("operation-alice"), CALLER))
    assert refused.value.hint == "launchpad attach operation-other"
