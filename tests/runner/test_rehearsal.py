"""A clone has the release's own program, and nothing of the live tenant's or the world's."""

from __future__ import annotations

import json
from ipaddress import IPv4Address
from typing import Any

import pytest

from launchpad.runner import paths, slots
from launchpad.runner.journal import Journal
from launchpad.runner.judge.resolved_project import judge_compose
from launchpad.runner.protocol import Action, Refused, Release
from launchpad.runner.rehearsal import MARK, SIDE, cloned, made_up, project, stand_in
from tests.memory.host import Killed, MemoryHost
from tests.runner.judge.test_resolved_project import recorded
from tests.runner.test_kill_points import CRASHING, NEW, OLD, Scenario, prepared, run, upgrade

TENANTS = ("alice", "bea")
REHEARSED = Scenario("rehearsed", upgrade(NEW, rehearse=True), (OLD,))
FAILING = Scenario("failing", upgrade(CRASHING, rehearse=True), (OLD,), ends="old")


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


def resolved_for_clone(tenant: str) -> tuple[dict[str, Any], Release]:
    """What Compose makes of the release with a clone's own values, which stand where those of side a do."""
    resolved, release = recorded(tenant)
    text = json.dumps(resolved).replace(f'"lp-{tenant}-a"', f'"{project(tenant)}"')
    text = text.replace('"launchpad.side": "a"', f'"launchpad.side": "{SIDE}"')
    for index in range(len(release.services)):
        text = text.replace(str(slots.address(release.slot, index)), str(slots.address(release.slot, index, SIDE)))
    return json.loads(text), release


def clone_of(tenant: str) -> tuple[dict[str, Any], dict[str, Any], Release]:
    resolved, release = resolved_for_clone(tenant)
    return resolved, cloned(resolved, release), release


@pytest.mark.parametrize("tenant", TENANTS)
def test_nothing_of_the_live_tenant_s_is_left(tenant: str) -> None:
    _, clone, release = clone_of(tenant)
    text = json.dumps(clone)
    for live in (
        f"{paths.data(tenant)}/",
        paths.secrets(tenant, release.short),
        *(
            f"{slots.address(release.slot, index, side)}{end}"
            for index in range(6)
            for side in ("a", "b")
            for end in '":'
        ),
        f'"lp-{tenant}"',
        f'"lp-{tenant}-a"',
    ):
        assert live not in text
    for service in clone["services"].values():
        assert service["labels"]["launchpad.side"] == SIDE
        assert not slots.is_tenant_name(service["labels"]["launchpad.tenant"])
        assert service["environment"][MARK] == "1"
    assert clone["name"] == clone["networks"]["default"]["name"] == project(tenant)


@pytest.mark.parametrize("tenant", TENANTS)
def test_everything_else_is_the_release_s_own(tenant: str) -> None:
    resolved, clone, release = clone_of(tenant)
    judge_compose(resolved, release, side=SIDE)
    meant = {"/networks/default/name"}
    meant |= {f"/services/{service.name}/labels/launchpad.tenant" for service in release.services}
    found = differing(resolved, clone)
    moved = {path for path in found if path.endswith("/source")}
    marks = {path for path in found if "/environment" in path}
    assert found - moved - marks == meant
    assert len(moved) >= len(release.volumes), "the data and the secrets"
    assert resolved_for_clone(tenant)[0] == resolved, "what it was made of is as it was"


def test_a_clone_is_judged_as_a_clone() -> None:
    resolved, release = recorded("bea")
    with pytest.raises(Refused, match=r"compose\.name: must be 'lp-bea-clone', not 'lp-bea-a'"):
        judge_compose(resolved, release, side=SIDE)


def test_its_web_looks_for_its_own_store() -> None:
    clone = clone_of("bea")[1]
    assert clone["services"]["web"]["environment"]["BEACON_STORE_URL"] == f"http://{slots.address(8, 1, SIDE)}:8081"


def test_what_is_no_part_of_a_release_is_not_mounted() -> None:
    resolved, release = recorded("alice")
    resolved["services"]["gateway"]["volumes"].append({"type": "bind", "source": "/etc", "target": "/x"})
    with pytest.raises(Refused, match="cannot be rehearsed: the mount '/etc'"):
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
    assert slots.address(slot, 0, "clone") == subnet.network_address + 2
    assert all(slots.address(slot, index, "clone") in subnet for index in range(6))
    assert len(slots.clone_bridge(slot)) <= 15


def in_the_middle() -> MemoryHost:
    """A host on which the clone was just started."""
    calls = prepared(REHEARSED)
    run(calls, REHEARSED.operation)
    host = prepared(REHEARSED)
    host.kill_at, host.kill_mode = calls.calls.index("up") + 1, "after"
    with pytest.raises(Killed):
        run(host, REHEARSED.operation)
    return host


