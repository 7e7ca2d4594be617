"""HTTP/1.0 over one socket: enough for this host's daemons and for probes.

The import of the standard library's client takes 27 ms, more than everything else that `status` does on a host.
HTTP/1.0 has no chunks and no kept connections: the body is everything after the headers.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

_PIECE = 65536
_MOST_HEADERS = 100
_LONGEST_LINE = 1 << 20
_UNQUOTED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


class BadAnswer(OSError):
    """The answer is not HTTP, or ended too early."""


class Stream:
    """A stream of bytes. A read that times out (TimeoutError) loses nothing and may be repeated."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = bytearray()
        self._deadline: float | None = None

    def wait_at_most(self, seconds: float) -> None:
        """From now on, a read waits at most so long for the next bytes."""
        self._deadline = None
        self._connection.settimeout(max(seconds, 0.001))

    def end_within(self, seconds: float) -> None:
        """From now on, all reads together take at most so long, also when the bytes come slowly."""
        self._deadline = time.monotonic() + seconds

    def is_silent(self) -> bool:
        """Whether no received bytes are buffered."""
        return not self._buffer

    def fileno(self) -> int:
        return self._connection.fileno()

    def line(self) -> bytes:
        """The next line with its line end; at the end of the stream the rest; then empty."""
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0:
            searched = len(self._buffer)
            if searched > _LONGEST_LINE:
                raise BadAnswer("the answer has a line without an end")
            if not self._more():
                return self._take(searched)
        return self._take(end + 1)

    def exactly(self, size: int) -> bytes:
        """So many bytes; fewer only at the end of the stream."""
        while len(self._buffer) < size and self._more():
            pass
        return self._take(size)

    def rest(self) -> bytes:
        """Everything up to the end."""
        while self._more():
            pass
        return self._take(len(self._buffer))

    def _more(self) -> bool:
        if self._deadline is not None:
            self._connection.settimeout(max(self._deadline - time.monotonic(), 0.001))
        piece = self._connection.recv(_PIECE)
        self._buffer += piece
        return bool(piece)

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken


class Answer:
    """The status and headers of an answer; the body stays in the stream."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.status = status_of(stream)
        self.headers: dict[str, str] = {}
        for _ in range(_MOST_HEADERS):
            line = stream.line()
            if line in (b"\r\n", b"\n", b""):
                return
            name, _, value = line.decode("latin-1").partition(":")
            self.headers[name.strip().lower()] = value.strip()
        raise BadAnswer("the answer has too many headers")

    def body(self) -> bytes:
        """The whole body; BadAnswer when it is shorter than announced."""
        data = self.stream.rest()
        if len(data) < int(self.headers.get("content-length", 0)):
            raise BadAnswer("the answer was cut off")
        return data


def status_of(stream: Stream) -> int:
    """The status in the first line of an answer. BadAnswer when it is not HTTP."""
    words = stream.line().split(None, 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        raise BadAnswer("the answer is not HTTP")
    return int(words[1])


def request(method: str, target: str, *, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """The bytes of a request. The target must already be quoted: ValueError for a space or a line break."""
    if any(character <= " " for character in target):
        raise ValueError("an HTTP target that is not quoted")
    lines = [f"{method} {target} HTTP/1.0", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


@contextmanager
def ask_unix(path: str, message: bytes, *, seconds: float) -> Iterator[Answer]:
    """Send a request to a daemon's Unix socket; a read waits at most `seconds`. OSError without an answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(seconds)
        connection.connect(path)
        connection.sendall(message)
        yield Answer(Stream(connection))


def quote(text: str) -> str:
    """The text as one part of a URL's path or query."""
    return "".join(chr(byte) if byte in _UNQUOTED else f"%{byte:02X}" for byte in text.encode())
