"""The small HTTP client: whole answers, streams that pause, and nothing that holds the runner up."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from launchpad.runner.machine.http import Answer, BadAnswer, Stream, ask_unix, quote, request, status_of


@pytest.fixture
def pair() -> Iterator[tuple[Stream, socket.socket]]:
    """Our end as a stream, and the other side's socket."""
    ours, theirs = socket.socketpair()
    ours.settimeout(5)
    with ours, theirs:
        yield Stream(ours), theirs


def test_an_answer_has_its_status_headers_and_body(pair: tuple[Stream, socket.socket]) -> None:
    stream, other = pair
    other.sendall(b"HTTP/1.0 404 Not Found\r\nServer: Docker/26.1.5 (linux)\r\nContent-Length: 4\r\n\r\nbody")
    other.shutdown(socket.SHUT_WR)
    answer = Answer(stream)
    assert (answer.status, answer.headers["server"], answer.body()) == (404, "Docker/26.1.5 (linux)", b"body")


def test_a_body_that_is_shorter_than_announced_is_not_taken_for_whole(pair: tuple[Stream, socket.socket]) -> None:
    stream, other = pair
    other.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    other.shutdown(socket.SHUT_WR)
    with pytest.raises(BadAnswer):
        Answer(stream).body()


@pytest.mark.parametrize("said", [b"", b"SSH-2.0-OpenSSH_10.0\r\n", b"HTTP/1.1\r\n", b"HTTP/1.1 OK\r\n", b"\0" * 300])
def test_what_is_no_http_is_said_to_be_none(pair: tuple[Stream, socket.socket], said: bytes) -> None:
    stream, other = pair
    other.sendall(said)
    other.shutdown(socket.SHUT_WR)
    with pytest.raises(BadAnswer):
        status_of(stream)


def test_an_endless_line_is_given_up(pair: tuple[Stream, socket.socket]) -> None:
    stream, other = pair

    def pour() -> None:
        try:
            while True:
                other.sendall(b"x" * 65536)
        except OSError:
            pass

    pouring = threading.Thread(target=pour)
    pouring.start()
    with pytest.raises(BadAnswer):
        status_of(stream)
    other.shutdown(socket.SHUT_RDWR)
    pouring.join()


def test_lines_and_bytes_may_come_in_any_pieces(pair: tuple[Stream, socket.socket]) -> None:
    stream, other = pair
    for piece in (b"o", b"ne\ntw", b"o\n", b"12345", b"678rest"):
        other.sendall(piece)
    other.shutdown(socket.SHUT_WR)
    assert [stream.line(), stream.line(), stream.exactly(8)] == [b"one\n", b"two\n", b"12345678"]
    assert [stream.exactly(100), stream.line(), stream.rest()] == [b"rest", b"", b""]


def test_a_pause_loses_nothing(pair: tuple[Stream, socket.socket]) -> None:
    stream, other = pair
    stream.wait_at_most(0.05)
    other.sendall(b"ha")
    with pytest.raises(TimeoutError):
        stream.line()
    other.sendall(b"lf\n")
    assert stream.line() == b"half\n"


def test_drops_do_not_make_the_time_longer(pair: tuple[Stream, socket.socket]) -> None:
    stream, other = pair
    over = threading.Event()

    def drip() -> None:
        for _ in range(200):  # ten seconds, and then the end, which would be no timeout
            if over.wait(0.05):
                return
            other.sendall(b"x")
        other.shutdown(socket.SHUT_WR)

    dripping = threading.Thread(target=drip)
    dripping.start()
    stream.end_within(0.3)
    with pytest.raises(TimeoutError):
        stream.line()
    over.set()
    dripping.join()


def test_a_request_says_what_was_asked_and_nothing_else() -> None:
    said = request("POST", "/load", headers={"Host": "127.0.0.1"}, body=b"{}")
    assert said == b"POST /load HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n{}"


@pytest.mark.parametrize("target", ["/a b", "/a\r\nX-Evil: 1", "/a\n", "/\t"])
def test_a_target_that_is_not_quoted_is_refused(target: str) -> None:
    with pytest.raises(ValueError):
        request("GET", target, headers={})


def test_quoting_leaves_nothing_that_a_url_reads() -> None:
    assert quote('repo/name@sha256:1?a=b&c={"x"} ü%') == (
        "repo%2Fname%40sha256%3A1%3Fa%3Db%26c%3D%7B%22x%22%7D%20%C3%BC%25"
    )


def test_a_socket_that_nobody_listens_on_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError), ask_unix(str(tmp_path / "absent.sock"), b"", seconds=1):
        pass
