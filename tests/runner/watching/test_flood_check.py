"""The watch limits the CPU of a container that floods its log, and of no other."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from launchpad.runner.account import Account, done_by_watch
from launchpad.runner.facts import Grade
from launchpad.runner.watching.flood_check import LIST_SECONDS, LOOK_SECONDS, FloodCheck
from launchpad.runner.watching.flooding import CALM_SECONDS, LIMIT, LOUD_SECONDS
from tests.runner.verbs.view import MemoryView, deployed

WEB, STORE, BOB = "lp-alice-a-web-1", "lp-alice-a-store-1", "lp-bob-a-web-1"


@dataclass
class Watched:
    host: MemoryView = field(default_factory=lambda: deployed(tenant="bob", slot=8, host=deployed()))
    check: FloodCheck = field(init=False)

    def __post_init__(self) -> None:
        self.restart_watch()
        self.pass_by(LIST_SECONDS)

    def restart_watch(self) -> None:
        self.check = FloodCheck(self.host, Account(self.host, ("logs",)))

    def pass_by(self, seconds: float) -> None:
        for _ in range(round(seconds / LOOK_SECONDS)):
            self.host.wait(LOOK_SECONDS)
            assert list(self.check.look()) == []

    @property
    def done(self) -> list[str]:
        return [item.message for item in done_by_watch(self.host)]


@pytest.fixture
def watched() -> Watched:
    return Watched()


def flooding(watched: Watched, times: float = 2) -> None:
    watched.host.growth[WEB] = round(times * LIMIT * LOOK_SECONDS)
    watched.pass_by(LOUD_SECONDS)


def test_the_container_that_floods_is_limited_and_nobody_else(watched: Watched) -> None:
    flooding(watched)
    assert watched.host.cpu_limits.keys() == {WEB}
    (fact,) = watched.check.health
    assert (fact.tenant, fact.grade, fact.subject) == ("alice", Grade.warning, "log-web")
    assert watched.done == ["web floods its log, 0.5 MiB a second: limited to 25.0% of its CPUs"]


def test_it_is_free_again_when_the_flood_is_over(watched: Watched) -> None:
    flooding(watched)
    limited = watched.host.cpu_limits[WEB]
    watched.host.growth[WEB] = 0
    watched.pass_by(CALM_SECONDS)
    assert watched.host.cpu_limits[WEB] == pytest.approx(4 * limited)
    assert watched.check.health == []
    assert len(watched.done) == 2


def test_a_limit_outlives_the_watch_and_is_taken_away_by_the_next_one(watched: Watched) -> None:
    flooding(watched)
    limited = watched.host.cpu_limits[WEB]
    watched.host.growth.clear()
    watched.restart_watch()
    watched.pass_by(CALM_SECONDS + LOOK_SECONDS)
    assert watched.host.cpu_limits[WEB] == pytest.approx(4 * limited)


def test_an_operation_is_not_disturbed(watched: Watched) -> None:
    watched.host.locks["tenant-alice"] = {"operator": "alice"}
    flooding(watched)
    assert watched.host.cpu_limits == {}
    del watched.host.locks["tenant-alice"]
    watched.pass_by(LOOK_SECONDS)
    assert watched.host.cpu_limits.keys() == {WEB}


def test_what_the_flood_costs_the_host_is_told(watched: Watched) -> None:
    watched.host.write("/run/docker.pid", b"77")
    stat = b"77 (docker d) S " + b"0 " * 10 + b"%d %d " + b"0 " * 30
    watched.host.growth[WEB] = round(2 * LIMIT * LOOK_SECONDS)
    for ticks in (1000, 1100, 1200, 1300):
        watched.host.write("/proc/77/stat", stat % (ticks, 2 * ticks))
        watched.pass_by(LOOK_SECONDS)
    assert "(dockerd used 60% of a core)" in watched.done[0]


def test_what_is_rotated_away_between_two_looks_counts(watched: Watched) -> None:
    watched.host.growth[WEB] = round(LIMIT * LOOK_SECONDS / 4)
    for _ in range(round(LOUD_SECONDS / LOOK_SECONDS)):
        watched.check.pause()
        assert list(watched.check.look()) == []
    assert watched.host.cpu_limits.keys() == {WEB}, "each look alone saw a quarter of the limit"


def test_while_docker_is_down_nothing_is_done_and_later_it_is(watched: Watched) -> None:
    watched.host.docker_down = True
    flooding(watched)
    assert (watched.host.cpu_limits, watched.done) == ({}, [])
    watched.host.docker_down = False
    watched.pass_by(LOOK_SECONDS)
    assert watched.host.cpu_limits.keys() == {WEB}
