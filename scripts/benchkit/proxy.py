"""A TCP proxy on loopback that delays every byte by half a round trip each way, counts, and can cut connections."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import selectors
import socket
import threading
import time
from types import TracebackType


class Proxy:
    """Forwards to a port of this machine. One thread; `delay` is in seconds, for each direction."""

    def __init__(self, port: int, *, delay: float = 0.0) -> None:
        self.delay = delay
        self.connections = 0
        self.round_trips = 0
        """How often a client sent data after it had received an answer to its earlier data, or at the start."""
        self._answered = True
        self._last = 0.0
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._peers: dict[socket.socket, socket.socket] = {}
        self._clients: set[socket.socket] = set()
        self._due: list[tuple[float, int, socket.socket, bytes]] = []
        self._order = itertools.count()
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        self._cut = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def settle(self) -> None:
        """Return when nothing has come for two round trips; what is sent next begins a round trip."""
        while (left := self._last + 4 * self.delay - time.monotonic()) > 0:
            time.sleep(left)
        self._answered = True

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    def __enter__(self) -> Proxy:
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._wake.send(b".")
        self._thread.join(5)
        for each in (*self._peers, self._listener, self._wake, self._woken):
            each.close()
        self._selector.close()

    def cut(self) -> None:
        """Break every connection there is, as a closed laptop does; new ones are served."""
        self._cut.set()
        self._wake.send(b".")

    def _run(self) -> None:
        while not self._stopped.is_set():
            timeout = max(0.0, self._due[0][0] - time.monotonic()) if self._due else None
            for key, _events in self._selector.select(timeout):
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fileobj is self._woken:
                    self._woken.recv(64)
                elif isinstance(key.fileobj, socket.socket):
                    self._read(key.fileobj)
            if self._cut.is_set():
                self._cut.clear()
                for end in list(self._peers):
                    self._close(end)
            self._deliver()

    def _accept(self) -> None:
        client, _address = self._listener.accept()
        try:
            server = socket.create_connection(("127.0.0.1", self._target))
        except OSError:
            client.close()
            return
        self.connections += 1
        for end, other in ((client, server), (server, client)):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._peers[end] = other
            self._selector.register(end, selectors.EVENT_READ)
        self._clients.add(client)

    def _read(self, end: socket.socket) -> None:
        if end not in self._peers:
            return
        try:
            data = end.recv(256 * 1024)
        except OSError:
            data = b""
        self._last = time.monotonic()
        if end in self._clients and data and self._answered:
            self.round_trips += 1
            self._answered = False
        heapq.heappush(self._due, (time.monotonic() + self.delay, next(self._order), self._peers[end], data))
        if not data:
            self._selector.unregister(end)

    def _deliver(self) -> None:
        while self._due and self._due[0][0] <= time.monotonic():
            _when, _order, end, data = heapq.heappop(self._due)
            if end not in self._peers:
                continue
            if data and end in self._clients:
                self._answered = True
            try:
                if data:
                    end.sendall(data)
                else:
                    end.shutdown(socket.SHUT_WR)
            except OSError:
                self._close(end)

    def _close(self, end: socket.socket) -> None:
        for each in (end, self._peers.get(end)):
            if each is not None and self._peers.pop(each, None) is not None:
                with contextlib.suppress(KeyError, ValueError):
                    self._selector.unregister(each)
                each.close()
