"""The watcher: back-off, breaker, and whose containers it leaves alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from launchpad.runner import booting, engine, paths
from launchpad.runner.account import Account, done_by_watch
from launchpad.runner.facts import Fact, Grade, Layer
from launchpad.runner.host import Failed
from launchpad.runner.verbs.submit import submit
from launchpad.runner.watch import (
    BOOT_SECONDS,
    LOOK_SECONDS,
    MOST_DEATHS,
    MOST_PAUSE,
    STARTED_SECONDS,
    WINDOW_SECONDS,
    Break,
    Death,
    Restart,
    Watcher,
    decide,
    watch,
)
from tests.memory.host import stamp
from tests.runner.verbs.view import CALLER, MemoryView, closed, deployed, record_of, reopened

WEB = "lp-alice-a-web-1"


def deaths(*ats: float, exit_code: int = 1, out_of_memory: bool = False) -> list[Death]:
    return [Death(at, exit_code, out_of_memory) for at in ats]


# --- deciding


@pytest.mark.parametrize(("ats", "after"), [((0,), 1), ((0, 5), 2), ((0, 5, 10), 4), ((0, 5, 10, 20), 8)])
def test_each_death_is_waited_for_twice_as_long_as_the_one_before(ats: tuple[float, ...], after: float) -> None:
    assert decide(deaths(*ats), ats[-1]) == Restart(ats[-1] + after)


def test_the_fifth_death_within_ten_minutes_is_the_last() -> None:
    decision = decide(deaths(0, 100, 200, 300, 599), 599)
    assert isinstance(decision, Break)
    assert "5 times within 10 minutes" in decision.reason and "exit status 1" in decision.reason


def test_deaths_longer_ago_than_the_window_do_not_count() -> None:
    assert decide(deaths(0, 100, 200, 300, 601), 601) == Restart(609)
    assert decide(deaths(0, 1, 2, 3, 5000), 5000) == Restart(5001)


def test_the_second_exit_that_the_app_calls_permanent_is_the_last() -> None:
    assert isinstance(decide(deaths(0, exit_code=78), 0), Restart)
    decision = decide(deaths(0, 5, exit_code=78), 5)
    assert isinstance(decision, Break) and "78" in decision.reason


def test_want_of_memory_is_named() -> None:
    decision = decide(deaths(*range(MOST_DEATHS), exit_code=137, out_of_memory=True), 5)
    assert isinstance(decision, Break) and "memory ran out" in decision.reason


def test_nothing_that_died_is_nothing_to_wait_for() -> None:
    assert decide([], 10) == Restart(11)


# --- carrying out


def go_on(watcher: Watcher, host: MemoryView, *, seconds: float = 60) -> None:
    """Let so much time pass, with the watcher looking whenever it wants to."""
    end = host.now() + seconds
    while host.now() < end:
        host.wait(min(watcher.look(), end - host.now()) or 0.01)


def test_a_container_that_died_is_started_again_after_a_second() -> None:
    host = deployed()
    host.dies(WEB)
    account = Account(host, ())
    watcher = Watcher(host, account)
    assert watcher.look() == pytest.approx(1)
    assert (host.started, account.restarts()) == ([], {})
    host.wait(1.01)
    watcher.look()
    assert (host.started, account.restarts()) == ([WEB], {"alice": 1})
    assert host.boxes[WEB].state == "running"


def refusing(host: MemoryView) -> list[float]:
    """Docker starts no dead container again, until the test deletes `host.start_container`; when it was asked to."""
    tries: list[float] = []

    def refuse(_: str) -> None:
        tries.append(host.now())
        raise Failed("Docker: address already in use")

    host.start_container = refuse  # type: ignore[method-assign]
    return tries


def test_a_start_that_docker_refuses_is_a_finding_and_tried_again_at_each_look_until_it_succeeds() -> None:
    host = deployed(tenant="bob", slot=8, host=deployed())
    tries = refusing(host)
    host.dies(WEB)
    watcher = Watcher(host)
    go_on(watcher, host, seconds=10 * LOOK_SECONDS)
    (found,) = watcher.findings()
    assert found.message == "web cannot be restarted: Docker: address already in use"
    assert (found.tenant, found.hint) == ("alice", "launchpad logs alice")
    assert 9 <= len(tries) <= 10
    del host.start_container
    go_on(watcher, host, seconds=LOOK_SECONDS + 1)
    assert host.started == [WEB] and watcher.findings() == []
    host.dies(WEB)
    go_on(watcher, host, seconds=5)
    assert host.started == [WEB, WEB], "the next death waits for the start that was refused before"


@pytest.mark.parametrize("ends", ["stopped", "started by hand", "started by hand and died again"])
def test_what_docker_refused_is_no_finding_any_more_when_somebody_else_saw_to_it(ends: str) -> None:
    host = deployed()
    refusing(host)
    host.dies(WEB)
    watcher = Watcher(host)
    go_on(watcher, host, seconds=LOOK_SECONDS)
    assert watcher.findings()
    if ends == "stopped":
        operate(host, "stop")
    else:
        host.boxes[WEB] = host.boxes[WEB].but(state="running", started_at=stamp(host.clock))
    if ends == "started by hand and died again":
        host.dies(WEB)
    watcher.look()
    assert watcher.findings() == []


def test_what_runs_is_left_alone() -> None:
    host = deployed()
    assert Watcher(host).look() == LOOK_SECONDS
    assert host.started == []


def test_a_crash_loop_ends_after_five_deaths_with_a_report() -> None:
    host = deployed()
    host.behaviours[host.boxes[WEB].image] = "crash"
    watcher = Watcher(host)
    go_on(watcher, host, seconds=300)
    assert host.started == [WEB] * (MOST_DEATHS - 1)
    report = json.loads(host.read(f"{paths.tenant('alice')}/breaker.json") or b"")
    assert report["service"] == "web" and report["exit_code"] == 1 and report["deaths"] == 5
    assert report["reason"].startswith("web died 5 times") and report["lines"]
    go_on(watcher, host, seconds=3600)
    assert host.started == [WEB] * (MOST_DEATHS - 1), "it was started although the breaker had tripped"


def test_what_dies_on_a_full_disk_runs_again_once_there_is_room() -> None:
    host = deployed()
    host.behaviours[host.boxes[WEB].image] = "crash"
    host.disk_full = True
    watcher = Watcher(host)
    go_on(watcher, host, seconds=300)
    assert MOST_DEATHS < len(host.started) < 300 / LOOK_SECONDS + MOST_DEATHS
    host.disk_full = False
    host.behaviours.clear()
    go_on(watcher, host, seconds=LOOK_SECONDS + 1)
    assert host.boxes[WEB].state == "running"
    assert host.read(f"{paths.tenant('alice')}/breaker.json") is None


def test_deaths_on_a_full_disk_do_not_count_once_there_is_room() -> None:
    host = deployed()
    host.behaviours[host.boxes[WEB].image] = "crash"
    host.disk_full = True
    watcher = Watcher(host)
    while len(host.started) < MOST_DEATHS:
        host.clock += watcher.look()
    host.disk_full = False  # the container that was started last died of it, and nobody has looked since
    host.behaviours.clear()
    go_on(watcher, host, seconds=3 * LOOK_SECONDS)
    assert host.boxes[WEB].state == "running"
    assert host.read(f"{paths.tenant('alice')}/breaker.json") is None


def test_what_dies_on_a_full_disk_is_given_the_room_that_was_kept_for_it() -> None:
    host = deployed()
    watcher = Watcher(host)
    watcher.look()
    assert host.read(paths.RESERVE)
    host.dies(WEB)
    go_on(watcher, host, seconds=10)
    assert host.read(paths.RESERVE), "given up although there was room"
    host.disk_full = True
    host.dies(WEB)
    go_on(watcher, host, seconds=10)
    assert host.boxes[WEB].state == "running"
    assert host.read(paths.RESERVE) is None
    watcher.look()
    assert host.read(paths.RESERVE) is None, "taken again while the disk was full"
    host.disk_full = False
    watcher.look()
    assert host.read(paths.RESERVE)


def test_what_the_watch_did_stands_in_its_journal() -> None:
    host = deployed()
    host.behaviours[host.boxes[WEB].image] = "crash"
    go_on(Watcher(host), host, seconds=300)
    told = [(item.subject, item.tenant, item.message) for item in done_by_watch(host)]
    assert told[0] == ("apps", "alice", "web died with exit status 1; the watch restarted it")
    assert len(told) == MOST_DEATHS and told[-1][2].endswith(
        "the last time with exit status 1; the watch no longer restarts it"
    )


def test_a_breaker_survives_the_watcher() -> None:
    host = deployed()
    host.write(f"{paths.tenant('alice')}/breaker.json", b"{}")
    host.dies(WEB)
    go_on(Watcher(host), host)
    assert host.started == []


def test_starting_the_tenant_clears_the_breaker_and_it_is_watched_anew() -> None:
    host = deployed()
    host.behaviours[host.boxes[WEB].image] = "crash"
    watcher = Watcher(host)
    go_on(watcher, host, seconds=300)
    host.behaviours.clear()
    operate(host, "start")
    assert host.read(f"{paths.tenant('alice')}/breaker.json") is None
    host.dies(WEB)
    before = len(host.started)
    go_on(watcher, host, seconds=3)
    assert len(host.started) == before + 1, "the deaths before the start still counted"


def operate(host: MemoryView, kind: str, identifier: str = "") -> None:
    operation = {"kind": kind, "tenant": "alice"}
    list(submit(host, {"id": identifier or f"operation-{kind}", "operation": operation, "follow": False}, CALLER))
    engine.carry_out(host, host.begun[-1])


def test_a_tenant_that_was_stopped_or_retired_stays_so() -> None:
    for kind in ("stop", "retire"):
        host = deployed()
        box = host.boxes[WEB]
        operate(host, kind)
        host.boxes[WEB] = box
        host.dies(WEB)
        go_on(Watcher(host), host)
        assert host.started == []


def test_a_tenant_that_an_operation_holds_is_left_to_it_and_looked_at_again() -> None:
    host = deployed()
    host.dies(WEB)
    watcher = Watcher(host)
    with host.lock("tenant-alice", {"operation": "operation-2"}):
        go_on(watcher, host)
        assert host.started == []
    go_on(watcher, host)
    assert host.started == [WEB]


def test_a_tenant_with_an_operation_that_a_dead_runner_left_is_left_to_who_settles_it() -> None:
    host = deployed()
    reopened(host)
    host.dies(WEB)
    go_on(Watcher(host), host)
    assert host.started == []


def test_what_operations_stop_is_no_death_of_the_app() -> None:
    host = deployed()
    watcher = Watcher(host)
    for number in range(MOST_DEATHS + 1):
        reopened(host)
        host.dies(WEB)
        watcher.look()
        closed(host)
        host.start_container(WEB)
        watcher.look()
        assert host.boxes[WEB].state == "running", number
    host.started.clear()
    host.dies(WEB)
    go_on(watcher, host, seconds=3)
    assert host.started == [WEB], "the app died once, and the breaker tripped or it was waited for"


def test_what_an_operation_left_stopped_is_started_when_it_is_over() -> None:
    host = deployed()
    watcher = Watcher(host)
    reopened(host)
    host.dies(WEB)
    watcher.look()
    closed(host)
    go_on(watcher, host, seconds=3)
    assert host.started == [WEB]


def test_containers_of_the_side_that_does_not_serve_or_of_another_release_are_left_alone() -> None:
    for key, value in (("side", "b"), ("started", "0123456789ab")):
        host = deployed()
        host.write(paths.record("alice"), json.dumps(record_of(host) | {key: value}).encode())
        host.dies(WEB)
        go_on(Watcher(host), host)
        assert host.started == []


def test_one_tenant_that_cannot_be_seen_to_keeps_no_other_waiting() -> None:
    host = deployed(tenant="bob", slot=8, host=deployed())
    host.write(paths.record("alice"), b"{torn")
    host.dies(WEB)
    host.dies("lp-bob-a-web-1")
    go_on(Watcher(host), host, seconds=5)
    assert host.started == ["lp-bob-a-web-1"]


def test_what_docker_takes_for_running_is_started_again_when_its_process_is_gone() -> None:
    host = deployed()
    host.boxes[WEB] = host.boxes[WEB].but(state="dead", process=0)
    go_on(Watcher(host), host, seconds=3)
    assert host.started == [WEB]


def test_a_tenant_whose_container_is_gone_is_started_anew_with_its_secrets_and_let_in() -> None:
    host = deployed()
    release = record_of(host)["release"]
    del host.boxes[WEB]
    host.remove(paths.secrets("alice", release))
    host.opened.clear()
    watcher = Watcher(host)
    go_on(watcher, host, seconds=10)
    assert host.request("alice.example.com") == release
    assert watcher.findings() == []
    assert [item.message for item in done_by_watch(host)] == [
        "containers or the network were missing; the watch created and started them"
    ]


def test_a_tenant_that_cannot_be_started_is_a_finding_and_tried_ever_more_seldom_until_it_can() -> None:
    host = deployed(tenant="bob", slot=8, host=deployed())
    del host.boxes[WEB]
    vault = {path: host.files.pop(path) for path in list(host.files) if path.startswith(paths.vault("alice"))}
    watcher = Watcher(host)
    tries: list[float] = []
    has_image = host.has_image

    def count(image: str) -> bool:
        tries.append(host.now())
        return has_image(image)

    host.has_image = count  # type: ignore[method-assign]
    go_on(watcher, host, seconds=3600)
    (found,) = watcher.findings()
    assert (found.tenant, found.hint) == ("alice", "launchpad deploy alice")
    assert found.message.startswith("cannot be started: ") and "secret-of" not in found.message
    assert 5 <= len(set(tries)) <= 15 and host.boxes["lp-bob-a-web-1"].state == "running"
    host.files |= vault
    go_on(watcher, host, seconds=MOST_PAUSE)
    assert watcher.findings() == [] and host.request("alice.example.com") == record_of(host)["release"]


@pytest.mark.parametrize("kept_down", ["stopped", "breaker", "operation", "boot"])
def test_a_tenant_without_containers_is_left_alone_where_something_else_decides(kept_down: str) -> None:
    host = deployed()
    if kept_down == "stopped":
        operate(host, "stop")
    if kept_down == "breaker":
        host.write(f"{paths.tenant('alice')}/breaker.json", b"{}")
    if kept_down == "operation":
        reopened(host)
    if kept_down == "boot":
        host.write(booting.BOOTS, b"")
    host.boxes.clear()
    go_on(Watcher(host), host, seconds=600)
    assert not host.boxes


def test_while_the_host_boots_the_watch_sees_to_those_alone_whose_turn_is_over() -> None:
    host = deployed(tenant="bob", slot=8, host=deployed())
    booting.begin_with(host)
    host.reboot()
    booting.see_to(host, ["bob"])
    watcher = Watcher(host)
    go_on(watcher, host, seconds=60)
    assert {name.split("-")[1] for name in host.started} == {"bob"}
    assert watcher.findings() == []
    go_on(watcher, host, seconds=BOOT_SECONDS)
    assert [item.subject for item in watcher.findings()] == ["boot"]
    booting.finish(host)
    go_on(watcher, host, seconds=60)
    assert {name.split("-")[1] for name in host.started} == {"alice", "bob"}
    assert watcher.findings() == []


def test_what_docker_calls_unhealthy_is_a_finding_and_nothing_is_restarted_for_it() -> None:
    host = deployed()
    watcher = Watcher(host)
    host.boxes[WEB] = host.boxes[WEB].but(ill=True)
    go_on(watcher, host, seconds=300)
    (found,) = watcher.findings()
    assert (found.tenant, found.message) == ("alice", "web is unhealthy according to its image's health check")
    assert found.hint == "launchpad logs alice"
    assert host.started == []
    host.boxes[WEB] = host.boxes[WEB].but(ill=False)
    go_on(watcher, host, seconds=LOOK_SECONDS)
    assert watcher.findings() == []


def test_a_death_long_after_the_others_is_waited_for_only_a_second() -> None:
    host = deployed()
    watcher = Watcher(host)
    for _ in range(3):
        host.dies(WEB)
        go_on(watcher, host, seconds=20)
    host.wait(WINDOW_SECONDS)
    host.dies(WEB)
    assert watcher.look() == pytest.approx(1)


def test_docker_may_go_away_and_come_back() -> None:
    class Ends(BaseException):
        """The unit is stopped."""

    class Host(MemoryView):
        def wait(self, seconds: float) -> None:
            super().wait(seconds)
            self.docker_down = False

        def containers(self, tenant: str = "") -> list[Any]:
            found = super().containers(tenant)
            if not self.docker_down:
                raise Ends
            return found

    host = Host(docker_down=True)
    with pytest.raises(Ends):
        watch(host, ())
    with pytest.raises(Failed):
        MemoryView(docker_down=True).containers()


# --- the facts


def processes(host: MemoryView, watcher: Watcher | None = None) -> dict[str, Fact]:
    watcher = watcher or Watcher(host)
    watcher.look()
    return {fact.tenant: fact for fact in watcher.health if fact.layer is Layer.process}


def test_the_processes_of_each_tenant_are_a_fact() -> None:
    host = deployed(tenant="bob", slot=8, host=deployed())
    found = processes(host)
    assert {name: (fact.grade, fact.message) for name, fact in found.items()} == dict.fromkeys(
        ("alice", "bob"), (Grade.ok, "2 containers run")
    )
    host.dies(WEB, exit_code=137)
    watcher = Watcher(host)
    found = processes(host, watcher)
    assert (found["alice"].grade, found["alice"].message) == (Grade.warning, "web does not run (exit status 137)")
    assert found["bob"].grade is Grade.ok
    host.wait(1.1)
    assert watcher.look() <= STARTED_SECONDS, "it looks at once whether it runs"
    assert processes(host, watcher)["alice"].grade is Grade.ok
    host.dies(WEB, exit_code=137)
    assert processes(host, watcher)["alice"].grade is Grade.warning
    assert processes(host, watcher)["alice"].grade is Grade.critical, "it died again"
    host.write(f"{paths.tenant('alice')}/breaker.json", b'{"reason": "web died 5 times"}')
    found = processes(host)
    assert (found["alice"].message, found["alice"].hint) == ("web died 5 times", "launchpad start alice")


@pytest.mark.parametrize("who", ["stopped", "held", "open"])
def test_the_processes_of_a_tenant_that_is_not_to_run_or_that_somebody_has_are_no_fact(who: str) -> None:
    host = deployed()
    if who == "stopped":
        host.write(paths.record("alice"), json.dumps(record_of(host) | {"running": False}).encode())
    elif who == "held":
        host.locks["tenant-alice"] = {"who": "bob"}
    else:
        reopened(host)
    host.dies(WEB)
    assert processes(host) == {}
