"""A prune on the in-memory host: what nothing needs goes, what anything needs stays, wherever it is killed."""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest

from launchpad.runner import engine, generation_records, paths, rehearsal, slots
from launchpad.runner.families import kinds_of
from launchpad.runner.host import Failed
from launchpad.runner.journal import Journal, open_journals
from launchpad.runner.plan import read_record
from launchpad.runner.protocol import Refused, canonical, record_as_json
from launchpad.runner.pruning import needed
from launchpad.runner.pruning.plan import planned_prune
from launchpad.runner.pruning.steps import PruneStep, RemoveImage
from launchpad.runner.step import step_name
from launchpad.runner.verbs.plan import plan
from launchpad.runner.verbs.submit import submit
from tests.memory.effects import MODES, Killed, Moment, moments, turn
from tests.memory.host import MemoryHost
from tests.memory.living import CALLER, a_host, rollback, run, serving, simple, upgrade, version
from tests.memory.releases import deploy_body, image, release
from tests.runner.test_generation_records import generation

IDENTIFIER = "operation-prune"
PRUNE = {"id": IDENTIFIER, "operation": {"kind": "prune"}, "follow": False}
SOMEBODYS = "registry.example.com/theirs@sha256:" + "f" * 64
CADDYS = "registry.example.com/caddy@sha256:" + "c" * 64
VERSIONS = range(1, 9)


def images_of(number: int) -> set[str]:
    return {service.image for service in version(number)[0].services}


