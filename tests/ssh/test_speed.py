"""Round trips, counted on the way through a slow link: how often one side waits for the other."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator

import pytest
from benchkit.proxy import Proxy

from launchpad.ssh.connection import Connection
from tests.ssh.sshd import Sshd

RELEASE = {"files": {f"file-{number}": "x" * 4000 for number in range(6)}}


@pytest.fixture
def far(sshd: Sshd) -> Iterator[Proxy]:
    """The way to the host over a link with a round trip of 100 ms."""
    with Proxy(sshd.port, delay=0.05) as proxy:
        yield proxy


def until_the_reply(connection: Connection, far: Proxy) -> int:
    """Push a release: the round trips so far when the answer has come."""
    lines = connection.exchange("submit-not", RELEASE)
    assert next(lines)["type"] == "reply"
    return far.round_trips  # the channel is closed when `lines` goes


def fewest(pushed: Callable[[], int]) -> int:
    """Of three: one more is seen where a busy machine holds this process up between two packets."""
    return min(pushed() for _ in range(3))


def test_a_release_is_pushed_on_an_open_connection_in_three_round_trips(sshd: Sshd, far: Proxy) -> None:
    """Open a channel, ask for the command, send the release. The answer is on its way back in the third."""
    with Connection(sshd.endpoint(port=far.port), identity=sshd.identity) as connection:
        connection.ask("hello", {})

        def pushed() -> int:
            far.settle()
            before = far.round_trips
            return until_the_reply(connection, far) - before

        assert fewest(pushed) == 3


def test_connecting_and_pushing_a_release_takes_ten(sshd: Sshd, far: Proxy) -> None:
    """One for TCP, which the proxy answers itself; banner, algorithms, keys, service, login are six at most; three."""

    def pushed() -> int:
        far.settle()
        before = far.round_trips
        with Connection(sshd.endpoint(port=far.port), identity=sshd.identity) as connection:
            return 1 + until_the_reply(connection, far) - before

    assert fewest(pushed) <= 10


def test_a_request_after_another_opens_no_new_connection(sshd: Sshd, far: Proxy) -> None:
    with Connection(sshd.endpoint(port=far.port), identity=sshd.identity) as connection:
        for _ in range(3):
            connection.ask("hello", {})
    assert far.connections == 1


def test_the_socket_sends_small_packets_at_once(sshd: Sshd) -> None:
    with Connection(sshd.endpoint(), identity=sshd.identity) as connection:
        connection.open()
        assert connection._fabric is not None
        own = connection._fabric.transport.sock
        assert own.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


def test_a_request_is_one_line_whatever_is_in_it(sshd: Sshd) -> None:
    with Connection(sshd.endpoint(), identity=sshd.identity) as connection:
        connection.ask("hello", {"text": "two\nlines\u2028and more"})
    lines = (sshd.state / "requests.jsonl").read_text().split("\n")
    assert [json.loads(line)["body"]["text"] for line in lines if line] == ["two\nlines\u2028and more"]
