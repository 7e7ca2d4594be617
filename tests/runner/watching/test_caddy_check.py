"""The watch and Caddy: what does not answer is started again, once nobody else does so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from launchpad.runner import booting
from launchpad.runner.account import Account, done_by_watch
from launchpad.runner.host import Failed
from launchpad.runner.provision.effects import CADDY_PROJECT, COMPOSE
from launchpad.runner.watching.caddy_check import MOST_SILENT, CaddyCheck
from tests.runner.verbs.view import MemoryView


@dataclass
class CaddyHost(MemoryView):
    """Caddy's own project is up or not; `frozen`: its process is there, and no start makes it answer."""

    done: list[str] = field(default_factory=list)
    frozen: bool = False
    refuses: str = ""

    def up(self, folder: str, project: str, environment: Mapping[str, str]) -> None:
        assert project == CADDY_PROJECT
        self.done.append("up")
        if self.refuses:
            raise Failed(self.refuses)
        self.caddy_down = self.frozen

    def stop(self, project: str, seconds: int) -> None:
        assert project == CADDY_PROJECT
        self.done.append("stop")
        self.frozen = False


def provisioned(**more: Any) -> CaddyHost:
    host = CaddyHost(**more)
    host.write(COMPOSE, b"services: {}\n")
    return host


def look(host: CaddyHost, *, times: int = 1) -> list[str]:
    check = CaddyCheck(host, Account(host, ()))
    found: list[str] = []
    for _ in range(times):
        found = [item.message for item in check.look()]
        check.pause()
    return found


def test_a_caddy_that_answers_is_left_alone() -> None:
    host = provisioned()
    assert look(host) == [] and host.done == []


def test_one_that_does_not_is_started_and_history_has_it() -> None:
    host = provisioned(caddy_down=True)
    assert look(host, times=3) == []
    assert host.done == ["up"]
    assert [item.message for item in done_by_watch(host)] == ["Caddy did not answer; the watch restarted it"]


def test_one_that_takes_longer_to_come_back_is_in_history_too() -> None:
    class Slow(CaddyHost):
        def up(self, folder: str, project: str, environment: Mapping[str, str]) -> None:
            self.done.append("up")

        def wait(self, seconds: float) -> None:
            super().wait(seconds)
            self.caddy_down = self.caddy_down and self.done.count("up") < 2

    host = Slow(caddy_down=True)
    host.write(COMPOSE, b"services: {}\n")
    look(host, times=5)
    assert len(list(done_by_watch(host))) == 1


def test_one_that_runs_and_stays_silent_is_stopped_first() -> None:
    host = provisioned(caddy_down=True, frozen=True)
    look(host, times=MOST_SILENT + 1)
    assert host.done == ["up"] * (MOST_SILENT - 1) + ["stop", "up"]


def test_a_start_that_fails_is_a_finding_with_its_cause() -> None:
    host = provisioned(caddy_down=True, refuses="No such image")
    assert look(host) == ["Caddy cannot be started: No such image"]


def test_an_operation_on_the_host_is_left_to_do_it_and_so_is_a_first_provision() -> None:
    host = provisioned(caddy_down=True)
    with host.lock("host", {"operation": "provision"}):
        assert look(host) == [] and host.done == []
    host = CaddyHost(caddy_down=True)
    assert look(host) == [] and host.done == []


def test_a_boot_has_docker_start_it_and_only_then_the_watch() -> None:
    host = provisioned(caddy_down=True)
    host.write(booting.BOOTS, b"")
    assert look(host, times=3) == [] and host.done == []
    booting.finish(host)
    assert look(host) == [] and host.done == ["up"]
