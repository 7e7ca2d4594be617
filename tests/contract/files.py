"""Files."""

from __future__ import annotations

from launchpad.runner.host import Host
from tests.contract.world import World


def contract_an_absent_file_reads_as_none(host: Host, world: World) -> None:
    assert host.read(f"{world.root}/nothing") is None
    assert host.read(f"{world.root}/no/folder/either") is None


def contract_what_was_written_is_read_and_parents_are_made(host: Host, world: World) -> None:
    host.write(f"{world.root}/a/b/file", b"one\0two")
    assert host.read(f"{world.root}/a/b/file") == b"one\0two"
    assert host.names(f"{world.root}/a") == ["b"]


def contract_writing_replaces_the_whole_file(host: Host, world: World) -> None:
    host.write(f"{world.root}/file", b"a long first content")
    host.write(f"{world.root}/file", b"short")
    assert host.read(f"{world.root}/file") == b"short"
    assert host.names(world.root) == ["file"], "something was left beside the file"


def contract_an_empty_file_is_not_an_absent_one(host: Host, world: World) -> None:
    host.write(f"{world.root}/file", b"")
    assert host.read(f"{world.root}/file") == b""


def contract_appending_makes_the_file_and_adds_to_its_end(host: Host, world: World) -> None:
    host.append(f"{world.root}/folder/journal", b"1\n")
    host.append(f"{world.root}/folder/journal", b"2\n")
    assert host.read(f"{world.root}/folder/journal") == b"1\n2\n"


def contract_names_are_sorted_and_an_absent_folder_has_none(host: Host, world: World) -> None:
    assert host.names(f"{world.root}/absent") == []
    for name in ("b", "a", "c"):
        host.write(f"{world.root}/{name}", b"")
    host.folder(f"{world.root}/d")
    host.link(f"{world.root}/e", "a")
    assert host.names(world.root) == ["a", "b", "c", "d", "e"]


def contract_a_new_folder_is_empty_and_making_it_again_keeps_what_is_in_it(host: Host, world: World) -> None:
    host.folder(f"{world.root}/x/y", mode=0o700)
    assert host.names(f"{world.root}/x/y") == []
    host.write(f"{world.root}/x/y/file", b"kept")
    host.folder(f"{world.root}/x/y", mode=0o711)
    assert host.read(f"{world.root}/x/y/file") == b"kept"


def contract_removing_takes_a_folder_with_all_that_is_in_it_and_nothing_else(host: Host, world: World) -> None:
    for name in ("one", "deep/er/two", "deep/three"):
        host.write(f"{world.root}/gone/{name}", b"")
    host.link(f"{world.root}/gone/link", "../stays")
    host.write(f"{world.root}/stays/file", b"here")
    host.write(f"{world.root}/gone-too-similar", b"here")
    host.remove(f"{world.root}/gone")
    assert host.names(world.root) == ["gone-too-similar", "stays"]
    assert host.read(f"{world.root}/stays/file") == b"here"


def contract_removing_what_is_absent_is_fine(host: Host, world: World) -> None:
    host.remove(f"{world.root}/nothing")
    host.remove(f"{world.root}/no/folder/either")


def contract_a_link_points_where_it_was_last_pointed(host: Host, world: World) -> None:
    assert host.target(f"{world.root}/current") is None
    host.link(f"{world.root}/current", "releases/one")
    host.link(f"{world.root}/current", "releases/two")
    assert host.target(f"{world.root}/current") == "releases/two"
    assert host.names(world.root) == ["current"]


def contract_what_is_no_link_has_no_target(host: Host, world: World) -> None:
    host.write(f"{world.root}/file", b"")
    assert host.target(f"{world.root}/file") is None


def contract_removing_a_link_leaves_what_it_points_at(host: Host, world: World) -> None:
    host.write(f"{world.root}/releases/one/file", b"here")
    host.link(f"{world.root}/current", "releases/one")
    host.remove(f"{world.root}/current")
    assert host.target(f"{world.root}/current") is None
    assert host.read(f"{world.root}/releases/one/file") == b"here"


def contract_what_is_set_aside_is_there_until_it_is_removed(host: Host, world: World) -> None:
    path = f"{world.root}/reserve"
    host.set_aside(path, 1 << 20)
    assert len(host.read(path) or b"") == 1 << 20
    host.set_aside(path, 1 << 16)
    assert len(host.read(path) or b"") == 1 << 16
    host.remove(path)
    assert host.names(world.root) == []
