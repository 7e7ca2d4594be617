"""Many at once: each one's own result, whatever the others do."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from launchpad.errors import HostError, LaunchpadError, PartialError
from launchpad.ssh.connection import Connection
from launchpad.ssh.fanout import all_or_error, failures, fanout, successes
from launchpad.ssh.handshakes import MOST_HANDSHAKES, Turnstile
from tests.ssh.sshd import Sshd, free_port


def test_a_dead_host_holds_up_no_other_one_and_has_its_own_error(sshd: Sshd) -> None:
    ports = {"web-1": sshd.port, "web-2": free_port(), "web-3": sshd.port}

    def hello(host: str) -> str:
        endpoint = replace(sshd.endpoint(port=ports[host]), host=host, attempts=1)
        with Connection(endpoint, identity=sshd.identity) as connection:
            return str(connection.ask("hello", {})["verb"])

    results = fanout(ports, hello)
    assert successes(results) == {"web-1": "hello", "web-3": "hello"}
    assert list(failures(results)) == ["web-2"]
    assert isinstance(results["web-2"], HostError)
    assert "Connection refused" in results["web-2"].message


@pytest.mark.programs
def test_many_logins_at_once_do_not_trip_the_limit_of_sshd(tmp_path: Path) -> None:
    """Beyond 10 that are not logged in yet, sshd drops a third of the new ones; beyond 16 here, all of them: on a busy
    machine it hears of a login a while after the client, and 48 at once are too many all the same."""
    server = Sshd(tmp_path / "sshd", options=("MaxStartups 16:100:17",))
    server.start()
    try:

        def hello(_name: str) -> int:
            with Connection(replace(server.endpoint(), attempts=1), identity=server.identity) as connection:
                return len(connection.ask("hello", {}))

        results = fanout([f"login-{number}" for number in range(48)], hello, threads=48)
    finally:
        server.stop()
    assert failures(results) == {}


def test_a_turnstile_lets_so_many_in_for_each_key() -> None:
    turnstile, inside, most = Turnstile(3), 0, 0
    guard, three = threading.Lock(), threading.Barrier(3)

    def pass_through(_name: str) -> None:
        nonlocal inside, most
        with turnstile.passing("web-1"):
            with guard:
                inside += 1
                most = max(most, inside)
            three.wait(timeout=20)
            with guard:
                inside -= 1

    fanout([str(number) for number in range(12)], pass_through)
    assert most == 3
    assert MOST_HANDSHAKES < 10, "sshd's MaxStartups begins to drop at 10"


def test_results_come_in_the_order_of_the_keys() -> None:
    assert list(fanout(["c", "a", "b"], str.upper)) == ["c", "a", "b"]
    assert fanout([], str.upper) == {}


def test_a_bug_is_not_taken_for_a_host_s_failure() -> None:
    with pytest.raises(ZeroDivisionError):
        fanout(["a"], lambda _name: 1 // 0)


def test_one_failure_of_one_is_itself_and_of_many_is_partial() -> None:
    lost = HostError("web-1: lost")
    results: dict[str, str | LaunchpadError] = {"web-1": lost}
    with pytest.raises(HostError, match="web-1: lost"):
        all_or_error(results, noun="hosts")
    results["web-2"] = "fine"
    with pytest.raises(PartialError, match="1 of 2 hosts failed: web-1") as caught:
        all_or_error(results, noun="hosts")
    assert caught.value.failures == {"web-1": lost}
