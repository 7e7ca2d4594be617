"""Logs of several tenants, in the order of time, without secrets, and come back to after a cut."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from benchkit.proxy import Proxy

from launchpad.errors import HostError, PartialError, StateError
from launchpad.fleet.model.host import Host
from launchpad.fleet.words.secret import Secret
from launchpad.operations.observation.logs import LogLine, LogQuery, logs
from launchpad.operations.observation.redaction import Redaction
from launchpad.ssh.problems import ConnectionLost
from launchpad.workspace import Workspace
from tests.operations.places import TOKEN, behave, requests
from tests.operations.requests.test_following import over, wait_until
from tests.ssh.sshd import Sshd

END = {"type": "reply", "protocol": 1, "runner": "0.1.0", "body": {}}


def line(second: int, text: str) -> dict[str, Any]:
    return {"type": "log", "service": "web", "at": f"2026-11-22T10:00:{second:02}.5Z", "text": text}


def test_lines_of_several_tenants_come_in_the_order_of_time(workspace: Workspace, sshd: Sshd) -> None:
    behave(sshd, logs={"lines": [line(2, "later"), line(1, "earlier"), END]})
    got: list[LogLine] = []
    logs(workspace, ["alice", "bob"], query=LogQuery(lines=5, since=12.0), on_line=got.append)
    assert [(item.at[17:19], item.text) for item in got] == [
        ("01", "earlier"),
        ("01", "earlier"),
        ("02", "later"),
        ("02", "later"),
    ]
    assert {item.tenant for item in got} == {"alice", "bob"}
    bodies = [request["body"] for request in requests(sshd)]
    assert sorted(body["tenant"] for body in bodies) == ["alice", "bob"]
    assert all((body["lines"], body["since"], body["follow"]) == (5, 12.0, False) for body in bodies)


def test_secrets_that_this_operator_knows_are_not_shown(workspace: Workspace, sshd: Sshd) -> None:
    behave(sshd, logs={"lines": [line(1, f"started with {TOKEN}!"), END]})
    got: list[LogLine] = []
    logs(workspace, ["alice"], query=LogQuery(), on_line=got.append)
    assert got[0].text == "started with [secret]!"


def test_following_comes_back_after_a_cut_and_shows_no_line_twice(sshd: Sshd, tmp_path: Path) -> None:
    behave(sshd, logs={"lines": [line(1, "one"), line(2, "two")], "exit": 137})
    with Proxy(sshd.port) as proxy:
        workspace = over(proxy, sshd, tmp_path)
        got: list[str] = []
        thread = threading.Thread(
            target=lambda: logs(
                workspace, ["alice"], query=LogQuery(follow=True), on_line=lambda item: got.append(item.text)
            ),
            daemon=True,
        )
        thread.start()
        wait_until(lambda: len(requests(sshd)) >= 2)
        behave(sshd, logs={"lines": [line(1, "one"), line(2, "two"), line(3, "three"), END]})
        thread.join(20)
        assert not thread.is_alive()
    assert got == ["one", "two", "three"]


class Reboots:
    """The way to a host that is cut, then away, and then there again."""

    attempts = 0

    @contextmanager
    def reach(self, host: Host) -> Iterator[Reboots]:
        self.attempts += 1
        if self.attempts == 2:
            raise HostError(f"{host.name}: cannot connect")
        yield self

    def exchange(self, verb: str, body: Mapping[str, Any], **_how: Any) -> Iterator[dict[str, Any]]:
        yield line(self.attempts, str(self.attempts))
        if self.attempts == 1:
            raise ConnectionLost("web-1: the connection broke")


def test_following_waits_for_a_host_that_reboots(workspace: Workspace) -> None:
    hosts: Any = Reboots()
    got: list[str] = []
    query = LogQuery(follow=True)
    logs(replace(workspace, hosts=hosts), ["alice"], query=query, on_line=lambda item: got.append(item.text))
    assert got == ["1", "3"]


def test_who_is_lost_while_the_others_go_on_is_told_at_once(workspace: Workspace) -> None:
    lost: list[str] = []
    heard = threading.Event()

    class OneIsLost:
        @contextmanager
        def reach(self, host: Host) -> Iterator[OneIsLost]:
            yield self

        def exchange(self, verb: str, body: Mapping[str, Any], **_how: Any) -> Iterator[dict[str, Any]]:
            if body["tenant"] == "bob":
                raise StateError("bob is not deployed on this host")
            assert heard.wait(20), "nobody is told before the others' lines end"
            yield line(1, "still there")

    def on_lost(tenant: str, error: Exception) -> None:
        lost.append(f"{tenant}: {error}")
        heard.set()

    hosts: Any = OneIsLost()
    got: list[str] = []
    with pytest.raises(PartialError, match="1 of 2 tenants failed: bob"):
        logs(
            replace(workspace, hosts=hosts),
            ["alice", "bob"],
            query=LogQuery(follow=True),
            on_line=lambda item: got.append(item.text),
            on_lost=on_lost,
        )
    assert (got, lost) == (["still there"], ["bob: bob is not deployed on this host"])


def test_each_of_several_that_fail_has_its_own_hint(workspace: Workspace, sshd: Sshd) -> None:
    refusal = {"type": "error", "error": "state", "message": "it is not deployed", "hint": "launchpad deploy it"}
    behave(sshd, logs={"lines": [refusal], "exit": 1})
    with pytest.raises(PartialError) as caught:
        logs(workspace, ["alice", "bob"], query=LogQuery(), on_line=print)
    assert caught.value.hint == "web-1 suggests: launchpad deploy it", "the same command again would do no more"


def test_an_unknown_tenant_s_host_says_so(workspace: Workspace, sshd: Sshd) -> None:
    refusal = {"type": "error", "error": "state", "message": "alice is not deployed on this host", "hint": ""}
    behave(sshd, logs={"lines": [refusal], "exit": 1})
    with pytest.raises(StateError, match="alice is not deployed"):
        logs(workspace, ["alice"], query=LogQuery(), on_line=print)


@pytest.mark.parametrize(
    ("value", "text", "shown"),
    [
        ("hunter2hunter2", "a hunter2hunter2 b", "a [secret] b"),
        ('quo"ted\\pass', '{"key": "quo\\"ted\\\\pass"}', '{"key": "[secret]"}'),
        ("sp ace/slash", "GET /?k=sp%20ace%2Fslash", "GET /?k=[secret]"),
        ("first line\nsecond line", "got second line", "got [secret]"),
        ("short", "a short word", "a short word"),
    ],
)
def test_a_secret_is_recognised_as_programs_write_it(value: str, text: str, shown: str) -> None:
    assert Redaction([Secret(value)])(text) == shown


def test_the_longer_of_two_secrets_goes_first() -> None:
    assert Redaction([Secret("abcdef"), Secret("abcdefghij")])("x abcdefghij y") == "x [secret] y"
