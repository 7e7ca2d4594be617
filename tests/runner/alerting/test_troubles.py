"""Who is told what of facts that come and go: by looks with a clock that is passed in."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator

import pytest

from launchpad.runner.alerting.troubles import EXPLAINS, Notice, NoticeKind, Trouble, decide
from launchpad.runner.facts import Fact, Grade, Layer

LOOK_SECONDS = 10.0
HOUR = 3600.0
TENANTS = tuple(f"tenant-{number}" for number in range(20))


class Told:
    """Looks at facts every ten seconds, and keeps what is to be told."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.troubles: tuple[Trouble, ...] = ()
        self.notices: list[Notice] = []

    def look(self, *facts: Fact, seconds: float = LOOK_SECONDS, silent: Iterable[str] = ()) -> list[str]:
        """The same facts for so long; what was told meanwhile."""
        before = len(self.notices)
        for _ in range(round(seconds / LOOK_SECONDS)):
            self.now += LOOK_SECONDS
            decision = decide(self.troubles, facts, self.now, silent=frozenset(silent))
            self.troubles = decision.troubles
            self.notices += decision.notices
        return [said(notice) for notice in self.notices[before:]]


def said(notice: Notice) -> str:
    return f"{notice.kind} {notice.fact.tenant or 'host'} {notice.fact.layer}"


def bad(layer: Layer, tenant: str = "", grade: Grade = Grade.critical, subject: str = "") -> Fact:
    return Fact(layer=layer, grade=grade, message="does not work", tenant=tenant, subject=subject)


def fine(layer: Layer, tenant: str = "") -> Fact:
    return Fact(layer=layer, grade=Grade.ok, message="", tenant=tenant)


DOWN = bad(Layer.ready, "alice")


def test_what_is_repaired_at_once_wakes_nobody() -> None:
    told = Told()
    assert told.look(DOWN, seconds=30) == []
    assert told.look(fine(Layer.ready, "alice"), seconds=HOUR) == []
    assert told.troubles == ()


def test_told_once_within_a_minute_and_once_when_it_is_over() -> None:
    told = Told()
    assert told.look(DOWN, seconds=60) == ["problem alice ready"]
    assert told.look(DOWN, seconds=HOUR) == []
    assert told.look(fine(Layer.ready, "alice"), seconds=HOUR) == ["recovered alice ready"]
    (problem, recovered) = told.notices
    assert recovered.since == problem.since
    assert told.troubles == ()


def test_a_fact_that_is_gone_is_over_too() -> None:
    told = Told()
    told.look(DOWN, seconds=60)
    assert told.look(seconds=HOUR) == ["recovered alice ready"]


def test_what_nobody_can_look_at_is_neither_over_nor_new() -> None:
    told = Told()
    blind = bad(Layer.ready, "alice", Grade.unknown)
    assert told.look(blind, seconds=HOUR) == []
    told.look(DOWN, seconds=60)
    assert told.look(blind, seconds=HOUR) == []


def test_what_flaps_is_told_once() -> None:
    told = Told()
    for _ in range(100):
        told.look(DOWN, seconds=20)
        told.look(fine(Layer.ready, "alice"), seconds=20)
    assert [said(notice) for notice in told.notices] == ["problem alice ready"]
    assert told.look(seconds=HOUR) == ["recovered alice ready"]


def test_a_warning_waits_longer_and_is_told_again_when_it_is_critical() -> None:
    told = Told()
    warning = bad(Layer.data, "alice", Grade.warning, "quota")
    assert told.look(warning, seconds=240) == []
    assert told.look(warning, seconds=120) == ["problem alice data"]
    assert told.look(bad(Layer.data, "alice", subject="quota"), seconds=60) == ["worse alice data"]
    assert told.look(warning, seconds=HOUR) == []
    assert told.look(bad(Layer.data, "alice", subject="quota"), seconds=HOUR) == [], "it was told how bad it can be"


def test_what_is_critical_for_a_day_is_told_again() -> None:
    told = Told()
    assert told.look(DOWN, seconds=50 * HOUR) == ["problem alice ready", "still alice ready", "still alice ready"]


def test_the_hosts_docker_is_one_alert_for_twenty_tenants() -> None:
    told = Told()
    tenants = [bad(Layer.process, tenant) for tenant in TENANTS]
    assert told.look(bad(Layer.docker), *tenants, seconds=HOUR) == ["problem host docker"]
    (notice,) = told.notices
    assert notice.affected == tuple(sorted(TENANTS))
    assert told.look(*tenants, seconds=120) == [], "they are on their way up"
    assert told.look(seconds=HOUR) == ["recovered host docker"]


def test_a_cause_that_is_seen_a_little_later_is_still_the_only_one_told() -> None:
    told = Told()
    told.look(bad(Layer.caddy), bad(Layer.process, "alice"), seconds=10)
    facts = (bad(Layer.docker), bad(Layer.caddy), bad(Layer.process, "alice"))
    assert told.look(*facts, seconds=HOUR) == ["problem host docker"]
    assert told.notices[0].affected == ("alice",)