def test_the_tenant_serves_on_while_the_clone_runs_with_made_up_secrets_and_no_way_out() -> None:
    before, host = prepared(REHEARSED), in_the_middle()
    live = {name: box for name, box in host.boxes.items() if box.tenant == "alice"}
    assert live == {name: box for name, box in before.boxes.items() if box.tenant == "alice"}
    assert host.request("alice.example.com") == OLD[0].short
    clones = [name for name, box in host.boxes.items() if box.tenant == stand_in("alice")]
    assert len(clones) == len(NEW[0].services)
    assert all(IPv4Address(host.addresses[name]) in slots.clone_subnet(OLD[0].slot) for name in clones)
    assert host.networks[project("alice")][3] is True, "internal"
    values = {path: host.read(path) for path in host.files if path.startswith(f"{paths.secrets('alice', SIDE)}/")}
    assert [path.rpartition("/")[2] for path in values] == list(NEW[0].secrets)
    assert all((value or b"").startswith(b"rehearsal-") for value in values.values())


def test_a_secret_that_the_data_was_made_with_is_the_real_one() -> None:
    real = NEW[0].but(real_in_rehearsals=tuple(NEW[0].secrets)), NEW[1]
    scenario = Scenario("real", upgrade(real, rehearse=True), (OLD,))
    calls = prepared(scenario)
    run(calls, scenario.operation)
    host = prepared(scenario)
    host.kill_at, host.kill_mode = calls.calls.index("up") + 1, "after"
    with pytest.raises(Killed):
        run(host, scenario.operation)
    (name,) = NEW[0].secrets
    assert host.read(f"{paths.secrets('alice', SIDE)}/{name}") == b"secret-of-alice"


def test_a_release_that_fails_in_its_rehearsal_never_touches_the_tenant() -> None:
    before, host = prepared(FAILING), prepared(FAILING)
    assert run(host, FAILING.operation) == "undone"
    assert host.boxes == before.boxes, "not even stopped"
    assert "close_traffic" not in host.calls
    message = (Journal(host, FAILING.operation["id"]).outcome() or {})["message"]
    assert message.startswith("in the rehearsal, beacon 3: ")


@pytest.mark.parametrize(("behaviour", "outcome"), [("good", "done"), ("unsound", "undone")])
def test_an_app_that_can_says_whether_its_data_is_sound(behaviour: str, outcome: str) -> None:
    made, files = NEW
    checking = made.but(actions=(Action(name="verify", service="store", argv=("beacon", "check")),)), files
    host = prepared(REHEARSED)
    host.behaviours |= {service.image: behaviour for service in made.services}
    body = upgrade(checking, rehearse=True)
    assert run(host, body) == outcome
    told = Journal(host, body["id"]).outcome() or {}
    if outcome == "undone":
        assert told["message"] == "in the rehearsal, beacon 2: the action verify failed with status 1"
        assert told["lines"] == ["a row is missing"]


def test_a_clone_without_memory_for_it_is_refused_before_anything_happens() -> None:
    host = prepared(REHEARSED)
    host.write("/proc/meminfo", b"MemTotal: 4000000 kB\nMemAvailable:   65536 kB\n")
    host.calls.clear()
    with pytest.raises(Refused, match="a rehearsal needs 128 MiB of memory, but only 64 MiB are free") as caught:
        run(host, REHEARSED.operation)
    assert "--no-rehearsal" in caught.value.hint
    assert "up" not in host.calls
    host.write("/proc/meminfo", b"MemAvailable:   262144 kB\n")
    assert run(host, REHEARSED.operation) == "done"


@pytest.mark.parametrize(
    ("may_shrink", "outcome"), [((), "undone"), (("sessions", "l*g"), "done"), (("other",), "undone")]
)
def test_a_migration_that_loses_rows_is_found_out(may_shrink: tuple[str, ...], outcome: str) -> None:
    host = prepared(REHEARSED)
    host.behaviours |= {service.image: "forgetful" for service in NEW[0].services}
    body = upgrade(NEW, rehearse=True)
    body["operation"] |= {"may_shrink": list(may_shrink)} if may_shrink else {}
    assert run(host, body) == outcome
    if outcome == "undone":
        told = Journal(host, body["id"]).outcome() or {}
        assert told["message"].startswith("in the rehearsal, beacon 2 lost data: state/db: table log had ")


def test_what_was_compared_is_said() -> None:
    host = prepared(REHEARSED)
    assert run(host, REHEARSED.operation) == "done"
    said = [event.get("text") for event in Journal(host, REHEARSED.operation["id"]).events()]
    assert "no rows were lost in 1 table" in said
    assert not host.running, "the sandbox was left"
