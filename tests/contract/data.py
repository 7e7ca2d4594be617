"""Data."""

from __future__ import annotations

from launchpad.runner import paths
from launchpad.runner.host import Host
from tests.contract.world import World, failure


def contract_data_is_there_once_it_was_made(host: Host, world: World) -> None:
    path = f"{world.root}/data"
    assert not host.has_data(path)
    host.make_data(path, volumes=["state", "cache"], disk_mb=32, uid=world.uid)
    assert host.has_data(path)


def contract_making_data_again_is_fine_and_adds_volumes(host: Host, world: World) -> None:
    path = f"{world.root}/data"
    for volumes in (["one"], ["one", "two"], ["two"]):
        host.make_data(path, volumes=volumes, disk_mb=32, uid=world.uid)
    assert host.has_data(path)


def contract_removed_data_is_gone(host: Host, world: World) -> None:
    path = f"{world.root}/data"
    host.make_data(path, volumes=["state"], disk_mb=32, uid=world.uid)
    host.remove(world.root)
    assert not host.has_data(path)
    assert host.names(world.root) == []


def contract_a_folder_that_is_no_data_is_not_taken_for_it(host: Host, world: World) -> None:
    host.folder(f"{world.root}/data")
    assert not host.has_data(f"{world.root}/data")


def contract_what_was_sealed_is_unsealed(host: Host, world: World) -> None:
    path, value = f"{world.root}/secrets/TOKEN@1.cred", "  wörd with spaces\nand a line\n".encode()
    host.seal(path, "alice.TOKEN.1", value)
    assert host.unseal(path, "alice.TOKEN.1") == value
    sealed = host.read(path)
    assert sealed is not None and value not in sealed, "the value lies in the open"


def contract_what_was_sealed_under_another_name_stays_sealed(host: Host, world: World) -> None:
    path = f"{world.root}/secrets/TOKEN@1.cred"
    host.seal(path, "alice.TOKEN.1", b"hers")
    assert "hers" not in failure(lambda: host.unseal(path, "mallory.TOKEN.1"))


def contract_a_secret_that_is_not_there_is_a_failure(host: Host, world: World) -> None:
    failure(lambda: host.unseal(f"{world.root}/secrets/TOKEN@1.cred", "alice.TOKEN.1"))


# --- generations


def some_data(host: Host, world: World, content: bytes = b"before") -> tuple[str, str]:
    """Data with a file in it; its path, and one for a snapshot."""
    data = f"{world.root}/data"
    host.make_data(data, volumes=["state"], disk_mb=32, uid=world.uid)
    host.write(f"{data}/state/file", content)
    return data, f"{world.root}/generations/one"


def contract_a_snapshot_keeps_what_the_data_was(host: Host, world: World) -> None:
    data, kept = some_data(host, world)
    host.snapshot(data, kept)
    host.write(f"{data}/state/file", b"after")
    host.write(f"{data}/state/new", b"after")
    assert host.has_data(kept)
    assert host.read(f"{kept}/state/file") == b"before"
    assert host.read(f"{kept}/state/new") is None


def contract_a_snapshot_that_is_there_is_not_taken_again(host: Host, world: World) -> None:
    data, kept = some_data(host, world)
    host.snapshot(data, kept)
    host.write(f"{data}/state/file", b"after")
    host.snapshot(data, kept)
    assert host.read(f"{kept}/state/file") == b"before"
    assert host.names(f"{world.root}/generations") == ["one"]


def contract_nothing_is_written_into_a_snapshot(host: Host, world: World) -> None:
    data, kept = some_data(host, world)
    host.snapshot(data, kept)
    failure(lambda: host.write(f"{kept}/state/file", b"changed"))
    failure(lambda: host.write(f"{kept}/state/new", b"changed"))
    assert host.read(f"{kept}/state/file") == b"before"


def contract_there_is_no_snapshot_of_no_data(host: Host, world: World) -> None:
    failure(lambda: host.snapshot(f"{world.root}/data", f"{world.root}/generations/one"))
    assert not host.has_data(f"{world.root}/generations/one")


