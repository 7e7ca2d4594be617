"""What a host has already and what comes to it are together what would have come whole."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from launchpad.archives.differing import GONE, difference
from launchpad.runner.carrying import packing, unpacking
from tests.archives.packing import member, of, pack

BEFORE = {"state/a": b"a", "state/old/x": b"x", "state/old/y": b"y", "state/kind": b"a file", "state/same": b"same"}
AFTER = {"state/a": b"other", "state/kind/z": b"a folder now", "state/same": b"same", "state/new/b": b"b"}


def made(path: Path, files: dict[str, bytes]) -> Path:
    folders = {"/".join(name.split("/")[:count]) for name in files for count in range(1, name.count("/") + 1)}
    entries = [member(name, type=tarfile.DIRTYPE, mode=0o700) for name in sorted(folders)]
    return pack(path, [*entries, *of(files)], "w")


def unpacked(folder: Path, *tars: Path) -> dict[str, bytes]:
    (folder / "state").mkdir(parents=True)
    for tar in tars:
        with tar.open("rb") as stream:
            unpacking.unpack({"root": str(folder), "volumes": ["state"]}, stream)
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_first_and_the_difference_are_the_second(tmp_path: Path) -> None:
    before, after = made(tmp_path / "before.tar", BEFORE), made(tmp_path / "after.tar", AFTER)
    out = io.BytesIO()
    assert difference(before, after, out=out) == 3
    assert b"same" not in out.getvalue().replace(b"state/same", b"")
    (tmp_path / "difference.tar").write_bytes(out.getvalue())
    assert unpacked(tmp_path / "there", before, tmp_path / "difference.tar") == AFTER
    assert unpacked(tmp_path / "whole", after) == AFTER


def test_nothing_that_differs_is_nothing_to_send(tmp_path: Path) -> None:
    path = made(tmp_path / "a.tar", BEFORE)
    out = io.BytesIO()
    assert difference(path, path, out=out) == 0


def test_both_sides_call_what_is_gone_by_one_name() -> None:
    assert GONE == packing.GONE
