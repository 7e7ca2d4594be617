"""Each app that offers `usage-cost` is asked once a day, one at a time, and left alone where it must be."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from launchpad.runner import booting, paths
from launchpad.runner.account import Account
from launchpad.runner.app_cost import ACTION, costs_of
from launchpad.runner.host import CommandOutput
from launchpad.runner.protocol import Action
from launchpad.runner.watching.app_memory import LEAST_MEMORY
from launchpad.runner.watching.cost_check import AGAIN_SECONDS, DAY_SECONDS, CostCheck
from tests.memory.releases import release
from tests.runner.verbs.view import MemoryView, record_of, reopened
from tests.runner.watching.test_tenant_check import placed

ARGV = ("usage-cost",)
WEB = "lp-alice-a-web-1"
DAY = {"date": "2026-12-01", "cost": 0.33, "tokens": 102_000, "unpriced": 0}


def says(code: int = 0, **said: Any) -> CommandOutput:
    return CommandOutput(code, json.dumps({"complete": True, "days": [DAY], **said}), "")


@dataclass
class Watched:
    host: MemoryView
    check: CostCheck = field(init=False)

    def __post_init__(self) -> None:
        self.host.answers[ARGV] = says()
        self.restart_watch()

    def restart_watch(self) -> None:
        self.check = CostCheck(self.host, Account(self.host, ("costs",)))

    def go_on(self, seconds: float) -> int:
        """How often an app was asked in that time."""
        before, end = len(self.host.executed), self.host.elapsed() + seconds
        while self.host.elapsed() < end:
            assert list(self.check.look()) == []
            self.host.wait(self.check.every)
        return len(self.host.executed) - before


def offering(tenant: str = "alice", slot: int = 7) -> MemoryView:
    made, files = release(tenant, slot=slot, domains=(f"{tenant}.example.com",))
    return placed(made.but(actions=(Action(ACTION, "web", ARGV, 60),)), files)


@pytest.fixture
def watched() -> Watched:
    return Watched(offering())


def test_an_app_is_asked_once_a_day_also_over_a_restart_of_the_watch(watched: Watched) -> None:
    assert watched.go_on(DAY_SECONDS / 2) == 1
    assert costs_of(watched.host, "alice").days["2026-12-01"].tokens == 102_000
    assert watched.host.executed[0][::2] == (WEB, 20.0)
    watched.restart_watch()
    assert watched.go_on(DAY_SECONDS / 4) == 0
    assert watched.go_on(3 * DAY_SECONDS) == 3


def test_a_change_is_seen_a_day_later(watched: Watched) -> None:
    watched.go_on(60)
    watched.host.answers[ARGV] = says(days=[DAY | {"cost": 9.5}])
    watched.go_on(DAY_SECONDS + 60)
    assert costs_of(watched.host, "alice").days["2026-12-01"].cost_usd == 9.5


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (says(2), "ends with exit status 2"),
        (says(complete=False), "still adds up"),
        (CommandOutput(0, "\u001b[2Jdear operator", ""), "prints what cannot be understood"),
    ],
)
def test_what_brings_nothing_is_tried_again_and_its_reason_is_kept(
    watched: Watched, answer: CommandOutput, problem: str
) -> None:
    watched.go_on(60)
    good = costs_of(watched.host, "alice")
    watched.go_on(DAY_SECONDS - 60)
    watched.host.answers[ARGV] = answer
    assert watched.go_on(3 * AGAIN_SECONDS) == 3
    found = costs_of(watched.host, "alice")
    assert (found.problem, found.days, found.asked) == (problem, good.days, good.asked)
    watched.host.answers[ARGV] = says()
    watched.go_on(AGAIN_SECONDS)
    assert costs_of(watched.host, "alice").problem == ""


@pytest.mark.parametrize(
    "who", ["an operation holds it", "an operation was left open", "stopped", "a boot", "a breaker", "no such action"]
)
def test_nobody_is_asked_whose_app_does_not_run_or_is_somebody_elses(watched: Watched, who: str) -> None:
    host = watched.host
    if who == "an operation holds it":
        host.locks["tenant-alice"] = {"who": "bob", "operation": "op-1"}
    elif who == "an operation was left open":
        reopened(host)
    elif who == "a boot":
        host.remove(booting.OVER)
        host.write(booting.BOOTS, b"")
    elif who == "a breaker":
        host.write(f"{paths.tenant('alice')}/breaker.json", b'{"reason": "died"}')
    elif who == "stopped":
        host.write(paths.record("alice"), json.dumps(record_of(host) | {"running": False}).encode())
    else:
        watched = Watched(placed(*release("alice", domains=("alice.example.com",))))
    assert watched.go_on(2 * DAY_SECONDS) == 0


def test_an_app_that_needs_its_memory_is_not_asked(watched: Watched) -> None:
    watched.host.used[WEB] = (256 << 20) - LEAST_MEMORY + 1, 256 << 20
    assert watched.go_on(600) == 0
    assert costs_of(watched.host, "alice").problem == "not asked: too little memory is free"
