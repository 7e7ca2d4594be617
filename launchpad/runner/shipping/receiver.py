"""Accept the lines of the fleet's hosts on the collector (launchpad-collect.service).

Debian's systemd-journal-remote cannot ask for a client's certificate, so this process terminates TLS, and
systemd-journal-remote writes the journals. A host can write only into its own journal: its certificate names the host.
"""

from __future__ import annotations

import json
import socket
import ssl
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from launchpad.runner.engine import reason
from launchpad.runner.host import Failed
from launchpad.runner.protocol import Refused
from launchpad.runner.provision.settings_record import stored_settings
from launchpad.runner.shipping.host_certificate import certificate
from launchpad.runner.shipping.log_collector import PORT, LogCollector
from launchpad.runner.shipping.remote_journal import RemoteJournals
from launchpad.runner.shipping.unit_end import until_replaced
from launchpad.runner.shipping.upload import FORMAT, tls
from launchpad.runner.slots import is_tenant_name
from launchpad.runner.view import View

MOST_BYTES = 8 << 20
MOST_AT_ONCE = 16
SECONDS = 30.0
POLL_SECONDS = 1.0
THIN_AFTER = 500
"""Uploads between two looks at the size of the journals."""

Add = Callable[[str, bytes, bool], None]
"""Keep a host's entries; `True`: some may be there already."""


class Receiver:
    """Answers one upload a connection; `add` runs for one upload at a time."""

    def __init__(self, logs: LogCollector, certificate: bytes, *, add: Add) -> None:
        self._context = tls(ssl.PROTOCOL_TLS_SERVER, logs, certificate)
        self._add, self._lock = add, threading.Lock()
        self._places = threading.Semaphore(MOST_AT_ONCE)

    def serve(self, listener: socket.socket, *, stopping: Callable[[], bool]) -> None:
        listener.settimeout(POLL_SECONDS)
        while not stopping():
            with suppress(TimeoutError):
                connection, _ = listener.accept()
                self._places.acquire()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()
        with self._lock:  # an upload that is being written is finished
            return

    def _answer(self, plain: socket.socket) -> None:
        try:
            plain.settimeout(SECONDS)
            with plain, self._context.wrap_socket(plain, server_side=True) as secured:
                host = _named(secured)
                secured.sendall(json.dumps({"format": FORMAT}).encode() + b"\n")
                secured.sendall(json.dumps({"problem": self._taken(secured, host)}).encode() + b"\n")
        except OSError as error:
            print(f"a connection was refused or cut: {error}", file=sys.stderr, flush=True)
        finally:
            self._places.release()

    def _taken(self, secured: ssl.SSLSocket, host: str) -> str:
        """Why the upload was not kept; empty when it was."""
        with secured.makefile("rb") as stream:
            try:
                head = json.loads(stream.readline(4096))
                size, again = int(head["bytes"]), head["again"] is True
                if not 0 <= size <= MOST_BYTES:
                    return f"the collector accepts at most {MOST_BYTES} bytes"
                data = stream.read(size)
            except (ValueError, TypeError, KeyError):
                return "the upload has no valid head"
        if len(data) < size:
            return "the upload was cut"
        try:
            with self._lock:
                self._add(host, data, again)
        except (Failed, Refused) as error:
            print(f"{host}: {reason(error)}", file=sys.stderr, flush=True)
            return reason(error)
        return ""


def _named(secured: ssl.SSLSocket) -> str:
    """The host that the client's certificate names. OSError for another name."""
    parts: Any = (secured.getpeercert() or {}).get("subject", ())
    name = str(dict(pair for part in parts for pair in part).get("commonName", ""))
    if not is_tenant_name(name):
        raise OSError("the client's certificate names no host")
    return name


def collect(host: View) -> int:
    """Accept until the unit is stopped, the settings change, or another runner is installed; systemd restarts it."""
    settings = stored_settings(host).settings
    if settings is None or settings.logs is None or not settings.logs.senders:
        print("by its settings this host is not the collector", file=sys.stderr)
        return 1
    stopping = until_replaced(host, settings)
    journals, count = RemoteJournals(), 0

    def add(name: str, data: bytes, again: bool) -> None:
        nonlocal count
        journals.add(name, data, again=again)
        count += 1
        if count % THIN_AFTER == 1:
            journals.thin()

    receiver = Receiver(settings.logs, certificate(host, settings.logs), add=add)
    with socket.create_server(("::", PORT), family=socket.AF_INET6, dualstack_ipv6=True) as listener:
        receiver.serve(listener, stopping=stopping)
    return 0
