"""Data."""

from __future__ import annotations

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
