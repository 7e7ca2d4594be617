"""Every mistake of every broken inventory is said, with its file and line, and nothing on disk changes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from launchpad.fleet.keeping.store import FolderStore
from launchpad.fleet.words.mistakes import InventoryMistakes
from launchpad.fleet.words.names import HostName, TenantName
from tests.fleet.broken import BROKEN, Broken
from tests.fleet.inventory import digest_of_folder, store, write


def lines_of(error: InventoryMistakes) -> list[str]:
    return [line.strip() for line in error.message.splitlines()[1:]]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name)
def test_says_each_mistake_where_it_is(broken: Broken, tmp_path: Path, measured: Callable[..., None]) -> None:
    root = write(tmp_path, broken.files)
    before = digest_of_folder(root)
    with pytest.raises(InventoryMistakes) as raised:
        store(root).check()
    found = raised.value.mistakes
    assert [(mistake.place.file, mistake.place.line) for mistake in found] == [at[:2] for at in broken.mistakes]
    for mistake, (_, _, named) in zip(found, broken.mistakes, strict=True):
        assert named in mistake.what
    assert raised.value.exit_code == 3
    json.dumps(raised.value.as_dict())
    lines = lines_of(raised.value)
    assert lines == [str(mistake) for mistake in found]
    assert all(line.isprintable() for line in lines)
    measured("broken-inventories", 0)
    assert digest_of_folder(root) == before


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name)
def test_no_edit_touches_a_broken_inventory(broken: Broken, tmp_path: Path) -> None:
    root = write(tmp_path, broken.files)
    before = digest_of_folder(root)
    with pytest.raises(InventoryMistakes):
        store(root).remove_tenant(TenantName("alice"))
    with pytest.raises(InventoryMistakes):
        store(root).remove_host(HostName("web-2"))
    assert digest_of_folder(root) == before


def test_the_nearest_name_is_suggested(tmp_path: Path) -> None:
    files = {file: text for broken in BROKEN if broken.name == "unknown host" for file, text in broken.files.items()}
    with pytest.raises(InventoryMistakes) as raised:
        store(write(tmp_path, files)).check()
    (mistake,) = raised.value.mistakes
    assert "web-2" in mistake.hint


def test_there_are_enough_of_them() -> None:
    assert len({broken.name for broken in BROKEN}) >= 40


def test_many_mistakes_in_many_files_are_said_at_once(tmp_path: Path) -> None:
    names = {"unknown host", "unknown version", "bad fingerprint", "a size in gigabytes"}
    files = {file: text for broken in BROKEN if broken.name in names for file, text in broken.files.items()}
    assert len(files) == 4
    with pytest.raises(InventoryMistakes) as raised:
        store(write(tmp_path, files)).check()
    assert len({mistake.place.file for mistake in raised.value.mistakes}) == 4


def test_the_right_inventory_is_right(tmp_path: Path) -> None:
    fleet = store(write(tmp_path)).load()
    assert sorted(fleet.tenants) == ["alice", "bob"]


def test_a_link_out_of_the_workspace_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside.yaml"
    outside.write_text("slot: 3\n")
    root = write(tmp_path / "workspace")
    (root / "inventory/tenants/eve.yaml").symlink_to(outside)
    with pytest.raises(InventoryMistakes) as raised:
        store(root).check()
    assert lines_of(raised.value) == [
        "inventory/tenants/eve.yaml: a link to a place outside of the workspace; expected a file inside the workspace"
    ]


def test_a_linked_folder_is_not_followed_out_of_the_workspace(tmp_path: Path) -> None:
    write(tmp_path / "other")
    root = tmp_path / "workspace"
    root.mkdir()
    (root / "launchpad.yaml").write_text("")
    (root / "inventory").symlink_to(tmp_path / "other" / "inventory")
    with pytest.raises(InventoryMistakes, match="a link to a place outside of the workspace"):
        FolderStore(root).load()


def test_a_link_within_the_workspace_is_read(tmp_path: Path) -> None:
    root = write(tmp_path, {"inventory/tenants/bob.yaml": None})
    (root / "bob").write_text(
        "slot: 2\napp: echo\nversion: 1.0.0\ntier: light\nhost: web-1\ndomains: [b.example.com]\n"
    )
    (root / "inventory/tenants/bob.yaml").symlink_to(root / "bob")
    assert store(root).load().tenant("bob").slot == 2


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    import os

    root = write(tmp_path)
    os.mkfifo(root / "inventory/tenants/eve.yaml")
    with pytest.raises(InventoryMistakes, match=r"eve\.yaml: not a file"):
        store(root).check()
