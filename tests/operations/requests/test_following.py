"""Operations over a connection that breaks: nothing twice, nothing lost, and the id comes back to them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from benchkit.proxy import Proxy
from tenacity import RetryCallState

from launchpad.errors import HostError, LockedError, StateError
from launchpad.events import ConnectionCut, Event, HeardEvent, OperationFinished, StepDone, StepStarted, ignore
from launchpad.fleet.model.host import Host
from launchpad.operations.observation.attach import attach
from launchpad.operations.observation.cancel import cancel
from launchpad.operations.requests.absence import Absence
from launchpad.operations.requests.following import Patience, Submission, submit
from launchpad.operations.requests.outcome import OperationFailed
from launchpad.operations.tenants.deploy import DeployOptions, deploy
from launchpad.operations.tenants.restart import restart
from launchpad.ssh.problems import ConnectionLost
from launchpad.workspace import Workspace
from tests.operations.places import TOKEN, behave, open_workspace, replies, requests, write_workspace
from tests.ssh.sshd import Sshd, free_port


class Listener:
    """Keeps what it hears, and lets a test wait for it."""

    def __init__(self) -> None:
        self.heard: list[HeardEvent] = []
        self._changed = threading.Condition()

    def __call__(self, heard: HeardEvent) -> None:
        with self._changed:
            self.heard.append(heard)
            self._changed.notify_all()

    @property
    def events(self) -> list[Event]:
        return [heard.event for heard in self.heard]

    def wait_for(self, kind: type[Event], count: int = 1) -> None:
        with self._changed:
            enough = self._changed.wait_for(lambda: sum(isinstance(e, kind) for e in self.events) >= count, timeout=20)
        assert enough, f"no {kind.__name__}: {self.events}"


def over(proxy: Proxy, sshd: Sshd, tmp_path: Path) -> Workspace:
    """A workspace whose host is behind the proxy."""
    root = write_workspace(tmp_path / "far", {"web-1": proxy.port}, {"alice": "web-1"})
    hosts = root / "inventory/hosts.yaml"
    hosts.write_text(hosts.read_text().replace('"address"', f'"fingerprints": ["{sshd.fingerprint}"], "address"'))
    return open_workspace(root, sshd)


def test_a_deploy_is_one_connection_and_one_request(sshd: Sshd, tmp_path: Path) -> None:
    with Proxy(sshd.port) as proxy:
        listener = Listener()
        outcome = deploy(over(proxy, sshd, tmp_path), "alice", on_event=listener)
        assert proxy.connections == 1
    (asked,) = requests(sshd)
    assert (asked["verb"], asked["body"]["operation"]["kind"]) == ("submit", "deploy")
    assert asked["body"]["secrets"] == {"ECHO_TOKEN": {"version": 1, "value": TOKEN}}
    assert TOKEN not in str(asked["body"]["operation"]), "the operation is journaled"
    assert outcome.outcome == "done"
    assert [event.number for event in listener.events] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert {heard.tenant for heard in listener.heard} == {"alice"}


def test_a_cut_connection_is_come_back_to_by_the_id_from_the_last_event(sshd: Sshd, tmp_path: Path) -> None:
    (sshd.state / "hold-1").touch()
    with Proxy(sshd.port) as proxy:
        workspace, listener = over(proxy, sshd, tmp_path), Listener()
        outcomes: list[str] = []
        thread = threading.Thread(
            target=lambda: outcomes.append(deploy(workspace, "alice", on_event=listener).outcome), daemon=True
        )
        thread.start()
        listener.wait_for(StepStarted, 2)
        proxy.cut()
        listener.wait_for(ConnectionCut)
        (sshd.state / "hold-1").unlink()
        thread.join(20)
        assert outcomes == ["done"]
    told = [event.number for event in listener.events if not isinstance(event, ConnectionCut)]
    assert told == [1, 2, 3, 4, 5, 6, 7, 8], "each event once, in order"
    first, *later = requests(sshd)
    assert first["verb"] == "submit"
    assert {request["verb"] for request in later} == {"follow"}
    assert later[-1]["body"] == {"id": first["body"]["id"], "after": 4}


def test_a_cut_before_anything_was_heard_sends_the_same_request_again_and_begins_nothing_twice(
    sshd: Sshd, tmp_path: Path
) -> None:
    """Whether the first one arrived cannot be known; the id makes both the same operation."""
    behave(sshd, submit={"wait": "go"})
    with Proxy(sshd.port) as proxy:
        workspace, listener = over(proxy, sshd, tmp_path), Listener()
        outcomes: list[str] = []
        thread = threading.Thread(
            target=lambda: outcomes.append(deploy(workspace, "alice", on_event=listener).outcome), daemon=True
        )
        thread.start()
        wait_until(lambda: len(requests(sshd)) == 1)
        (sshd.state / "behaviour.json").unlink()
        proxy.cut()
        thread.join(20)
        assert outcomes == ["done"]
    first, second = requests(sshd)
    assert first == second
    assert len(list((sshd.state / "operations").iterdir())) == 1


def test_a_host_that_is_gone_for_good_leaves_the_command_to_come_back_with(sshd: Sshd, tmp_path: Path) -> None:
    (sshd.state / "hold-0").touch()
    with Proxy(sshd.port) as proxy:
        workspace, listener = over(proxy, sshd, tmp_path), Listener()
        operation = {"kind": "restart", "tenant": "alice"}
        patience = Patience(silent=0.1)
        submission = Submission(identifier="op-0000000001", operation=operation, patience=patience)
        errors: list[HostError] = []

        def work() -> None:
            try:
                submit(workspace, workspace.fleet.load().host("web-1"), submission, on_event=listener)
            except HostError as error:
                errors.append(error)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        listener.wait_for(StepStarted)
        sshd.stop()
        proxy.cut()
        thread.join(30)
    assert "launchpad attach op-0000000001 --host web-1" in errors[0].hint


class CutOnce:
    """The way to a host whose connection stands for a while, without a word, and is cut."""

    name = "web-1"

    def __init__(self, *, stands: float, away: int) -> None:
        self.stands, self.away = stands, away
        self.attempts = 0

    @contextmanager
    def reach(self, host: Host) -> Iterator[CutOnce]:
        self.attempts += 1
        if 1 < self.attempts <= 1 + self.away:
            raise HostError(f"{host.name}: cannot connect")
        yield self

    def exchange(self, verb: str, body: Mapping[str, Any], **_how: Any) -> Iterator[dict[str, Any]]:
        if self.attempts == 1:
            time.sleep(self.stands)
            raise ConnectionLost("web-1: the connection broke")
        yield {"type": "reply", "body": {"id": body.get("id", ""), "outcome": "done", "message": "", "lines": []}}


def test_patience_begins_at_the_cut_however_long_the_operation_was_followed(workspace: Workspace) -> None:
    hosts: Any = CutOnce(stands=0.4, away=0)
    submission = Submission(
        identifier="op-0000000001", operation={"kind": "restart", "tenant": "alice"}, patience=Patience(silent=0.3)
    )
    host = workspace.fleet.load().host("web-1")
    assert submit(replace(workspace, hosts=hosts), host, submission, on_event=ignore).outcome == "done"
    assert hosts.attempts == 2


class Hands:
    """A clock that is moved by hand."""

    time = 0.0

    def monotonic(self) -> float:
        return self.time

    now = monotonic

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def test_a_host_is_away_from_the_cut_until_it_answers() -> None:
    clock, state = Hands(), cast(RetryCallState, None)
    absence = Absence(clock, most=600)
    clock.time = 3600
    assert not absence.too_long(state), "it was just cut"
    clock.time += 599
    assert not absence.too_long(state)
    absence.heard()
    clock.time += 300
    assert not absence.too_long(state), "away anew"
    absence.connected()
    clock.time += 300
    assert not absence.too_long(state), "a connection that stood for minutes, though nothing was to be told"
    for _ in range(9):
        absence.connected()
        clock.time += 61
        assert not absence.too_long(state)
    absence.connected()
    clock.time += 61
    assert absence.too_long(state), "a host that takes connections and never answers"


def test_a_host_that_cannot_be_reached_is_asked_nothing_and_not_waited_for(tmp_path: Path, sshd: Sshd) -> None:
    root = write_workspace(tmp_path / "dead", {"web-1": free_port()}, {"alice": "web-1"})
    started = time.monotonic()
    with pytest.raises(HostError, match="cannot connect") as caught:
        deploy(open_workspace(root, sshd), "alice")
    assert not isinstance(caught.value, ConnectionLost)
    assert time.monotonic() - started < 10


def test_the_same_id_attaches_and_another_body_under_it_is_refused(workspace: Workspace, sshd: Sshd) -> None:
    how = DeployOptions(identifier="op-0000000001")
    assert deploy(workspace, "alice", how=how).outcome == "done"
    listener = Listener()
    assert deploy(workspace, "alice", how=how, on_event=listener).outcome == "done"
    assert len(listener.events) == 8
    with pytest.raises(StateError):
        deploy(workspace, "bob", how=how)


def test_attach_follows_from_the_first_event_and_says_what_it_is(workspace: Workspace) -> None:
    deploy(workspace, "alice", how=DeployOptions(identifier="op-0000000001"))
    listener = Listener()
    outcome = attach(workspace, "op-0000000001", host="web-1", on_event=listener)
    assert (outcome.kind, outcome.tenant, outcome.outcome) == ("deploy", "alice", "done")
    assert isinstance(listener.events[-1], OperationFinished)


def test_attach_finds_the_host_that_has_it(workspace: Workspace, sshd: Sshd) -> None:
    deploy(workspace, "alice", how=DeployOptions(identifier="op-0000000001"))
    entry = {"id": "op-0000000001", "kind": "deploy", "who": "alice", "at": 1.0}
    behave(sshd, history=replies({"operations": [entry]}))
    assert attach(workspace, "op-0000000001").outcome == "done"
    behave(sshd, history=replies({"operations": []}))
    with pytest.raises(StateError, match="no host has operation op-0000000002"):
        attach(workspace, "op-0000000002")


def test_not_following_returns_at_once_and_the_operation_goes_on(workspace: Workspace, sshd: Sshd) -> None:
    (sshd.state / "hold-0").touch()
    outcome = deploy(workspace, "alice", how=DeployOptions(identifier="op-0000000001", follow=False))
    assert outcome.outcome == "running"
    (sshd.state / "hold-0").unlink()
    assert attach(workspace, "op-0000000001", host="web-1").outcome == "done"


def test_a_cancelled_operation_ends_as_a_failure_that_says_so(workspace: Workspace, sshd: Sshd) -> None:
    (sshd.state / "hold-1").touch()
    deploy(workspace, "alice", how=DeployOptions(identifier="op-0000000001", follow=False))
    assert cancel(workspace, "op-0000000001", host="web-1")["outcome"] == "cancelling"
    with pytest.raises(OperationFailed, match="alice: deploy was cancelled and undone") as caught:
        attach(workspace, "op-0000000001", host="web-1")
    assert caught.value.exit_code == 6
    assert caught.value.outcome is not None


def test_an_undone_operation_tells_why_with_its_log_lines(workspace: Workspace, sshd: Sshd) -> None:
    body = {"id": "x", "outcome": "undone", "message": "web exited with 1", "lines": ["boom"], "seconds": 3.5}
    behave(sshd, submit=replies(body))
    with pytest.raises(OperationFailed, match="alice: restart failed and was undone: web exited with 1") as caught:
        restart(workspace, "alice")
    assert caught.value.outcome is not None
    assert caught.value.outcome.lines == ("boom",)
    assert caught.value.hint == "launchpad logs alice"


def test_a_lock_is_told_with_its_holder(workspace: Workspace, sshd: Sshd) -> None:
    line = {
        "type": "error",
        "error": "locked",
        "message": "alice: deploy by bob holds it",
        "hint": "launchpad attach x",
    }
    behave(sshd, submit={"lines": [line], "exit": 1})
    with pytest.raises(LockedError, match="web-1: alice: deploy by bob holds it"):
        deploy(workspace, "alice")


def test_a_tenant_that_is_not_to_run_is_not_deployed(workspace: Workspace, sshd: Sshd) -> None:
    file = workspace.root / "inventory/tenants/alice.yaml"
    file.write_text(file.read_text().replace("{", '{"running": false, ', 1))
    with pytest.raises(StateError, match="running: false"):
        deploy(workspace, "alice")
    assert requests(sshd) == []


def test_what_a_deploy_replaces_is_named_only_when_it_is_known(workspace: Workspace, sshd: Sshd) -> None:
    deploy(workspace, "alice")
    deploy(workspace, "alice", how=DeployOptions(replaces=None))
    deploy(workspace, "alice", how=DeployOptions(replaces="0" * 12))
    operations = [request["body"]["operation"] for request in requests(sshd)]
    assert [operation.get("replaces", "absent") for operation in operations] == ["absent", None, "0" * 12]


def test_an_event_that_is_sent_again_is_told_once(workspace: Workspace, sshd: Sshd) -> None:
    """A runner may begin at the first event again, whatever it was asked for."""
    events = [{"type": "event", "number": number, "at": 1.0, "event": "committed"} for number in (1, 2, 1, 2, 3)]
    end = replies({"id": "x", "outcome": "done", "message": "", "lines": []})["lines"]
    behave(sshd, submit={"lines": [*events, *end]})
    listener = Listener()
    deploy(workspace, "alice", on_event=listener)
    assert [event.number for event in listener.events] == [1, 2, 3]


def test_steps_come_with_their_times(workspace: Workspace) -> None:
    listener = Listener()
    deploy(workspace, "alice", on_event=listener)
    assert all(event.seconds == 0.01 for event in listener.events if isinstance(event, StepDone))


def wait_until(condition: object) -> None:
    deadline = time.monotonic() + 20
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.01)
