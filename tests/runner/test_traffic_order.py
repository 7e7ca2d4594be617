"""When visitors are let in and when they wait, by the gate of a host in memory while operations go on."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import pytest

from launchpad.runner import engine, slots
from launchpad.runner.caller import Caller
from launchpad.runner.verbs.submit import submit
from tests.memory.host import MemoryHost
from tests.memory.releases import deploy_body, release

CALLER = Caller("alice", "192.0.2.7")
WEB = {side: slots.address(7, 0, side) for side in ("a", "b")}
CHECK_SECONDS = 1
"""How often Caddy looks at a side, as the site says."""


class Gatekeeper(MemoryHost):
    """Remembers when the web's gates were opened and closed, and whether its containers ran then."""

    def __init__(self) -> None:
        super().__init__()
        self.turns: list[tuple[float, str]] = []

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
