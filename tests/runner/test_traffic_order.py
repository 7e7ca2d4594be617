"""When visitors are let in and when they wait, by the gate of a host in memory while operations go on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from ipaddress import IPv4Address
from typing import Any

import pytest

from launchpad.runner import engine, paths, slots
from launchpad.runner.caller import Caller
from launchpad.runner.host import EstablishedConnection
from launchpad.runner.journal import Journal
from launchpad.runner.plan import SWAP_DRAIN_SECONDS, UNDO_STOP_SECONDS
from launchpad.runner.protocol import Release, digest_of
from launchpad.runner.verbs.submit import submit
from tests.memory.host import MemoryHost
from tests.memory.living import serving, simple
from tests.memory.releases import compose, deploy_body, release

CALLER = Caller("alice", "192.0.2.7")
WEB = {side: slots.address(7, 0, side) for side in ("a", "b")}
CHECK_SECONDS = 1
"""How often Caddy looks at a side, as the site says."""


class Gatekeeper(MemoryHost):
    """Remembers when the web's gates were opened and closed, and whether its containers ran then."""

    def __init__(self) -> None:
        super().__init__()
        self.turns: list[tuple[float, str]] = []
        self.ends: dict[IPv4Address, float] = {}
        """When the request that is under way to an address will be answered."""

    def connections(self, addresses: Sequence[IPv4Address]) -> list[EstablishedConnection]:
        for address, end in self.ends.items():
            self.established[address] = int(self.clock < end)
        return super().connections(addresses)

    def open_traffic(self, addresses: Any) -> None:
        super().open_traffic(addresses)
        self._note("open", addresses)

    def close_traffic(self, addresses: Any) -> None:
        super().close_traffic(addresses)
        self._note("close", addresses)

    def _note(self, turn: str, addresses: list[IPv4Address]) -> None:
        self.turns += [(self.clock, f"{turn} {side}") for side, address in WEB.items() if address in addresses]


def upgraded(strategy: Any, *, busy: float = 0.0) -> Gatekeeper:
    """A host on which a second release has just followed the first."""
    host = Gatekeeper()
    first, second = release(strategy=strategy), release(app="beacon:2", strategy=strategy)
    for value, _ in (first, second):
        host.registry |= {service.image for service in value.services}
    run(host, deploy_body("operation-000001", first))
    host.turns.clear()
    host.established[WEB["a"]] = 1 if busy else 0
    run(host, deploy_body("operation-000002", second))
    return host


def version(
    number: int, *, steady: int = 2, stop: int = 10, memory: int = 64, **more: Any
) -> tuple[Release, dict[str, str]]:
    """alice's release of that version, with these timings; another memory is another cell."""
    made, files = release(app=f"beacon:{number}", **more)
    services = tuple(service.but(memory_mb=memory) for service in made.services)
    cells = json.dumps(compose("alice", 7, services), indent=1).replace('"10s"', f'"{stop}s"')
    files = files | {"compose.yaml": cells}
    digests = {path: digest_of(text.encode()) for path, text in files.items()}
    return made.but(services=services, steady_seconds=steady, stop_seconds=stop, files=digests), files


def run(host: MemoryHost, body: dict[str, Any]) -> None:
    list(submit(host, body, CALLER))
    engine.carry_out(host, body["id"])


def test_one_writer_is_closed_to_visitors_before_its_successor_is_open() -> None:
    assert [turn for _, turn in upgraded("swap").turns] == ["close a", "open b"]


def test_two_at_once_are_both_open_until_caddy_has_seen_the_new_one() -> None:
    (opened, first), (closed, second) = upgraded("beside").turns
    assert (first, second) == ("open b", "close a")
    assert closed - opened >= 2 * CHECK_SECONDS


@pytest.mark.parametrize("strategy", ["swap", "beside"])
def test_what_is_under_way_is_given_time_but_not_for_ever(strategy: str) -> None:
    idle, busy = (host.clock for host in (upgraded(strategy), upgraded(strategy, busy=1)))
    assert 5 <= busy - idle <= 31


# --- how long the door is closed: the app's own start and little more

START_SECONDS = 1.0
"""What the app in memory takes until it is ready."""


def lasting(operation: str, *, steady: int = 15) -> Gatekeeper:
    """A host on which an operation has just been carried out on a tenant that served."""
    host = Gatekeeper()
    first, second = (version(number, steady=steady) for number in (1, 2))
    other = version(1, steady=steady, domains=("alice.example.com", "www.example.com"), memory=65)
    for value, _ in (first, second, other):
        host.registry |= {service.image for service in value.services}
        host.schemas[value.services[0].image] = int(value.version)
    run(host, deploy_body("operation-000001", first))
    if operation == "rollback":
        run(host, deploy_body("operation-000002", second))
    if operation == "restore":
        run(host, simple("operation-000002", "snapshot"))
    host.wait(20)
    host.turns.clear()
    body = {
        "deploy": deploy_body("operation-000003", other),
        "upgrade": deploy_body("operation-000003", second, kind="upgrade", soak=0, rehearse=True),
        "unproven": deploy_body("operation-000003", second, kind="upgrade", soak=0, rehearse=False),
        "rollback": simple("operation-000003", "rollback", to="", keep_data=False, soak=0),
        "restart": simple("operation-000003", "restart"),
        "restore": simple("operation-000003", "restore", generation="operation-000002"),
    }[operation]
    run(host, body)
    assert Journal(host, "operation-000003").outcome() is not None
    return host


