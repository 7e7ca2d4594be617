"""Against a real sshd: what a connection promises, and what it says when the promise cannot be kept."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from benchkit.proxy import Proxy

from launchpad.errors import HostError, LaunchpadError, LockedError, StateError, StepFailed
from launchpad.ssh.connection import Connection
from launchpad.ssh.dialling import dial
from launchpad.ssh.endpoint import Endpoint
from launchpad.ssh.execution import Execution
from launchpad.ssh.identity import Identity
from launchpad.ssh.known import KnownHosts
from launchpad.ssh.lines import LONGEST_LINE
from launchpad.ssh.problems import ConnectionLost, HostKeyChanged, HostKeyUnknown, LoginRefused
from tests.ssh.sshd import Sshd, free_port, make_key


def behave(sshd: Sshd, **behaviour: dict[str, Any]) -> None:
    (sshd.state / "behaviour.json").write_text(json.dumps(behaviour))


def connect(sshd: Sshd, **changes: Any) -> Connection:
    return Connection(replace(sshd.endpoint(), **changes), identity=sshd.identity)


# --- requests --------------------------------------------------------------------------------------------------------


def test_a_request_is_answered_and_several_follow_each_other_on_one_connection(sshd: Sshd) -> None:
    with Proxy(sshd.port) as proxy, connect(sshd, port=proxy.port) as connection:
        assert connection.ask("hello", {})["verb"] == "hello"
        assert connection.ask("observe", {"tenants": ["søren"]})["body"] == {"tenants": ["søren"]}
        assert proxy.connections == 1


def test_a_megabyte_of_request_arrives_whole(sshd: Sshd) -> None:
    with connect(sshd) as connection:
        assert connection.ask("submit-not", {"text": "x" * 3_000_000})["body"]["text"] == "x" * 3_000_000


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("state", StateError),
        ("locked", LockedError),
        ("step", StepFailed),
        ("request", StepFailed),
        ("protocol", StateError),
        ("bug", HostError),
        ("of-the-future", HostError),
    ],
)
def test_an_error_line_becomes_the_error_that_it_stands_for(
    sshd: Sshd, kind: str, expected: type[LaunchpadError]
) -> None:
    behave(sshd, hello={"lines": [{"type": "error", "error": kind, "message": "no", "hint": "try"}], "exit": 1})
    with connect(sshd) as connection, pytest.raises(LaunchpadError) as caught:
        connection.ask("hello", {})
    assert type(caught.value) is expected
    assert caught.value.message.startswith("web-1: no")
    assert caught.value.hint == "try"


@pytest.mark.parametrize(
    ("behaviour", "says"),
    [
        ({"raw": "Welcome to Debian!\n"}, "not JSON: Welcome to Debian!"),
        ({"raw": "\x1b[31mred\n"}, "not JSON: �[31mred"),
        ({"raw": "[1,2]\n"}, "without a type"),
        ({"raw": '{"type": "reply", "protocol": 9, "body": {}}\n'}, "protocol 9"),
        ({"raw": '{"type": "reply", "protocol": 1}\n'}, "no body"),
        (
            {"raw": '{"type": "reply"', "exit": 3, "stderr": "Traceback\nKeyError: 'x'\n"},
            "(exit code 3): KeyError: 'x'",
        ),
        ({"bytes": LONGEST_LINE + 1}, f"more than {LONGEST_LINE} bytes"),
        ({"exit": 127, "stderr": "sh: launchpad-runner: not found\n"}, "launchpad-runner: not found"),
    ],
)
def test_whatever_the_host_says_is_an_error_that_names_it(sshd: Sshd, behaviour: dict[str, Any], says: str) -> None:
    behave(sshd, hello=behaviour)
    with connect(sshd) as connection, pytest.raises(LaunchpadError) as caught:
        connection.ask("hello", {})
    assert says in caught.value.message
    assert caught.value.message.startswith("web-1: ")
    assert caught.value.hint
    assert not isinstance(caught.value, ConnectionLost), "nothing began, so nothing is to be come back to"


def test_a_host_that_does_not_answer_is_given_up_after_the_time(sshd: Sshd) -> None:
    behave(sshd, hello={"wait": "never"})
    started = time.monotonic()
    with connect(sshd) as connection, pytest.raises(ConnectionLost, match="no answer in time"):
        connection.ask("hello", {}, seconds=0.3)
    assert time.monotonic() - started < 3


def test_a_flood_on_standard_error_does_not_hold_up_the_end(sshd: Sshd) -> None:
    behave(sshd, hello={"stderr": "x" * 3_000_000 + "\nthe cause\n", "exit": 3})
    with connect(sshd) as connection, pytest.raises(HostError, match="exit code 3"):
        list(connection.exchange("hello", {}, seconds=20))


def test_a_cut_connection_is_told_apart_from_a_refusal(sshd: Sshd) -> None:
    (sshd.state / "hold-1").touch()
    with Proxy(sshd.port) as proxy, connect(sshd, port=proxy.port) as connection:
        events = connection.exchange("submit", {"id": "op-0000000001", "operation": {"kind": "deploy"}})
        assert next(events)["event"] == "operation-started"
        proxy.cut()
        with pytest.raises(ConnectionLost):
            list(events)
        (sshd.state / "hold-1").unlink()
        again = list(connection.exchange("follow", {"id": "op-0000000001", "after": 1}))
    assert [line.get("number") for line in again] == [2, 3, 4, 5, 6, 7, 8, None]
    assert again[-1]["body"]["outcome"] == "done"


# --- host keys -------------------------------------------------------------------------------------------------------


def test_an_unknown_host_key_is_offered_for_confirmation_and_then_accepted(sshd: Sshd, tmp_path: Path) -> None:
    known = KnownHosts(tmp_path / "workspace" / "known_hosts")
    endpoint = sshd.endpoint(pinned=False)
    with pytest.raises(HostKeyUnknown) as caught:
        Connection(endpoint, identity=sshd.identity).open()
    key = caught.value.key
    assert key is not None
    assert key.fingerprint == sshd.fingerprint
    assert sshd.fingerprint in caught.value.message
    assert "launchpad trust web-1" in caught.value.hint
    assert "Accepted" not in sshd.log.read_text(), "nothing is sent to a host that is not known"

    known.remember(endpoint.address, endpoint.port, key)
    confirmed = endpoint.trusting(*known.fingerprints(endpoint.address, endpoint.port))
    with Connection(confirmed, identity=sshd.identity) as connection:
        assert connection.ask("hello", {})


def test_a_changed_host_key_is_refused_before_the_login(sshd: Sshd) -> None:
    endpoint = sshd.endpoint()
    sshd.stop()
    (sshd.folder / "host_ed25519").unlink()
    sshd.start()
    with pytest.raises(HostKeyChanged) as caught:
        Connection(endpoint, identity=sshd.identity).open()
    assert sshd.fingerprint in caught.value.message
    assert next(iter(endpoint.fingerprints)) in caught.value.message
    assert not caught.value.retry
    assert "Accepted" not in sshd.log.read_text()


@pytest.mark.programs
def test_any_of_the_host_s_key_types_may_be_the_pinned_one(tmp_path: Path) -> None:
    server = Sshd(tmp_path / "sshd", host_keys=("rsa", "ecdsa", "ed25519"))
    server.start()
    try:
        with connect(server) as connection:
            assert connection.ask("hello", {})
    finally:
        server.stop()


# --- the login -------------------------------------------------------------------------------------------------------


def test_a_key_that_is_not_let_in_is_named(sshd: Sshd, tmp_path: Path) -> None:
    other = make_key(tmp_path / "other")
    with pytest.raises(LoginRefused, match="does not accept the key SHA256:") as caught:
        Connection(sshd.endpoint(), identity=Identity(key_files=(other,), agent=False)).open()
    assert "launchpad provision web-1" in caught.value.hint, "it may be bare yet"


def test_without_a_key_it_says_where_it_looked_and_how_to_have_one(sshd: Sshd, tmp_path: Path) -> None:
    with pytest.raises(LoginRefused) as caught:
        Connection(sshd.endpoint(), identity=Identity(agent=False, home=tmp_path)).open()
    assert f"searched: {tmp_path}/.ssh/id_ed25519, {tmp_path}/.ssh/id_ecdsa, " in caught.value.message
    assert caught.value.hint.startswith("launchpad key make;")


def test_only_the_key_that_the_host_is_known_to_accept_is_offered(sshd: Sshd, tmp_path: Path) -> None:
    """A host counts failed offers, and bans who makes many."""
    many = tuple(make_key(tmp_path / f"key-{number}") for number in range(7))
    accepted = sshd.key.with_name("operator.pub").read_text()
    identity = Identity(key_files=(*many, sshd.key), agent=False)
    with Connection(replace(sshd.endpoint(), accepted_keys=(accepted,)), identity=identity) as connection:
        connection.ask("hello", {})
    assert "Failed publickey" not in sshd.log.read_text()


def test_an_agent_s_key_lets_in(sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    socket_path = tmp_path / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", socket_path], stdout=subprocess.DEVNULL)
    try:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket_path))
        while not socket_path.exists():
            assert agent.poll() is None
            time.sleep(0.01)
        subprocess.run(["ssh-add", "-q", sshd.key], check=True)
        with Connection(sshd.endpoint(), identity=Identity()) as connection:
            assert connection.ask("hello", {})
    finally:
        agent.terminate()
        agent.wait(10)


def test_a_key_with_a_passphrase_says_how_to_use_it(sshd: Sshd, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "a passphrase", "-f", locked], check=True)
    with pytest.raises(HostError, match="has a passphrase") as caught:
        Connection(sshd.endpoint(), identity=Identity(key_files=(locked,), agent=False)).open()
    assert caught.value.hint == f"ssh-add {locked}"


def test_a_key_file_that_is_none_is_named(sshd: Sshd, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("not a key")
    with pytest.raises(HostError, match="notes: not a private SSH key"):
        Connection(sshd.endpoint(), identity=Identity(key_files=(tmp_path / "notes",), agent=False)).open()


# --- reaching it -----------------------------------------------------------------------------------------------------


def test_a_refused_connection_names_the_host_and_the_cause() -> None:
    endpoint = Endpoint(host="web-9", address="127.0.0.1", port=free_port(), attempts=1)
    with pytest.raises(HostError, match=r"web-9: cannot connect to launchpad@127.0.0.1 port \d+: Connection refused"):
        Connection(endpoint, identity=Identity(agent=False)).open()


@pytest.mark.parametrize(("known", "user"), [((), "root"), (("SHA256:x",), "launchpad")])
def test_where_nothing_answers_the_hint_names_who_may_be_there(known: tuple[str, ...], user: str) -> None:
    """A host of which nothing is known may be a bare one."""
    endpoint = Endpoint(host="web-9", address="no-such-name.invalid", attempts=1).trusting(*known)
    with pytest.raises(HostError) as caught:
        Connection(endpoint, identity=Identity(agent=False)).open()
    assert caught.value.hint == f"ssh -v {user}@no-such-name.invalid </dev/null"


def test_a_connection_that_is_dropped_at_first_is_tried_again(sshd: Sshd) -> None:
    """What sshd does to the eleventh that has not logged in: it closes before its banner."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        connection = Connection(replace(sshd.endpoint(port=port), attempts=4), identity=sshd.identity)
        dropped = _drop_then_forward(listener, 2, sshd.port)
        with connection:
            assert connection.ask("hello", {})
        assert dropped == [1, 2]


