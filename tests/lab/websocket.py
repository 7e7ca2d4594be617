"""A WebSocket client of one thread: over TLS, the library's own reads in one thread and writes in another, and OpenSSL
then loses a request now and then."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from types import TracebackType

from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.typing import Origin
from websockets.uri import parse_uri


class WebSocket:
    """A WebSocket over a connected stream. Opening raises InvalidStatus or another InvalidHandshake when it is refused,
    and everything ConnectionClosed once it is cut."""

    def __init__(self, stream: socket.socket, uri: str, *, origin: str, timeout: float) -> None:
        self._stream = stream
        self._protocol = ClientProtocol(parse_uri(uri), origin=Origin(origin))
        self._heard: list[str] = []
        self._protocol.send_request(self._protocol.connect())
        end = time.monotonic() + timeout
        while self._protocol.state is State.CONNECTING and self._protocol.handshake_exc is None:
            self._receive(end)
        if self._protocol.handshake_exc is not None:
            stream.close()
            raise self._protocol.handshake_exc

    def __enter__(self) -> WebSocket:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Say goodbye, and do not wait for it to be returned."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_close()
            self._flush()
        self._stream.close()

    def send(self, text: str) -> None:
        self._must_be_open()
        self._protocol.send_text(text.encode())
        self._flush()

    def ping(self) -> None:
        """Send something that every server answers, whatever it makes of texts, and take what came."""
        self._must_be_open()
        self._protocol.send_ping(b"there")
        with suppress(TimeoutError):
            self._receive(time.monotonic() + 0.5)

    def recv(self, timeout: float) -> str:
        """The next text; TimeoutError when none comes in time."""
        end = time.monotonic() + timeout
        while not self._heard:
            self._must_be_open()
            self._receive(end)
        return self._heard.pop(0)

    def _must_be_open(self) -> None:
        if self._protocol.state is not State.OPEN:
            said = self._protocol.close_rcvd, self._protocol.close_sent, self._protocol.close_rcvd_then_sent
            raise ConnectionClosed(*said)

    def _receive(self, end: float) -> None:
        """What comes next, and the answers that the protocol itself wants."""
        self._flush()
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError("nothing came in time")
        self._stream.settimeout(left)
        try:
            data = self._stream.recv(65536)
        except TimeoutError:
            raise
        except OSError:
            data = b""
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        for event in self._protocol.events_received():
            if isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                self._heard.append(bytes(event.data).decode())
        self._flush()

    def _flush(self) -> None:
        """Send what the protocol has to say; that the other side is gone shows when it is listened to."""
        for data in self._protocol.data_to_send():
            if data:
                try:
                    self._stream.sendall(data)
                except OSError:
                    return