def closed(host: Gatekeeper) -> float:
    """For how many seconds no side was open, of a host whose door was closed once."""
    (first, closing), (last, opening) = host.turns[0], host.turns[1]
    assert closing.startswith("close") and opening.startswith("open"), host.turns
    return last - first


@pytest.mark.parametrize("operation", ["deploy", "upgrade", "rollback", "restart", "restore"])
def test_what_ran_before_or_was_rehearsed_is_judged_with_the_door_open(operation: str) -> None:
    host = lasting(operation)
    assert closed(host) <= START_SECONDS + 1
    assert host.clock - host.turns[1][0] >= 15, "nobody saw that it was steady"


def test_what_nobody_knows_is_judged_with_the_door_closed() -> None:
    assert closed(lasting("unproven")) >= START_SECONDS + 15


@pytest.mark.parametrize("what", ["request", "work"])
def test_what_ends_by_itself_is_awaited_with_the_door_open(what: str) -> None:
    """A slow request, or a turn of the app's own."""
    host, begun = served(), 0.0
    begun = host.clock
    if what == "request":
        host.ends[WEB["a"]] = begun + 20
    else:
        host.at_work = begun + 20
    run(host, simple("operation-000003", "restart"))
    assert host.turns[0][1] == "close a" and 20 <= host.turns[0][0] - begun <= 22
    assert closed(host) <= START_SECONDS + 1


@pytest.mark.parametrize("what", ["request", "work"])
def test_for_what_came_at_the_last_moment_the_door_is_opened_again(what: str) -> None:
    host = served()
    close = host.close_traffic

    def closing(addresses: Any) -> None:
        close(addresses)
        if len(host.turns) == 1 and what == "request":
            host.ends[WEB["a"]] = host.clock + 20
        elif len(host.turns) == 1:
            host.at_work = host.clock + 20

    host.close_traffic = closing  # type: ignore[method-assign]
    run(host, simple("operation-000003", "restart"))
    turns = [turn for _, turn in host.turns]
    assert turns[:4] == ["close a", "open a", "close a", "open a"]
    at = [moment for moment, _ in host.turns]
    assert at[1] - at[0] <= SWAP_DRAIN_SECONDS + 0.5
    assert at[2] - at[1] >= 20 - SWAP_DRAIN_SECONDS - 0.5
    assert at[3] - at[2] <= START_SECONDS + 1


def test_a_tenant_that_is_always_at_work_is_changed_all_the_same() -> None:
    host = served()
    host.at_work = host.clock + 10**6
    begun = host.clock
    run(host, simple("operation-000003", "restart"))
    assert 30 <= host.turns[0][0] - begun <= 32
    assert closed(host) <= START_SECONDS + 1
    assert serving(host)


def test_what_is_not_well_is_not_waited_for() -> None:
    """Its requests hang: that is why somebody changes it."""
    host = served()
    host.ends[WEB["a"]] = host.clock + 10**6
    for box in host.boxes.values():
        host.behaviours[box.image] = "never"
    begun = host.clock
    run(host, simple("operation-000003", "stop"))
    assert host.turns[0][0] - begun <= 1


def test_what_is_taken_back_while_visitors_wait_gets_little_time_for_its_stop() -> None:
    """An app that drains for minutes would keep the old release from them."""
    host = Gatekeeper()
    first, second = version(1, stop=330), version(2, stop=330)
    for value, _ in (first, second):
        host.registry |= {service.image for service in value.services}
    host.behaviours |= {service.image: "dying" for service in second[0].services}
    run(host, deploy_body("operation-000001", first))
    host.wait(20)
    given: list[int] = []
    stop = host.stop

    def stopping(project: str, seconds: int) -> None:
        given.append(seconds)
        stop(project, seconds)

    host.stop = stopping  # type: ignore[method-assign]
    run(host, deploy_body("operation-000003", second, kind="upgrade", soak=30, rehearse=True))
    assert serving(host) == first[0].short
    assert given[-1] == UNDO_STOP_SECONDS and 330 in given


def test_what_runs_without_a_record_is_replaced_too() -> None:
    """Somebody took it away by hand."""
    host = served()
    host.remove(paths.record("alice"))
    second = version(2)
    host.registry |= {service.image for service in second[0].services}
    run(host, deploy_body("operation-000003", second))
    assert serving(host) == second[0].short


def served() -> Gatekeeper:
    """A host with a tenant that serves."""
    host = Gatekeeper()
    made = version(1)
    host.registry |= {service.image for service in made[0].services}
    run(host, deploy_body("operation-000001", made))
    host.wait(20)
    host.turns.clear()
    return host
