"""Where the tenants of a lost host go."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launchpad.plan.placement import SPARE_MB, PlacementNeed, PlacementRoom, place, room_of
from tests.plan.examples import has, host


def need(tenant: str, memory: int = 100, disk: int = 100, slot: int = 0) -> PlacementNeed:
    return PlacementNeed(tenant=tenant, slot=slot or sum(map(ord, tenant)), memory_mb=memory, disk_mb=disk)


def room(name: str, memory: int = 1000, disk: int = 1000, **more: Any) -> PlacementRoom:
    usual = PlacementRoom(host=name, memory_mb=memory, disk_mb=disk, tenants=frozenset(), slots=frozenset())
    return replace(usual, **more)


def test_tenants_are_spread_over_the_hosts() -> None:
    made = place([need("a"), need("b"), need("c")], [room("web-2"), room("web-3", memory=950)])
    assert made.placed == {"a": "web-2", "b": "web-3", "c": "web-2"} and made.left == {}


def test_what_fits_only_when_a_host_is_filled_first_is_found() -> None:
    """Spread, the largest would take the room of the two others."""
    made = place([need("a", 60), need("b", 50), need("c", 50)], [room("web-2", 100), room("web-3", 60)])
    assert made.placed == {"a": "web-3", "b": "web-2", "c": "web-2"} and made.left == {}


@pytest.mark.parametrize(
    ("there", "said"),
    [
        (room("web-2", memory=99), "web-2 has 99 MiB of memory left, 100 MiB are needed"),
        (room("web-2", disk=-5), "web-2 has 0 MiB of disk left, 100 MiB are needed"),
        (room("web-2", tenants=frozenset({"a"})), "web-2 has data of a already"),
        (replace(room("web-2"), slots=frozenset({7})), "web-2 has another tenant with slot 7"),
    ],
)
def test_who_has_no_place_is_told_why(there: PlacementRoom, said: str) -> None:
    assert place([need("a", slot=7)], [there]).left == {"a": said}


def test_without_a_host_nobody_has_a_place() -> None:
    assert place([need("a")], []).left == {"a": "no other host can be asked"}


def test_the_room_of_a_host_is_what_it_says_of_itself() -> None:
    said = replace(host(has("alice", slot=7))["web-1"], memory_free_mb=300, disk_free=(SPARE_MB + 20) << 20)
    assert room_of(said) == PlacementRoom(
        host="web-1", memory_mb=300, disk_mb=20, tenants=frozenset({"alice"}), slots=frozenset({7})
    )


SIZES = st.lists(st.tuples(st.integers(1, 50), st.integers(1, 50)), max_size=12)


@given(needs=SIZES, rooms=SIZES)
def test_no_host_is_promised_twice_and_nobody_is_forgotten(
    needs: list[tuple[int, int]], rooms: list[tuple[int, int]]
) -> None:
    wanted = {f"t{index}": need(f"t{index}", *size, slot=index + 1) for index, size in enumerate(needs)}
    there = {f"h{index}": room(f"h{index}", *size) for index, size in enumerate(rooms)}
    made = place(wanted.values(), list(there.values()))
    assert made.placed.keys() | made.left.keys() == wanted.keys() and not made.placed.keys() & made.left.keys()
    for name, own in there.items():
        mine = [wanted[tenant] for tenant, host in made.placed.items() if host == name]
        assert sum(item.memory_mb for item in mine) <= own.memory_mb
        assert sum(item.disk_mb for item in mine) <= own.disk_mb