def test_two_looks_at_one_thing_are_one_alert() -> None:
    told = Told()
    looks = (bad(Layer.docker, subject="answer"), bad(Layer.docker, subject="unit"))
    assert told.look(*looks, seconds=HOUR) == ["problem host docker"]
    assert told.look(looks[1], seconds=HOUR) == ["problem host docker", "recovered host docker"], "it still stands"
    told.look(seconds=HOUR)
    full = (bad(Layer.data, "alice", subject="quota"), bad(Layer.data, "alice", subject="backup"))
    assert told.look(*full, seconds=60) == ["problem alice data"] * 2, "two things"


def test_the_slower_of_two_looks_at_what_is_over_tells_nothing() -> None:
    told = Told()
    looks = (bad(Layer.docker, subject="engine"), bad(Layer.docker, subject="docker"))
    assert told.look(looks[0], seconds=10) + told.look(*looks, seconds=120) == ["problem host docker"]
    assert told.look(looks[1], seconds=40) == [], "its check has not looked again"
    assert told.look(seconds=HOUR) == ["recovered host docker"]


def test_who_does_not_come_back_after_the_cause_is_told() -> None:
    told = Told()
    told.look(bad(Layer.docker), bad(Layer.process, "alice"), seconds=HOUR)
    assert told.look(bad(Layer.process, "alice"), seconds=HOUR) == ["recovered host docker", "problem alice process"]


def test_a_tenants_process_explains_its_probes_and_not_its_neighbours() -> None:
    told = Told()
    facts = (bad(Layer.process, "alice"), bad(Layer.ready, "alice"), bad(Layer.edge, "alice"), bad(Layer.ready, "bob"))
    assert sorted(told.look(*facts, seconds=60)) == ["problem alice process", "problem bob ready"]


def test_nothing_explains_its_own_kind_or_what_it_stands_on() -> None:
    for layer, explained in EXPLAINS.items():
        assert layer not in explained
        assert not any(layer in EXPLAINS.get(other, ()) for other in explained)


def test_an_operation_and_a_silence_keep_quiet_and_what_remains_after_them_is_told() -> None:
    told = Told()
    assert told.look(DOWN, seconds=HOUR, silent=["alice"]) == []
    assert told.look(DOWN, bad(Layer.ready, "bob"), seconds=60, silent=["alice"]) == ["problem bob ready"]
    assert told.look(DOWN, bad(Layer.ready, "bob"), seconds=20) == [], "it has to stand for itself first"
    assert told.look(DOWN, bad(Layer.ready, "bob"), seconds=60) == ["problem alice ready"]
    assert told.look(DOWN, seconds=HOUR, silent=[""]) == []


def test_a_host_that_slept_has_not_seen_anything_meanwhile() -> None:
    told = Told()
    warning = bad(Layer.data, "alice", Grade.warning)
    told.look(warning)
    told.now += 8 * HOUR
    assert told.look(warning) == []


@pytest.mark.parametrize("seed", range(20261130, 20261138))
def test_a_day_of_calm_storm_and_flapping(seed: int) -> None:
    """No alert in calm, at most one a cause, and each is over in the end."""
    told, draw = Told(), random.Random(seed)
    assert told.look(*(fine(layer, tenant) for tenant in TENANTS for layer in EXPLAINS), seconds=4 * HOUR) == []
    causes = dict(_causes(draw))
    for key, facts in causes.items():
        before = len(told.notices)
        for _ in range(draw.randint(1, 30)):
            told.look(*facts, seconds=draw.choice((10, 20, 60, 300)))
            told.look(seconds=draw.choice((10, 20, 120)))
        told.look(*facts, seconds=400)
        told.look(seconds=HOUR)
        kinds = [(notice.kind, (notice.fact.tenant, notice.fact.layer)) for notice in told.notices[before:]]
        assert kinds == [(NoticeKind.problem, key), (NoticeKind.recovered, key)]
    assert told.troubles == ()


def _causes(draw: random.Random) -> Iterator[tuple[tuple[str, Layer], list[Fact]]]:
    """The cause, and what can be seen of it: its consequences come with it."""
    for layer in (Layer.docker, Layer.caddy, Layer.disk, Layer.resolver):
        few = draw.sample(TENANTS, 12)
        follow = [bad(other, tenant) for tenant in few for other in EXPLAINS[layer]]
        yield ("", layer), [bad(layer), *draw.sample(follow, len(follow))]
    for tenant in draw.sample(TENANTS, 6):
        layer = draw.choice((Layer.process, Layer.ready))
        yield (tenant, layer), [bad(layer, tenant), *(bad(other, tenant) for other in EXPLAINS[layer])]


def test_two_warnings_of_one_layer_are_one_and_what_is_worse_is_told_all_the_same() -> None:
    told = Told()
    stopped = [bad(Layer.clock, grade=Grade.warning, subject=subject) for subject in ("chrony", "clock")]
    assert told.look(*stopped, seconds=HOUR) == ["problem host clock"]
    worse = bad(Layer.clock, subject="clock")
    assert told.look(stopped[0], worse, seconds=HOUR) == ["problem host clock"]
    assert told.look(seconds=HOUR) == ["recovered host clock", "recovered host clock"]
