"""Limit the logins under way: sshd drops connections beyond 10 that have not logged in (MaxStartups)."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

MOST_HANDSHAKES = 8


class Turnstile:
    """Lets `width` threads in at once for each key; the others wait."""

    def __init__(self, width: int) -> None:
        self._guard = threading.Lock()
        self._gates: dict[object, threading.Semaphore] = defaultdict(lambda: threading.Semaphore(width))

    @contextmanager
    def passing(self, key: object) -> Iterator[None]:
        """Hold one of the key's places for the block."""
        with self._guard:
            gate = self._gates[key]
        with gate:
            yield


HANDSHAKES = Turnstile(MOST_HANDSHAKES)
"""One for the whole process, for all workspaces, because the limit belongs to the host."""