def contract_a_removed_snapshot_is_gone_and_the_data_is_not(host: Host, world: World) -> None:
    data, kept = some_data(host, world)
    host.snapshot(data, kept)
    host.remove(kept)
    host.remove(kept)
    assert not host.has_data(kept)
    assert host.read(f"{data}/state/file") == b"before"


def contract_restored_data_is_just_what_the_snapshot_has(host: Host, world: World) -> None:
    data, kept = some_data(host, world)
    host.snapshot(data, kept)
    for _ in range(2):
        host.write(f"{data}/state/file", b"after")
        host.write(f"{data}/state/new", b"after")
        host.restore(kept, data, disk_mb=32)
        assert host.read(f"{data}/state/file") == b"before"
        assert host.read(f"{data}/state/new") is None
    assert host.names(world.root) == ["data", "generations"], "something was left beside the data"


def contract_restored_data_is_written_and_the_snapshot_stays_as_it_is(host: Host, world: World) -> None:
    data, kept = some_data(host, world)
    host.snapshot(data, kept)
    host.restore(kept, data, disk_mb=32)
    host.write(f"{data}/state/file", b"after")
    assert host.read(f"{data}/state/file") == b"after"
    assert host.read(f"{kept}/state/file") == b"before"


def contract_data_that_is_gone_is_restored(host: Host, world: World) -> None:
    data, kept = some_data(host, world)
    host.snapshot(data, kept)
    host.remove(data)
    host.restore(kept, data, disk_mb=32)
    assert host.has_data(data)
    assert host.read(f"{data}/state/file") == b"before"


def contract_data_stays_when_there_is_nothing_to_restore_from(host: Host, world: World) -> None:
    data, kept = some_data(host, world)
    failure(lambda: host.restore(kept, data, disk_mb=32))
    assert host.read(f"{data}/state/file") == b"before"


def contract_a_clone_is_written_and_touches_neither_snapshot_nor_data(host: Host, world: World) -> None:
    data, kept = some_data(host, world)
    clone = f"{world.root}/clone"
    host.snapshot(data, kept)
    host.clone(kept, clone, disk_mb=32)
    host.write(f"{clone}/state/file", b"cloned")
    host.clone(kept, clone, disk_mb=32)
    assert host.read(f"{clone}/state/file") == b"cloned", "a clone that was there was made anew"
    assert host.read(f"{data}/state/file") == host.read(f"{kept}/state/file") == b"before"
    host.remove(clone)
    assert host.names(world.root) == ["data", "generations"]


def contract_there_is_no_clone_of_no_snapshot(host: Host, world: World) -> None:
    failure(lambda: host.clone(f"{world.root}/generations/one", f"{world.root}/clone", disk_mb=32))
    assert not host.has_data(f"{world.root}/clone")


def contract_a_disk_has_room(host: Host, world: World) -> None:
    assert host.room("/") > 0


def contract_room_that_was_freed_is_waited_for(host: Host, world: World) -> None:
    data, kept = some_data(host, world)
    host.snapshot(data, kept)
    host.remove(kept)
    host.reclaim(paths.ROOT, seconds=30)
    assert host.has_data(data)


# --- quotas


def contract_what_is_written_counts_while_a_snapshot_has_it(host: Host, world: World) -> None:
    data, kept = some_data(host, world, bytes(2 << 20))
    before = host.usage(data)
    assert before >= 2 << 20
    host.snapshot(data, kept)
    host.write(f"{data}/state/other", bytes(1 << 20))
    assert host.usage(data) >= before + (1 << 20)


def contract_a_quota_is_set_on_data_that_is_there_alone(host: Host, world: World) -> None:
    data, _ = some_data(host, world)
    host.set_quota(data, 64)
    host.set_quota(data, 16)
    failure(lambda: host.set_quota(f"{world.root}/none", 64))
    failure(lambda: host.usage(f"{world.root}/none"))
