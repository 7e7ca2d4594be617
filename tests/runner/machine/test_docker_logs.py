"""Docker's frames become whole lines."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launchpad.runner.machine.docker_logs import frames, lines
from launchpad.runner.machine.http import BadAnswer, Stream
from launchpad.runner.machine.local_records import LONGEST_LINE

OUT, ERR = 1, 2


def frame(kind: int, data: bytes) -> bytes:
    return bytes([kind, 0, 0, 0]) + len(data).to_bytes(4, "big") + data


def stamped(text: bytes, second: int = 1) -> bytes:
    return f"2026-11-22T10:00:{second:02d}.000000000Z ".encode() + text


def read(pieces: Iterable[tuple[int, bytes]]) -> list[tuple[str, str, bool]]:
    return [(line.at[17:19], line.text, line.cut) for line in lines(iter(pieces))]


def test_a_frame_is_a_line() -> None:
    assert read([(OUT, stamped(b"one\n", 1)), (ERR, stamped(b"two\r\n", 2))]) == [
        ("01", "one", False),
        ("02", "two", False),
    ]


def test_a_line_in_several_frames_has_the_time_of_its_beginning_and_no_time_inside() -> None:
    pieces = [(OUT, stamped(b"one ", 1)), (ERR, stamped(b"other\n", 2)), (OUT, stamped(b"line\n", 3))]
    assert read(pieces) == [("02", "other", False), ("01", "one line", False)]


def test_a_last_line_without_an_end_is_told() -> None:
    assert read([(OUT, stamped(b"no end"))]) == [("01", "no end", False)]


def test_a_line_that_is_too_long_is_cut_and_the_next_is_whole() -> None:
    piece = b"x" * 16384
    pieces = [(OUT, stamped(piece))] * (LONGEST_LINE // len(piece) + 5) + [
        (OUT, stamped(b"\n")),
        (OUT, stamped(b"next\n")),
    ]
    first, second = read(pieces)
    assert (len(first[1]), first[2]) == (LONGEST_LINE, True)
    assert second[1:] == ("next", False)


def test_a_line_of_just_the_longest_length_is_not_cut() -> None:
    assert read([(OUT, stamped(b"x" * (LONGEST_LINE - 1) + b"\n"))])[0][2] is False


def test_bytes_that_are_no_text_are_shown_as_such() -> None:
    assert read([(OUT, stamped(b"\xff\xfe\n"))]) == [("01", "\ufffd\ufffd", False)]


@given(st.lists(st.tuples(st.sampled_from([OUT, ERR]), st.binary(max_size=200)), max_size=20), st.integers(1, 50))
def test_frames_come_out_as_they_went_in_however_they_arrive(sent: list[tuple[int, bytes]], size: int) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        data = b"".join(frame(kind, piece) for kind, piece in sent)

        def send() -> None:  # beside the reader: a socket takes some hundred pieces, however small, and then waits
            for start in range(0, len(data), size):
                theirs.sendall(data[start : start + size])
            theirs.shutdown(socket.SHUT_WR)

        sending = threading.Thread(target=send)
        sending.start()
        assert list(frames(Stream(ours))) == sent
        sending.join()


def test_a_frame_of_an_absurd_size_is_refused_before_it_is_read() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"\1\0\0\0\xff\xff\xff\xff")
        with pytest.raises(BadAnswer):
            list(frames(Stream(ours)))
