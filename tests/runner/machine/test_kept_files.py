"""The watch reads a file once, and again after each change that anybody can make to it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from launchpad.runner.host import Failed
from launchpad.runner.machine.files import DiskFiles
from launchpad.runner.machine.kept_files import LARGEST, MOST_KEPT, KeptFiles

LONGEST_SECONDS = 5.0


class Counted(DiskFiles):
    asked = 0

    def read(self, path: str) -> bytes | None:
        self.asked += 1
        return super().read(path)

    def names(self, path: str) -> list[str]:
        self.asked += 1
        return super().names(path)


class Kept(KeptFiles, Counted):
    below = ("/",)


def settled(host: Kept, ask: Callable[[], object]) -> None:
    """Ask until the answer is kept."""
    end = time.monotonic() + LONGEST_SECONDS
    while True:
        before = host.asked
        ask()
        if host.asked == before:
            return
        assert time.monotonic() < end, "never kept"


def swap(path: Path) -> None:
    """Another file of the same size takes the name, and the times of the first."""
    times = path.stat()
    other = path.with_name("other")
    other.write_bytes(b"b" * path.stat().st_size)
    os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
    other.rename(path)


def rewrite(path: Path) -> None:
    """In place, with the same size."""
    path.write_bytes(b"c" * path.stat().st_size)


def swap_folder(path: Path) -> None:
    path.parent.rename(path.parent.with_name("away"))
    path.parent.mkdir()
    path.write_bytes(b"d")


def link(path: Path) -> None:
    path.unlink()
    path.symlink_to("elsewhere")


CHANGES: list[Callable[[Path], object]] = [
    swap,
    rewrite,
    swap_folder,
    link,
    Path.unlink,
    lambda path: path.open("ab").write(b"more"),
    lambda path: DiskFiles().write(str(path), b"x", uid=os.getuid()),
    lambda path: path.parent.rename(path.parent.with_name("away")),
]


def told(ask: Callable[[], object]) -> object:
    try:
        return ask()
    except Failed as failed:
        return failed.message


@pytest.mark.parametrize("change", CHANGES)
def test_a_kept_file_is_read_again_after_every_change(tmp_path: Path, change: Callable[[Path], object]) -> None:
    host, path = Kept(), tmp_path / "folder/file"
    path.parent.mkdir()
    path.write_bytes(b"a")
    settled(host, lambda: host.read(str(path)))
    assert host.read(str(path)) == b"a"
    change(path)
    assert told(lambda: host.read(str(path))) == told(lambda: DiskFiles().read(str(path)))


@pytest.mark.parametrize("missing", ["file", "folder/file", "folder/below/file"])
def test_what_was_missing_is_seen_when_it_comes(tmp_path: Path, missing: str) -> None:
    host, path = Kept(), tmp_path / missing
    settled(host, lambda: host.read(str(path)))
    assert host.read(str(path)) is None
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"a")
    assert host.read(str(path)) == b"a"


def test_changes_that_follow_one_another_at_once_are_all_seen(tmp_path: Path) -> None:
    host, path = Kept(), tmp_path / "file"
    for number in range(2000):
        path.write_bytes(b"%04d" % number)
        assert host.read(str(path)) == b"%04d" % number


def test_what_changed_just_now_is_not_kept(tmp_path: Path) -> None:
    host, path = Kept(), tmp_path / "file"
    for _ in range(50):  # a machine that stands still meanwhile may make it old
        path.write_bytes(b"a")
        before = host.asked
        host.read(str(path))
        host.read(str(path))
        if host.asked == before + 2:
            return
    raise AssertionError("kept at once: a change within the same tick of the kernel's clock would be missed")


def test_a_kept_folder_is_listed_again_after_every_change(tmp_path: Path) -> None:
    host = Kept()
    settled(host, lambda: host.names(str(tmp_path)))
    (tmp_path / "one").mkdir()
    assert host.names(str(tmp_path)) == ["one"]
    settled(host, lambda: host.names(str(tmp_path)))
    host.names(str(tmp_path)).clear()
    assert host.names(str(tmp_path)) == ["one"], "the kept answer is nobody's to change"
    (tmp_path / "one").rename(tmp_path / "two")
    assert host.names(str(tmp_path)) == ["two"]
    (tmp_path / "two").rmdir()
    assert host.names(str(tmp_path)) == []


def test_only_launchpads_own_folders_are_kept_and_no_large_file(tmp_path: Path) -> None:
    host = Kept()
    (tmp_path / "large").write_bytes(bytes(LARGEST + 1))
    (tmp_path / "small").write_bytes(b"a")
    settled(host, lambda: host.read(str(tmp_path / "small")))
    before = host.asked
    assert host.read(str(tmp_path / "large")) == host.read(str(tmp_path / "large"))
    assert host.asked == before + 2
    own = KeptFiles()
    for path in ("/proc/uptime", str(tmp_path / "large")):
        own.read(path)
    assert own._kept == {}


def test_what_is_kept_has_an_end(tmp_path: Path) -> None:
    host = Kept()
    settled(host, lambda: host.read(str(tmp_path / "0")))
    for number in range(MOST_KEPT + 10):
        host.read(str(tmp_path / str(number)))
    assert len(host._kept) <= MOST_KEPT
