"""Uploads over real TLS on loopback: kept as the host that the certificate names, refused without one of the fleet."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from launchpad.fleet.words.secret import Secret
from launchpad.operations.hosts.log_authority import authority_certificate, certificate_of
from launchpad.runner.host import Failed
from launchpad.runner.shipping.log_collector import LogCollector
from launchpad.runner.shipping.receiver import Receiver
from launchpad.runner.shipping.upload import Upload

OURS, THEIRS = Secret("o" * 43), Secret("t" * 43)


@dataclass
class Fleet:
    """A collector web-2 that keeps uploads in memory. `problem`: why it keeps none."""

    port: int = 0
    kept: list[tuple[str, bytes, bool]] = field(default_factory=list)
    problem: str = ""

    def add(self, host: str, data: bytes, again: bool) -> None:
        if self.problem:
            raise Failed(self.problem)
        self.kept.append((host, data, again))

    def upload(self, host: str, *, signed: Secret = OURS, trusts: Secret = OURS, to: str = "web-2") -> Upload:
        logs = LogCollector(to, "127.0.0.1", authority_certificate(trusts), 1)
        return Upload(logs, certificate_of(signed, host).encode(), own=host, port=self.port)


@contextmanager
def serving() -> Iterator[Fleet]:
    fleet, over = Fleet(), threading.Event()
    logs = LogCollector("web-2", "127.0.0.1", authority_certificate(OURS), 1, ("127.0.0.1",))
    receiver = Receiver(logs, certificate_of(OURS, "web-2").encode(), add=fleet.add)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        fleet.port = listener.getsockname()[1]
        thread = threading.Thread(target=lambda: receiver.serve(listener, stopping=over.is_set))
        thread.start()
        try:
            yield fleet
        finally:
            over.set()
            thread.join()


def test_an_upload_is_kept_as_the_host_of_its_certificate() -> None:
    with serving() as fleet:
        fleet.upload("web-1")(b"x" * 1_000_000, again=False)
        fleet.upload("web-2")(b"", again=True)
        assert fleet.kept == [("web-1", b"x" * 1_000_000, False), ("web-2", b"", True)]


def test_who_is_not_of_the_fleet_is_refused_on_both_sides() -> None:
    with serving() as fleet:
        for stranger, why in (
            (fleet.upload("web-1", signed=THEIRS), "TLSV1_ALERT_UNKNOWN_CA"),
            (fleet.upload("web-1", trusts=THEIRS), "not of this fleet's authority"),
            (fleet.upload("web-1", to="web-3"), "not of this fleet's authority"),
            (fleet.upload("../etc"), "without an answer|ends the TLS|reset"),
        ):
            with pytest.raises(Failed, match=why):
                stranger(b"evil", again=False)
        nobody = ssl.create_default_context()
        nobody.check_hostname, nobody.verify_mode = False, ssl.CERT_NONE
        with (
            pytest.raises(ssl.SSLError),
            socket.create_connection(("127.0.0.1", fleet.port), timeout=5) as plain,
            nobody.wrap_socket(plain) as secured,
        ):
            secured.recv(100)
        assert fleet.kept == []


def test_what_cannot_be_kept_is_told_to_who_sent_it() -> None:
    with serving() as fleet:
        fleet.problem = "the disk is full"
        with pytest.raises(Failed, match="the disk is full"):
            fleet.upload("web-1")(b"x", again=False)
        fleet.problem = ""
        fleet.upload("web-1")(b"x", again=True)
        assert len(fleet.kept) == 1


def test_a_collector_that_is_down_is_a_problem_in_words() -> None:
    with serving() as fleet:
        upload = fleet.upload("web-1")
    with pytest.raises(Failed, match="Connection refused"):
        upload(b"x", again=False)
