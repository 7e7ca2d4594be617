"""Logs of several tenants, in the order of time, without secrets, and come back to after a cut."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from benchkit.proxy import Proxy

from launchpad.errors import HostError, InventoryError, PartialError, StateError
from launchpad.fleet.model.host import Host
from launchpad.fleet.words.secret import Secret
from launchpad.operations.observation.host_log import LogQuery
from launchpad.operations.observation.log_order import LogLine
from launchpad.operations.observation.logs import LogListeners, logs
from launchpad.operations.observation.redaction import Redaction
from launchpad.ssh.problems import ConnectionLost
from launchpad.workspace import Workspace
from tests.operations.places import TOKEN, behave, open_workspace, requests, write_workspace
from tests.operations.requests.test_following import over, wait_until
from tests.ssh.sshd import Sshd

END = {"type": "reply", "protocol": 1, "runner": "0.1.0", "body": {}}
BEGUN = {"type": "begun"}


def at(second: int) -> str:
    return f"2026-11-22T10:00:{second:02}.500000000Z"


def line(second: int, text: str, *, tenant: str = "alice", **more: Any) -> dict[str, Any]:
    named = {"tenant": tenant, "service": "web", "source": f"{tenant}/abc"}
    return {"type": "log", "at": at(second), "text": text, **named, **more}


def test_tenants_of_one_host_are_one_request_and_their_lines_come_in_the_order_of_time(
    workspace: Workspace, sshd: Sshd
) -> None:
    said = [line(1, "earlier"), line(1, "too", tenant="bob"), line(2, "later")]
    behave(sshd, logs={"lines": [*said, END]})
    got: list[LogLine] = []
    logs(workspace, ["bob", "alice"], query=LogQuery(lines=5, since=12.0), on_line=got.append)
    assert [(item.host, item.tenant, item.text) for item in got] == [
        ("web-1", "alice", "earlier"),
        ("web-1", "bob", "too"),
        ("web-1", "alice", "later"),
    ]
    (body,) = (request["body"] for request in requests(sshd))
    assert (body["tenants"], body["lines"], body["since"]) == (["alice", "bob"], 5, 12.0) and "follow" not in body


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


class Fleet:
    """Hosts by name: what each answers at each connection, in lines; an exception is raised. `asked`: the bodies."""

    def __init__(self, *, ahead: Mapping[str, float] | None = None, **answers: list[list[Any]]) -> None:
        self.answers = {name.replace("_", "-"): list(each) for name, each in answers.items()}
        self.ahead = dict(ahead or {})
        self.asked: list[dict[str, Any]] = []

    @contextmanager
    def reach(self, host: Host) -> Iterator[Any]:
        answer = self.answers[str(host.name)].pop(0)
        if answer and isinstance(answer[0], Exception):
            raise answer[0]
        yield Reached(self, str(host.name), answer)


class Reached:
    def __init__(self, fleet: Fleet, name: str, answer: list[Any]) -> None:
        self.fleet, self.name, self.answer = fleet, name, answer

    def ask(self, verb: str, _body: Mapping[str, Any], **_how: Any) -> dict[str, Any]:
        assert verb == "hello"
        return {"runner": "1", "clock": time.time() + self.fleet.ahead.get(self.name, 0.0)}

    def exchange(self, _verb: str, body: Mapping[str, Any], **_how: Any) -> Iterator[dict[str, Any]]:
        self.fleet.asked.append(dict(body))
        for item in self.answer:
            if isinstance(item, Exception):
                raise item
            if isinstance(item, threading.Event):
                assert item.wait(20)
            else:
                yield item


CUT = ConnectionLost("web-1: the connection broke")


def read(workspace: Workspace, fleet: Fleet, *names: str, follow: bool = True, **how: Any) -> list[str]:
    got: list[str] = []
    query = LogQuery(follow=follow)
    hosts: Any = fleet
    logs(
        replace(workspace, hosts=hosts), names, query=query, on_line=lambda item: got.append(item.text), **how
    )  # fmt: skip
    return got


def test_who_comes_back_says_how_far_each_container_was_read(workspace: Workspace) -> None:
    mark = {"type": "mark", "source": "alice/def", "mark": f"{at(5)} 1"}
    first = [line(1, "past"), BEGUN, line(2, "two"), line(2, "twin", n=2), mark, CUT]
    fleet = Fleet(web_1=[first, [line(2, "the third of that time", n=3)]])
    assert read(workspace, fleet, "alice") == ["past", "two", "twin", "the third of that time"]
    begun, again = fleet.asked
    assert "marks" not in begun
    assert again["marks"] == {"alice/abc": f"{at(2)} 2", "alice/def": f"{at(5)} 1"}


def test_a_cut_within_the_past_lines_shows_none_twice(workspace: Workspace) -> None:
    fleet = Fleet(web_1=[[line(1, "one"), CUT], [line(1, "one"), line(1, "twin", n=2), BEGUN]])
    assert read(workspace, fleet, "alice") == ["one", "twin"]


def test_following_waits_for_a_host_that_reboots(workspace: Workspace) -> None:
    away = HostError("web-1: cannot connect")
    fleet = Fleet(web_1=[[BEGUN, line(1, "before"), CUT], [away], [line(3, "after")]])
    assert read(workspace, fleet, "alice") == ["before", "after"]


def test_a_gap_is_a_record_of_its_own(workspace: Workspace) -> None:
    gap = {"type": "gap", "tenant": "alice", "service": "web", "source": "alice/abc", "after": at(1), "at": at(5)}
    got: list[LogLine] = []
    hosts: Any = Fleet(web_1=[[gap, line(5, "five")]])
    logs(replace(workspace, hosts=hosts), ["alice"], query=LogQuery(follow=True), on_line=got.append)
    assert (got[0].after, got[0].at, got[1].text) == (at(1), at(5), "five")
    assert got[0].as_json()["after"] == at(1)
    assert "after" not in got[1].as_json()


def test_who_is_not_there_is_told_at_once_while_the_others_go_on(workspace: Workspace) -> None:
    lost: list[str] = []
    heard = threading.Event()

    def on_lost(tenant: str, error: Exception) -> None:
        lost.append(f"{tenant}: {error}")
        heard.set()

    missing = {"type": "missing", "tenant": "bob", "error": "state", "message": "bob is not on this host", "hint": "x"}
    fleet = Fleet(web_1=[[missing, heard, line(1, "still there")]])
    with pytest.raises(PartialError, match="1 of 2 tenants failed: bob"):
        read(workspace, fleet, "alice", "bob", tell=LogListeners(on_lost=on_lost))
    assert lost == ["bob: web-1: bob is not on this host"]


@pytest.fixture
def two(tmp_path: Path) -> Workspace:
    """alice on web-1, bob on web-2."""
    return open_workspace(
        write_workspace(tmp_path / "two", {"web-1": 1, "web-2": 2}, {"alice": "web-1", "bob": "web-2"})
    )


def test_lines_of_several_hosts_are_ordered_by_corrected_clocks_and_a_large_skew_is_told_once(two: Workspace) -> None:
    skews: list[tuple[str, int]] = []
    fleet = Fleet(
        web_1=[[line(1, "one"), line(3, "three")]],
        web_2=[[line(9, "two", tenant="bob"), line(11, "four", tenant="bob")]],
        ahead={"web-1": 1.0, "web-2": 8.0},
    )
    tell = LogListeners(on_skew=lambda host, seconds: skews.append((host, round(seconds))))
    assert read(two, fleet, follow=False, tell=tell) == ["one", "two", "three", "four"]
    assert skews == [("web-2", 8)]


def test_a_host_that_is_lost_costs_the_others_nothing(two: Workspace) -> None:
    lost: list[str] = []
    heard = threading.Event()
    fleet = Fleet(web_1=[[HostError("web-1: cannot connect")]], web_2=[[heard, line(1, "here", tenant="bob")]])

    def on_lost(name: str, _error: Exception) -> None:
        lost.append(name)
        heard.set()

    with pytest.raises(PartialError, match="1 of 2 hosts failed: web-1"):
        read(two, fleet, tell=LogListeners(on_lost=on_lost))
    assert lost == ["web-1"]


def test_a_hosts_tenants_are_read_and_nobody_elses(two: Workspace) -> None:
    fleet = Fleet(web_2=[[line(1, "here", tenant="bob")]])
    assert read(two, fleet, hosts=["web-2"]) == ["here"]
    assert fleet.asked[0]["tenants"] == ["bob"]
    with pytest.raises(InventoryError):
        read(two, fleet, hosts=["web-9"])


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
