"""What is read of a tenant is bounded by its disk, whatever its files pretend to be."""

from __future__ import annotations

import base64
import os
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from launchpad.runner.carrying import packing, unpacking

MIB = 1 << 20
DISK = 4 * MIB


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "generation/state").mkdir(parents=True)
    (tmp_path / "generation/state/notes").write_bytes(b"x" * MIB)
    return tmp_path / "generation"


def hole(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.truncate(size)


def pack(root: Path) -> tuple[bytes, dict[str, Any]]:
    said: list[dict[str, Any]] = []
    task = {"root": str(root), "recipients": [], "most": DISK}
    told = packing.pack(task, said.append)
    return b"".join(base64.b64decode(item["data"]) for item in said), told


def test_a_file_of_holes_ends_it_by_its_name_before_anything_is_read(root: Path) -> None:
    hole(root / "state/huge.img", 1 << 40)
    with pytest.raises(packing.TooLarge, match=r"state/huge.img has 1 TiB, of which 0 KiB are on disk, .* 4 MiB"):
        pack(root)


def test_many_files_with_holes_end_it(root: Path) -> None:
    for number in range(9):
        hole(root / f"state/{number}.img", 2 * MIB)
    with pytest.raises(packing.TooLarge, match=r"the files have 19 MiB together, .* largest is state/8.img with 2 MiB"):
        pack(root)


def test_many_names_of_one_file_end_it(root: Path) -> None:
    for number in range(16):
        os.link(root / "state/notes", root / f"state/notes-{number}")
    with pytest.raises(packing.TooLarge, match="the files have 17 MiB together"):
        pack(root)


def test_a_file_that_takes_its_room_is_read_also_where_the_disk_became_smaller(root: Path) -> None:
    (root / "state/large").write_bytes(os.urandom(5 * MIB))
    assert pack(root)[1]["files"] == 2


def test_holes_stay_holes_where_they_arrive(root: Path, tmp_path: Path) -> None:
    with (root / "state/sparse").open("wb") as file:
        file.write(b"first")
        file.truncate(3 * MIB)
        file.seek(2 * MIB)
        file.write(b"last")
    tar, told = pack(root)
    (tmp_path / "new/state").mkdir(parents=True)
    task = {"root": str(tmp_path / "new"), "volumes": ["state"], "digest": told["digest"]}
    unpacking.unpack(task, BytesIO(tar))
    arrived = tmp_path / "new/state/sparse"
    assert arrived.read_bytes() == (root / "state/sparse").read_bytes()
    assert arrived.stat().st_blocks * 512 < 2 * MIB
