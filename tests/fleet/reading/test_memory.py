"""What a snapshot remembers of files, and when it reads one again."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from launchpad.fleet.reading.inventory_files import FileMemory, SeenFile, Snapshot
from tests.fleet.inventory import write

FILE = "inventory/tenants/bob.yaml"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(tmp_path)


def remembering(root: Path, *, settled: bool = True) -> FileMemory:
    """A memory that has another content for the file than the disk, so that a test sees which of the two is used."""
    memory = FileMemory()
    Snapshot.take(root, memory)
    file = replace(memory.files[FILE], content=b"remembered", settled=settled)
    memory.files = {**memory.files, FILE: file}
    return memory


def test_a_file_that_did_not_change_is_not_read_again(root: Path) -> None:
    memory = remembering(root)
    assert Snapshot.take(root, memory).files[FILE] == b"remembered"
    assert Snapshot.take(root, memory).files[FILE] == b"remembered"
    assert Snapshot.take(root).files[FILE] == (root / FILE).read_bytes()


def test_a_file_that_had_just_changed_when_it_was_read_is_read_again(root: Path) -> None:
    assert Snapshot.take(root, remembering(root, settled=False)).files[FILE] == (root / FILE).read_bytes()
    memory = FileMemory()
    Snapshot.take(root, memory)
    assert not memory.files[FILE].settled, "a test wrote the file just now"


def test_a_file_with_other_facts_is_read_again(root: Path) -> None:
    facts = (root / FILE).stat()
    times = (facts.st_mtime_ns, facts.st_ctime_ns)
    known = SeenFile(b"", facts.st_ino, facts.st_size, times, settled=True)
    assert known.still(facts)
    for other in (
        replace(known, inode=facts.st_ino + 1),
        replace(known, size=facts.st_size + 1),
        replace(known, times=(times[0] - 1, times[1])),
        replace(known, times=(times[0], times[1] - 1)),
        replace(known, settled=False),
    ):
        assert not other.still(facts)


def test_a_file_with_the_same_size_and_the_same_mtime_is_read_again(root: Path) -> None:
    memory, file = remembering(root), root / FILE
    before, text = file.stat(), file.read_bytes()
    file.write_bytes(text.swapcase())
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert Snapshot.take(root, memory).files[FILE] == text.swapcase()


def test_a_file_that_is_gone_is_forgotten(root: Path) -> None:
    memory = remembering(root)
    (root / FILE).unlink()
    assert FILE not in Snapshot.take(root, memory).files
    assert FILE not in memory.files
