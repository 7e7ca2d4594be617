"""Generations as they lie on the host: whole or not taken, and which of them nobody needs any more."""

from __future__ import annotations

from launchpad.runner import generation_records, paths
from launchpad.runner.generation_records import MOST_KEPT, Generation
from tests.memory.host import MemoryHost
from tests.memory.living import STATE, a_host, log, run, upgrade, version


def generation(identifier: str, *, why: str = "upgrade", at: float = 1.0, release: str = "r1") -> Generation:
    return Generation(
        id=identifier, tenant="alice", release=release, version="1", app="beacon", at=at, why=why, operation="op",
        disk_mb=64,
    )  # fmt: skip


def test_one_that_was_left_half_taken_is_taken_anew() -> None:
    host = a_host(1)
    host.snapshot(paths.data("alice"), paths.generation("alice", "one"))
    host.wait(5)
    assert generation_records.incomplete(host, "alice") == ["one"]
    assert generation_records.kept(host, "alice") == []
    generation_records.take(host, generation("one"))
    assert generation_records.incomplete(host, "alice") == []
    assert log(host, f"{paths.generation('alice', 'one')}/state") == log(host, STATE)


def test_one_that_was_taken_stays_as_it_is() -> None:
    host = a_host(1)
    generation_records.take(host, generation("one"))
    then = log(host)
    host.wait(5)
    generation_records.take(host, generation("one", at=9))
    assert log(host, f"{paths.generation('alice', 'one')}/state") == then != log(host)
    assert [item.at for item in generation_records.kept(host, "alice")] == [1.0]


def test_what_was_taken_last_is_the_newest_whatever_the_clock_says() -> None:
    host = a_host(1)
    for name, at in (("one", 5.0), ("two", 9.0), ("three", 1.0)):
        generation_records.take(host, generation(name, at=at))
    assert [item.id for item in generation_records.kept(host, "alice")] == ["three", "two", "one"]


def test_a_damaged_record_counts_as_none_and_hides_no_other() -> None:
    host = a_host(1)
    for name in ("one", "two", "three"):
        generation_records.take(host, generation(name))
    host.files[paths.generation_record("alice", "one")].data = b"{torn"
    host.files[paths.generation_record("alice", "two")].data = b'{"id": "two", "more": 1}'
    assert [item.id for item in generation_records.kept(host, "alice")] == ["three"]


def test_a_dropped_one_is_gone_and_half_of_that_counts_as_nothing() -> None:
    host = a_host(1)
    generation_records.take(host, generation("one"))
    host.remove(paths.generation_record("alice", "one"))
    assert generation_records.kept(host, "alice") == []
    generation_records.drop(host, "alice", "one")
    assert host.names(paths.generations("alice")) == []


def test_the_reserve_is_given_up_for_a_record_on_a_full_disk() -> None:
    host = a_host(1)
    host.write(paths.RESERVE, bytes(4096))
    host.disk_full = True
    generation_records.take(host, generation("one"))
    assert [item.id for item in generation_records.kept(host, "alice")] == ["one"]
    assert host.read(paths.RESERVE) is None


def test_the_oldest_of_operations_are_superseded_and_nothing_else() -> None:
    manual = generation("manual", why="manual")
    backup = generation("backup", why="backup")
    taken = [generation(f"g{number}", why=why) for number, why in enumerate(["upgrade", "soak", "rollback"] * 3)]
    assert generation_records.superseded([manual, *taken, backup]) == tuple(item.id for item in taken[MOST_KEPT:])
    assert "g8" not in generation_records.superseded([*taken], needed={"g8"})


def test_the_newest_one_that_a_release_left_is_what_a_rollback_takes() -> None:
    found = [
        generation("soak", why="soak"),
        generation("manual", why="manual"),
        generation("other", release="r2"),
        generation("newer", why="rollback"),
        generation("older"),
    ]
    left = generation_records.left(found, "r1")
    assert left is not None and left.id == "newer"
    assert generation_records.left(found, "r3") is None


def test_a_tenant_without_any_has_none() -> None:
    assert generation_records.kept(MemoryHost(), "alice") == []


MEGABYTE = 1 << 20


def quota(host: MemoryHost) -> int:
    return int(host.volumes[paths.data("alice")]["disk_mb"])


def test_what_generations_hold_does_not_count_towards_the_tenants_own_disk() -> None:
    host = a_host(1)
    host.charged[paths.data("alice")] = 60 * MEGABYTE
    generation_records.allow(host, "alice", disk_mb=64)
    assert quota(host) == 64, "nothing is held yet"
    generation_records.take(host, generation("one"))
    generation_records.allow(host, "alice", disk_mb=64)
    assert quota(host) == 64 + 61, "all of it may be overwritten while the generation has it"
    host.charged[paths.data("alice")] = 120 * MEGABYTE
    generation_records.take(host, generation("two"))
    generation_records.allow(host, "alice", disk_mb=64)
    assert quota(host) == 64 + 121, "and again"
    generation_records.drop(host, "alice", "one")
    generation_records.drop(host, "alice", "two")
    host.charged[paths.data("alice")] = 60 * MEGABYTE
    generation_records.allow(host, "alice", disk_mb=64)
    assert quota(host) == 64


def test_a_tenant_gains_at_most_its_own_disk_for_each_generation() -> None:
    host = a_host(1)
    generation_records.take(host, generation("one"))
    host.charged[paths.data("alice")] = 1000 * MEGABYTE
    generation_records.allow(host, "alice", disk_mb=64)
    assert quota(host) == 128


def test_no_more_is_allowed_than_the_host_has_room_for() -> None:
    host = a_host(1)
    host.charged[paths.data("alice")] = 60 * MEGABYTE
    generation_records.take(host, generation("one"))
    host.free = generation_records.LEAST_ROOM + 10 * MEGABYTE
    generation_records.allow(host, "alice", disk_mb=64)
    assert quota(host) == 74
    host.free = 0
    host.charged[paths.data("alice")] = 80 * MEGABYTE
    generation_records.allow(host, "alice", disk_mb=64)
    assert quota(host) == 64 + 17, "what is there already stays"


def test_an_upgrade_leaves_a_quota_with_what_its_generation_holds() -> None:
    host = a_host(1, 2)
    host.charged[paths.data("alice")] = 50 * MEGABYTE
    run(host, upgrade("operation-000001", version(2)))
    assert quota(host) == 64 + 51
