"""The files of Docker's `local` driver, written here as Docker writes, rotates and compresses them."""

from __future__ import annotations

import gzip
import json
import os
import struct
from pathlib import Path

import pytest

from launchpad.runner.machine.local_files import opened
from launchpad.runner.machine.local_log import LocalLog
from launchpad.runner.machine.local_records import LONGEST_LINE, nano_of, stamp_of

BEGIN = nano_of("2026-11-22T10:00:00Z")
MUCH = 1 << 24


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def record(nano: int, line: bytes, *, stream: bytes = b"stdout", part: bool = False, last: bool = False) -> bytes:
    message = b"\x0a" + varint(len(stream)) + stream + b"\x10" + varint(nano) + b"\x1a" + varint(len(line)) + line
    if part:
        more = (b"\x08\x01" if last else b"") + b"\x12\x02id" + b"\x18\x01"
        message += b"\x20\x01\x2a" + varint(len(more)) + more
    size = len(message).to_bytes(4, "big")
    return size + message + size


class Docker:
    """Writes a container's log, a line a second from BEGIN on."""

    def __init__(self, folder: Path, files: int = 3) -> None:
        self.folder, self.files, self.written = folder, files, 0
        (folder / "local-logs").mkdir()
        self.path = folder / "local-logs/container.log"
        self.path.touch()

    def write(self, *texts: str, second: int | None = None) -> None:
        for text in texts:
            self.written = self.written + 1 if second is None else second
            self.raw(record(BEGIN + self.written * 10**9, text.encode()))

    def raw(self, data: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(data)

    def rotate(self, *, compress: bool = True) -> None:
        for index in range(self.files - 1, 1, -1):
            if (older := self.rotated(index - 1, ".gz")).exists():
                older.rename(self.rotated(index, ".gz"))
        self.path.rename(self.rotated(1))
        self.path.touch()
        if compress:
            self.compress()

    def compress(self) -> None:
        plain = self.rotated(1)
        last = {"lastTime": stamp_of(BEGIN + self.written * 10**9).replace(".000000000", "")}
        extra, data = json.dumps(last).encode(), gzip.compress(plain.read_bytes())
        head = data[:3] + b"\x04" + data[4:10] + struct.pack("<H", len(extra)) + extra
        self.rotated(1, ".gz").write_bytes(head + data[10:])
        plain.unlink()

    def rotated(self, index: int, suffix: str = "") -> Path:
        return self.path.with_name(f"container.log.{index}{suffix}")


@pytest.fixture
def docker(tmp_path: Path) -> Docker:
    return Docker(tmp_path)


@pytest.fixture
def log(tmp_path: Path) -> LocalLog:
    return LocalLog(str(tmp_path))


def texts(log: LocalLog) -> list[str]:
    return [f"(lost after {line.lost_after[17:19]}) {line.text}" if line.lost_after else line.text
            for line in log.read(MUCH)]  # fmt: skip


def test_lines_come_in_the_order_in_which_they_were_written_and_only_once(docker: Docker, log: LocalLog) -> None:
    docker.write("one", "two")
    assert texts(log) == ["one", "two"]
    assert texts(log) == []
    docker.write("three")
    assert texts(log) == ["three"]
    assert (log.at, log.count) == ("2026-11-22T10:00:03.000000000Z", 1)


def test_a_record_that_is_half_written_is_waited_for(docker: Docker, log: LocalLog) -> None:
    whole = record(BEGIN, b"one")
    docker.raw(whole[:-6])
    assert texts(log) == []
    docker.raw(whole[-6:])
    assert texts(log) == ["one"]


def test_the_parts_of_a_long_line_are_one_line_also_between_other_lines(docker: Docker, log: LocalLog) -> None:
    docker.raw(record(BEGIN, b"one ", part=True))
    docker.raw(record(BEGIN + 1, b"an error", stream=b"stderr"))
    docker.raw(record(BEGIN, b"line", part=True, last=True))
    assert texts(log) == ["an error", "one line"]


def test_a_line_that_is_too_long_is_cut(docker: Docker, log: LocalLog) -> None:
    for last in (False,) * (LONGEST_LINE // 16000 + 1) + (True,):
        docker.raw(record(BEGIN, b"x" * 16000, part=True, last=last))
    docker.write("next")
    first, second = log.read(MUCH)
    assert (len(first.text), first.cut, second.text, second.cut) == (LONGEST_LINE, True, "next", False)


@pytest.mark.parametrize("compress", [True, False])
def test_reading_goes_on_over_rotations(docker: Docker, log: LocalLog, compress: bool) -> None:
    docker.write("one")
    assert texts(log) == ["one"]
    docker.write("two")
    docker.rotate(compress=compress)
    docker.write("three")
    assert texts(log) == ["two", "three"]


def test_a_reader_that_missed_a_rotation_loses_nothing_that_is_still_kept(docker: Docker, log: LocalLog) -> None:
    docker.write("one")
    assert texts(log) == ["one"]
    for text in ("two", "three"):
        docker.rotate()
        docker.write(text)
    assert texts(log) == ["two", "three"]


def test_lines_that_were_rotated_away_before_they_were_read_are_a_gap(docker: Docker, log: LocalLog) -> None:
    docker.write("one")
    assert texts(log) == ["one"]
    for text in ("two", "three", "four", "five"):
        docker.rotate()
        docker.write(text)
    assert texts(log) == ["(lost after 01) three", "four", "five"]


def test_the_last_so_many_lines_are_found_over_files(docker: Docker, log: LocalLog) -> None:
    docker.write("one", "two")
    docker.rotate()
    docker.write("three")
    assert (log.tail(2), texts(log)) == (False, ["two", "three"])
    assert (log.tail(9), texts(log)) == (True, ["one", "two", "three"])
    assert (log.tail(0), texts(log)) == (False, [])
    docker.rotate()
    assert log.tail(0) is False
    docker.write("four")
    assert texts(log) == ["four"]


@pytest.mark.parametrize(("seconds", "found"), [(0, ["one", "two", "three"]), (2, ["two", "three"]), (4, [])])
def test_lines_since_a_time_are_found_over_files(docker: Docker, log: LocalLog, seconds: int, found: list[str]) -> None:
    docker.write("one", "two")
    docker.rotate()
    docker.write("three")
    log.since(BEGIN / 1e9 + seconds)
    assert texts(log) == found


def test_who_comes_back_with_a_mark_goes_on_behind_it_also_when_the_file_was_rotated(tmp_path: Path) -> None:
    docker = Docker(tmp_path)
    docker.write("one", "two", "three", second=7)
    first = LocalLog(str(tmp_path))
    assert first.read(MUCH)[1].count == 2
    docker.rotate()
    docker.write("four")
    again = LocalLog(str(tmp_path))
    again.after("2026-11-22T10:00:07.000000000Z", 2)
    assert texts(again) == ["three", "four"]


def test_who_comes_back_with_a_mark_that_is_gone_is_shown_the_gap_once(docker: Docker, log: LocalLog) -> None:
    docker.write("nine", second=9)
    log.after("2026-11-22T10:00:03.000000000Z", 1)
    assert log.at.endswith("03.000000000Z"), "until a line comes it is where it was"
    assert texts(log) == ["(lost after 03) nine"]
    docker.write("ten")
    assert texts(log) == ["ten"]


def test_a_damaged_record_costs_what_is_behind_it_in_what_was_written_so_far(docker: Docker, log: LocalLog) -> None:
    docker.write("one")
    docker.raw(b"\xff" * 50)
    docker.write("two")
    assert texts(log) == ["one"]
    docker.write("three")
    assert texts(log) == ["(lost after 01) three"]


def test_a_container_that_was_removed_is_read_to_its_end(docker: Docker, log: LocalLog) -> None:
    docker.write("one")
    assert texts(log) == ["one"]
    docker.write("last")
    docker.path.unlink()
    docker.path.parent.rmdir()
    docker.folder.rmdir()
    assert log.is_gone()
    assert texts(log) == ["last"]


def test_a_container_that_never_wrote_has_no_lines(tmp_path: Path) -> None:
    assert texts(LocalLog(str(tmp_path))) == []


def test_a_piece_at_a_time_is_read(docker: Docker, log: LocalLog) -> None:
    for number in range(3000):
        docker.write(f"line {number} " + "x" * 60)
    pieces = []
    while piece := log.read(1 << 16):
        pieces.append(len(piece))
    assert sum(pieces) == 3000
    assert len(pieces) >= 4


def test_what_was_written_since_the_last_look_counts_also_over_rotations(docker: Docker, log: LocalLog) -> None:
    docker.write("one")
    assert log.written() == 0, "the first look knows no earlier one"
    docker.write("two")
    each = len(record(BEGIN, b"two"))
    assert (log.written(), log.written()) == (each, 0)
    docker.write("new")
    docker.rotate()
    docker.write("now")
    assert log.written() == 2 * each
    docker.rotate(compress=False)
    docker.write("yet")
    assert log.written() == each
    assert LocalLog(str(docker.folder / "absent")).written() == 0


def test_a_file_that_stands_beside_its_compressed_form_for_a_moment_is_no_gap(docker: Docker, log: LocalLog) -> None:
    docker.write("one")
    plain = docker.path.read_bytes()
    docker.rotate()
    log.after(log_time(1), 1)
    docker.rotated(1).write_bytes(plain)
    docker.write("two")
    assert texts(log) == ["two"]


def test_a_compressed_file_that_is_half_written_is_not_read(docker: Docker, log: LocalLog) -> None:
    docker.write("one", "two")
    docker.rotate()
    whole = docker.rotated(1, ".gz").read_bytes()
    docker.rotated(1, ".gz").write_bytes(whole[:-12])
    with pytest.raises(FileNotFoundError):
        opened(str(docker.rotated(1, ".gz")))
    os.utime(docker.rotated(1, ".gz"), (1, 1))
    assert opened(str(docker.rotated(1, ".gz")))[1] == 0, "Docker died while it wrote, and never ends it"


def log_time(second: int) -> str:
    return stamp_of(BEGIN + second * 10**9)
