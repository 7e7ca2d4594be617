"""A clone has the release's own program, and nothing of the live tenant's or the world's."""

from __future__ import annotations

import json
from typing import Any

import pytest

from launchpad.runner import paths, slots
from launchpad.runner.protocol import Refused, Release
from launchpad.runner.rehearsal import MARK, SIDE, cloned, made_up, project
from tests.runner.judge.test_compose import recorded

TENANTS = ("alice", "bea")


def differing(before: Any, after: Any, path: str = "") -> set[str]:
    """The paths at which two documents differ."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = before.keys() | after.keys()
        return {found for key in keys for found in differing(before.get(key), after.get(key), f"{path}/{key}")}
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return {
            found
            for index, pair in enumerate(zip(before, after, strict=True))
            for found in differing(*pair, f"{path}/{index}")
        }
    return set() if before == after else {path}


def clone_of(tenant: str) -> tuple[dict[str, Any], dict[str, Any], Release]:
    resolved, release = recorded(tenant)
    return resolved, cloned(resolved, release), release


@pytest.mark.parametrize("tenant", TENANTS)
def test_nothing_of_the_live_tenant_s_is_left(tenant: str) -> None:
    _, clone, release = clone_of(tenant)
    text = json.dumps(clone)
    for live in (
        f"{paths.data(tenant)}/",
        paths.secrets(tenant, release.short),
        *(f'"{slots.address(release.slot, index, side)}"' for index in range(6) for side in ("a", "b")),
        f'"lp-{tenant}"',
        f'"lp-{tenant}-a"',
    ):
        assert live not in text
    for service in clone["services"].values():
        assert service["labels"]["launchpad.side"] == SIDE
        assert service["environment"][MARK] == "1"
    assert clone["name"] == clone["networks"]["default"]["name"] == project(tenant)


@pytest.mark.parametrize("tenant", TENANTS)
def test_everything_else_is_the_release_s_own(tenant: str) -> None:
    resolved, clone, release = clone_of(tenant)
    meant = {"/name", "/networks/default/name"}
    for index, service in enumerate(release.services):
        where = f"/services/{service.name}"
        meant |= {f"{where}/labels/launchpad.side", f"{where}/networks/default/ipv4_address"}
        address = clone["services"][service.name]["networks"]["default"]["ipv4_address"]
        assert address == str(slots.clone_address(release.slot, index))
    found = differing(resolved, clone)
    moved = {path for path in found if path.endswith("/source")}
    marks = {path for path in found if "/environment" in path}
    assert found - moved - marks == meant
    assert len(moved) >= len(release.volumes), "the data and the secrets"
    assert recorded(tenant)[0] == resolved, "what it was made of is as it was"


def test_what_is_no_part_of_a_release_is_not_mounted() -> None:
    resolved, release = recorded("alice")
    resolved["services"]["gateway"]["volumes"].append({"type": "bind", "source": "/etc", "target": "/x"})
    with pytest.raises(Refused, match="cannot be rehearsed: '/etc'"):
        cloned(resolved, release)


def test_secrets_are_made_up_each_of_its_own() -> None:
    _, release = recorded("alice")
    numbers = iter(range(100))
    made = made_up(release, lambda digits: f"{next(numbers):0{digits}x}")
    assert set(made) == set(release.secrets)
    assert len(set(made.values())) == len(made)
    assert all(value.startswith("rehearsal-") and len(value) >= 32 for value in made.values())


@pytest.mark.parametrize("slot", [slots.FIRST_SLOT, 300, slots.LAST_SLOT])
def test_a_clone_s_addresses_are_nobody_else_s(slot: int) -> None:
    subnet = slots.clone_subnet(slot)
    assert subnet.subnet_of(slots.CLONES)
    assert not subnet.overlaps(slots.NETWORK)
    assert slots.clone_address(slot, 0) == subnet.network_address + 2
    assert all(slots.clone_address(slot, index) in subnet for index in range(6))
    assert len(slots.clone_bridge(slot)) <= 15
