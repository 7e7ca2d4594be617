"""Ports on loopback that are nobody else's."""

from __future__ import annotations

import socket
from collections import deque

_held: deque[socket.socket] = deque()
HELD_AT_MOST = 500


def free_port() -> int:
    """A port on which nothing listens, and that the kernel gives to nobody who asks for just any one.

    A bound socket that does not listen keeps it: connections are refused, and a server that sets SO_REUSEADDR, as sshd,
    Python's and Go's do, may listen on it. Without that, a connection of another process could take the number before
    the server does.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    _held.append(held)
    if len(_held) > HELD_AT_MOST:
        _held.popleft().close()
    port: int = held.getsockname()[1]
    return port