def test_a_server_that_says_nothing_is_given_up(sshd: Sshd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        endpoint = replace(sshd.endpoint(port=listener.getsockname()[1]), attempts=1, connect_seconds=0.3)
        with pytest.raises(HostError, match="cannot connect"):
            Connection(endpoint, identity=sshd.identity).open()


def test_a_script_that_root_runs_says_its_lines_as_they_come(sshd: Sshd) -> None:
    sshd.command = 'sh -c \\"$SSH_ORIGINAL_COMMAND\\"'
    sshd.let_in()
    heard: list[str] = []
    with connect(sshd) as connection:
        connection.endpoint = replace(connection.endpoint, user="root")  # the login is made, as whoever runs the tests
        output = connection.run_root("cat; echo 'it is'; echo err >&2; exit 3", b"in\nput\n", on_line=heard.append)
    assert (output.code, output.out, output.err) == (3, "in\nput\nit is\n", "err\n")
    assert heard == ["in", "put", "it is"]


def _drop_then_forward(listener: socket.socket, drops: int, port: int) -> list[int]:
    import threading

    dropped: list[int] = []

    def serve() -> None:
        for number in range(drops):
            listener.accept()[0].close()
            dropped.append(number + 1)
        client = listener.accept()[0]
        server = socket.create_connection(("127.0.0.1", port))
        for source, sink in ((client, server), (server, client)):
            threading.Thread(target=_copy, args=(source, sink), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    return dropped


def _copy(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


# --- silence ---------------------------------------------------------------------------------------------------------


def test_a_runner_that_says_nothing_is_not_waited_for(sshd: Sshd) -> None:
    """The connection stands and the host's sshd answers: only the runner hangs."""
    behave(sshd, hello={"wait": "for-ever"})
    connection = dial(sshd.endpoint(), identity=sshd.identity)
    how: dict[str, Any] = {"command": "launchpad-runner", "seconds": None, "silent": 1.0}
    with Execution(connection.transport, host="web-1", **how) as running:
        running.send(b'{"protocol":1,"client":"0.1.0","verb":"hello","body":{}}\n')
        begun = time.monotonic()
        with pytest.raises(ConnectionLost, match="no output for"):
            list(running.pieces())
        assert time.monotonic() - begun < 10
    connection.close()


def test_that_the_runner_is_alive_is_no_part_of_its_answer(sshd: Sshd) -> None:
    lines = [{"type": "alive"}, {"type": "reply", "protocol": 1, "runner": "0.1.0", "body": {"verb": "hello"}}]
    behave(sshd, hello={"lines": lines})
    with connect(sshd) as connection:
        assert [line["type"] for line in connection.exchange("hello", {})] == ["reply"]