@pytest.fixture(autouse=True)
def few_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host with a thousand operations would only be slower."""
    monkeypatch.setattr(needed, "KEPT_OPERATIONS", 3)


@cache
def _lived_in() -> bytes:
    """Alice after seven upgrades, and all that may lie about: what killed processes left, what somebody else put."""
    host = a_host(*VERSIONS)
    for number in VERSIONS[1:]:
        assert run(host, upgrade(f"operation-to-{number:04}", version(number)))["outcome"] == "done"
    run(host, simple("operation-manual", "snapshot"))
    host.stored |= {SOMEBODYS, CADDYS}
    host.anonymous["loose"] = "a-container-that-went"
    host.write(f"{paths.CADDY}/compose.yaml", f"image: {CADDYS}".encode())
    for number in range(3):  # beyond policy, as an operation leaves it that could not prune
        stray = generation(f"stray-{number}", at=number + 1.0)
        generation_records.take(host, stray)
        host.write(paths.generation_record("alice", stray.id), canonical(record_as_json(stray)))  # it was long ago
    host.snapshot(paths.data("alice"), paths.generation("alice", "torn"))
    host.clone(paths.generation("alice", "stray-0"), paths.clone("alice"), disk_mb=64)
    subnet = slots.clone_subnet(7)
    bridge = slots.clone_bridge(7)
    host.make_network(rehearsal.project("alice"), bridge=bridge, subnet=subnet, gateway=subnet[1], internal=True)
    host.write(f"{paths.frozen('alice')}/state/file", b"sent long ago")
    host.folder(paths.release("alice", "0" * 12))
    host.clock += needed.KEPT_DAYS * 86400 + 60
    for number in range(needed.KEPT_OPERATIONS):
        outcome = b'{"outcome": "done", "message": "", "lines": [], "seconds": 1, "at": %d}' % (host.clock - number)
        host.write(f"{paths.operation(f'operation-{number:05}')}/outcome.json", outcome)
    host.calls.clear()
    return pickle.dumps(host)


@pytest.fixture
def host() -> MemoryHost:
    found: MemoryHost = pickle.loads(_lived_in())
    return found


def prune(host: MemoryHost, body: Mapping[str, Any] = PRUNE) -> dict[str, Any]:
    return run(host, body)


def judge(host: MemoryHost) -> None:
    """Nothing is left that nobody needs, and all is there that somebody does."""
    assert planned_prune(host) == []
    assert {SOMEBODYS, CADDYS} <= host.stored
    kept = [item for item in generation_records.kept(host, "alice") if item.why == "upgrade"]
    assert [item.id for item in kept] == [f"operation-to-{number:04}" for number in (8, 7, 6, 5, 4)]
    assert generation_records.kept(host, "alice")[0].id == "operation-manual"
    for number in (3, 4, 5, 6, 7, 8):
        assert images_of(number) <= host.stored
        assert version(number)[0].short in host.names(paths.releases("alice"))
    for number in (1, 2):
        assert not images_of(number) & host.stored
    own = {
        paths.data("alice"),
        *(paths.generation("alice", item.id) for item in generation_records.kept(host, "alice")),
    }
    assert set(host.volumes) == own
    assert not [name for name in host.networks if "clone" in name]
    assert not host.names(paths.frozen("alice"))
    known = set(host.names(paths.OPERATIONS))
    assert not known & {"operation-first", *(f"operation-to-{number:04}" for number in VERSIONS)}
    assert known >= {f"operation-{number:05}" for number in range(needed.KEPT_OPERATIONS)}
    assert not list(open_journals(host)) and not host.locks
    assert serving(host) == version(8)[0].short


def test_what_nothing_needs_goes_and_the_rest_stays(host: MemoryHost) -> None:
    assert prune(host)["outcome"] == "done"
    judge(host)


@pytest.mark.parametrize("number", [3, 4, 5, 6, 7])
def test_a_rollback_finds_all_that_it_needs(host: MemoryHost, number: int) -> None:
    prune(host)
    host.registry.clear()
    assert run(host, rollback("operation-back", version(number)[0].short))["outcome"] == "done"
    assert serving(host) == version(number)[0].short


def test_there_is_nothing_to_do_a_second_time(host: MemoryHost) -> None:
    prune(host)
    assert prune(host, PRUNE | {"id": "operation-prune-2"})["outcome"] == "unchanged"


def test_a_plan_shows_the_same_and_changes_nothing(host: MemoryHost) -> None:
    (answer,) = plan(host, {"operation": {"kind": "prune"}}, CALLER)
    assert host.calls == []
    told = [step["title"] for step in answer["body"]["steps"]]
    assert "clean up after alice: 4 generations, 1 release, 2 rests" in told
    assert f"remove image beacon {image('beacon:1-web').partition('@sha256:')[2][:12]} (50 MiB)" in told
    assert set(answer["body"]["free"]) == {paths.ROOT, paths.DOCKER}
    prune(host)
    assert [step.title for step in Journal(host, IDENTIFIER).plan()[1:]] == told[1:]


def test_what_an_operation_left_that_died_before_it_existed_goes_a_day_later(host: MemoryHost) -> None:
    """At every moment of its acceptance; what is accepted just now stays."""
    prune(host)
    body = simple("operation-dead", "snapshot")
    accepted: MemoryHost = pickle.loads(pickle.dumps(host))
    dying = [item for item in moments(accepted, lambda: list(submit(accepted, body, CALLER))) if item.left]
    for moment in dying:
        dead = moment.host()
        if Journal(dead, "operation-dead").asked() is not None:
            continue
        assert needed.old_operations(dead) == [], str(moment)
        dead.clock += needed.DEAD_SECONDS + 1
        assert prune(dead, PRUNE | {"id": "operation-prune-2"})["outcome"] in ("done", "unchanged")
        there = {*dead.names(paths.OPERATIONS), *dead.names(paths.OPEN)}
        assert "operation-dead" not in there, str(moment)


@pytest.mark.parametrize("name", ["tenant.json", "PULLED", "plan.json"])
def test_a_damaged_file_of_one_keeps_no_prune_from_the_others(host: MemoryHost, name: str) -> None:
    """alice is damaged: nothing of hers is judged, and her images stay. What nobody needs beside her goes."""
    plan_of = f"{paths.operation('operation-to-0008')}/plan.json"
    host.write({"tenant.json": paths.record("alice"), "PULLED": paths.PULLED, "plan.json": plan_of}[name], b"{torn")
    assert prune(host)["outcome"] == "done"
    assert "loose" not in host.anonymous
    if name == "tenant.json":
        assert all(images_of(number) <= host.stored for number in range(3, 9))
        assert paths.generation("alice", "torn") in host.volumes


def test_nobody_is_held_while_the_disk_is_waited_for(host: MemoryHost) -> None:
    """Btrfs may take half a minute to free the room of what was removed."""
    waits: list[set[str]] = []
    host.reclaim = lambda path, *, seconds: waits.append(set(host.locks))  # type: ignore[method-assign]
    try:
        prune(host)
    finally:
        del host.reclaim
    assert len(waits) == 1, "once a prune"
    assert not {name for name in waits[0] if "alice" in name}, waits
    settled = host.volumes[paths.data("alice")]["disk_mb"]
    generation_records.allow(host, "alice", disk_mb=(read_record(host, "alice") or {})["disk_mb"])
    assert host.volumes[paths.data("alice")]["disk_mb"] == settled, "its quota still counts what went"


def test_a_tenant_that_is_busy_by_then_sees_to_its_own_quota(host: MemoryHost) -> None:
    def meanwhile(path: str, *, seconds: float) -> None:
        host.locks["tenant-alice"] = {"operation": "another"}

    host.reclaim = meanwhile  # type: ignore[method-assign]
    try:
        assert prune(host)["outcome"] == "done"
    finally:
        del host.reclaim


def test_anonymous_volumes_that_no_container_has_go(host: MemoryHost) -> None:
    live = next(iter(host.boxes))
    host.anonymous |= {"old-one": "gone-web-1", "in-use": live}
    prune(host)
    assert host.anonymous == {"in-use": live}


@cache
def _moments() -> list[Moment]:
    """Every moment at which the process may die."""
    host: MemoryHost = pickle.loads(_lived_in())
    found = moments(host, lambda: prune(host))
    assert len(found) == len(MODES) * len(host.calls)
    return found


@pytest.mark.parametrize("mode", MODES)
def test_killed_at_every_call(mode: str) -> None:
    for moment in _moments():
        if moment.mode == mode and not moment.known:
            host = moment.host()
            for journal in list(open_journals(host)):
                engine.carry_out(host, journal.identifier)
            prune(host, PRUNE | {"id": "operation-prune-2"})
            judge(host)


@pytest.mark.parametrize("fault", ["docker_down", "disk_full"])
def test_a_fault_from_any_call_on(fault: str) -> None:
    whole: MemoryHost = pickle.loads(_lived_in())
    prune(whole)
    for call in turn(range(1, len(whole.calls) + 1), 0 if fault == "disk_full" else 2, 4):
        host: MemoryHost = pickle.loads(_lived_in())
        host.kill_at = call
        with pytest.raises(Killed):
            prune(host)
        host.died()
        setattr(host, fault, True)
        for journal in list(open_journals(host)):
            with contextlib.suppress(engine.NotSettled, Failed):
                engine.carry_out(host, journal.identifier)
            host.died()
        host.mend()
        prune(host, PRUNE | {"id": "operation-prune-2"})
        judge(host)


def test_every_kind_of_step_is_met(host: MemoryHost) -> None:
    assert {step_name(type(step)) for step in planned_prune(host)} - {"commit"} == set(kinds_of(PruneStep))


# --- what others are doing meanwhile


def test_a_tenant_with_an_open_operation_is_left_out(host: MemoryHost) -> None:
    body = upgrade("operation-open", version(8)) | {"operation": simple("x", "restart")["operation"]}
    list(submit(host, body, CALLER))
    assert not [step for step in planned_prune(host) if step_name(type(step)) == "clear-up"]


def test_an_operation_that_began_since_the_plan_keeps_what_it_needs(host: MemoryHost) -> None:
    list(submit(host, PRUNE, CALLER))
    again = deploy_body("operation-again", release("carol", slot=9, app="beacon:1", domains=("carol.example.com",)))
    list(submit(host, again, CALLER))
    engine.carry_out(host, IDENTIFIER)
    assert images_of(1) <= host.stored, "an image that an open operation names was removed"
    assert not images_of(2) & host.stored


def test_a_tenant_that_is_held_is_left_for_the_next(host: MemoryHost) -> None:
    list(submit(host, PRUNE, CALLER))
    with host.lock("backup-alice", {"operation": "another"}):
        engine.carry_out(host, IDENTIFIER)
    assert host.has_data(paths.clone("alice"))
    assert any("busy" in item.get("text", "") for item in Journal(host, IDENTIFIER).events())


def test_an_image_that_went_is_fetched_again_by_whoever_starts_it(host: MemoryHost) -> None:
    host.stored -= images_of(8)
    assert run(host, simple("operation-restart", "restart"))["outcome"] == "done"
    assert images_of(8) <= host.stored


def test_an_image_that_was_there_before_it_was_deployed_is_nobodys_to_remove() -> None:
    host = a_host(1)
    host.registry |= images_of(2)
    host.stored |= images_of(2)
    run(host, upgrade("operation-to-0002", version(2)))
    run(host, simple("operation-retire", "retire"))
    assert prune(host)["outcome"] == "done"
    assert images_of(2) <= host.stored and not images_of(1) & host.stored


def test_a_retired_tenants_images_go_and_its_data_stays() -> None:
    host = a_host(1)
    run(host, simple("operation-retire", "retire"))
    assert [type(step) for step in planned_prune(host)[1:]] == [RemoveImage, RemoveImage]
    prune(host)
    assert host.has_data(paths.data("alice"))
    assert not images_of(1) & host.stored


def test_an_image_stays_known_as_pulled_when_its_operation_is_forgotten() -> None:
    host = a_host(1)
    host.clock += needed.KEPT_DAYS * 86400 + 60
    outcome = b'{"outcome": "done", "message": "", "lines": [], "seconds": 1, "at": %d}' % host.clock
    for number in range(needed.KEPT_OPERATIONS):
        host.write(f"{paths.operation(f'operation-{number:05}')}/outcome.json", outcome)
    prune(host)
    assert "operation-first" not in host.names(paths.OPERATIONS)
    run(host, simple("operation-retire", "retire"))
    prune(host, PRUNE | {"id": "operation-prune-2"})
    assert not images_of(1) & host.stored


def test_what_is_younger_than_the_bound_is_not_forgotten(host: MemoryHost) -> None:
    host.clock -= needed.KEPT_DAYS * 86400
    assert needed.old_operations(host) == []


def test_a_request_says_nothing_of_what_is_to_go(host: MemoryHost) -> None:
    with pytest.raises(Refused, match="unknown key"):
        prune(host, PRUNE | {"operation": {"kind": "prune", "images": [SOMEBODYS]}})
