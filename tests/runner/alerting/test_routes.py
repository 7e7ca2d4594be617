"""Which destination gets which notice, when, and what it reads."""

from __future__ import annotations

import pytest

from launchpad.runner.alerting.destination import Destination
from launchpad.runner.alerting.routes import MOST_AGE, Waiting, body, failed, routed, title
from launchpad.runner.alerting.troubles import Notice, NoticeKind
from launchpad.runner.facts import Fact, Grade, Layer
from launchpad.runner.protocol import record_as_json, record_from_json

NOW = 1_000_000.0
ONCALL = Destination(name="oncall", version=1, grade="critical")
TEAM = Destination(name="team", version=1, quiet="22:00-07:00")
ALICES = Destination(name="alices", version=1, tenants=("alice",))
EVENING, NIGHT, NOON = 21 * 60 + 59, 23 * 60, 12 * 60


def notice(
    tenant: str = "alice",
    grade: Grade = Grade.critical,
    kind: NoticeKind = NoticeKind.problem,
    layer: Layer = Layer.ready,
) -> Notice:
    fact = Fact(layer=layer, grade=grade, message="does not answer", hint="launchpad logs alice", tenant=tenant)
    return Notice(kind=kind, fact=fact, since=NOW - 120, at=NOW)


def route(
    *notices: Notice, waiting: tuple[Waiting, ...] = (), minute: int = NOON, to: Destination = TEAM
) -> tuple[Waiting, ...]:
    return routed(waiting, notices, [to], NOW, lambda _zone: minute)


def test_who_is_told_of_what() -> None:
    notices = (notice(), notice("bob"), notice("bob", Grade.warning), notice("", layer=Layer.docker))
    found = {
        item.destination: item.notices for item in routed((), notices, [ONCALL, TEAM, ALICES], NOW, lambda _: NOON)
    }
    assert found == {"oncall": (notices[0], notices[1], notices[3]), "team": notices, "alices": notices[:1]}


def test_a_host_concerns_whom_it_affects() -> None:
    docker = notice("", layer=Layer.docker).but(affected=("alice", "carol"))
    assert route(docker, to=ALICES)[0].notices == (docker,)
    assert route(docker.but(affected=("carol",)), to=ALICES) == ()


def test_a_warning_waits_for_the_end_of_the_quiet_hours_and_a_critical_one_does_not() -> None:
    warning, critical = notice("alice", Grade.warning), notice("bob")
    found = route(warning, critical, minute=NIGHT)
    assert [(item.notices, item.due - NOW) for item in found] == [((critical,), 0), ((warning,), 8 * 3600)]
    assert [item.due for item in route(warning, minute=EVENING)] == [NOW]
    assert [item.due for item in route(warning, minute=7 * 60)] == [NOW]
    assert [item.due - NOW for item in route(warning, minute=6 * 60 + 59)] == [60]


def test_what_is_over_before_anybody_was_told_is_no_news_in_the_morning() -> None:
    waiting = route(notice("alice", Grade.warning), notice("bob", Grade.warning), minute=NIGHT)
    over = notice("alice", Grade.warning, NoticeKind.recovered)
    (left,) = route(over, waiting=waiting, minute=NIGHT)
    assert [item.fact.tenant for item in left.notices] == ["bob"]


def test_what_may_have_been_delivered_is_followed_by_its_end() -> None:
    (tried,) = (failed(item, "no answer", NOW) for item in route(notice()))
    found = route(notice(kind=NoticeKind.recovered), waiting=(tried,))
    assert [item.notices[0].kind for item in found] == [NoticeKind.problem, NoticeKind.recovered]


def test_a_try_that_failed_is_tried_again_later_and_given_up_in_the_end() -> None:
    (item,) = route(notice())
    pauses = []
    for _ in range(7):
        item = failed(item, "no answer", NOW)
        pauses.append(item.due - NOW)
    assert pauses == [30, 60, 120, 300, 900, 900, 900]
    assert routed([item], (), [TEAM], NOW + MOST_AGE + 1, lambda _: NOON) == ()


def test_a_destination_that_is_gone_has_nothing_waiting() -> None:
    assert routed(route(notice()), (), [ONCALL], NOW, lambda _: NOON) == ()


def test_a_message_says_what_is_wrong_since_when_and_what_to_type() -> None:
    host = notice("", layer=Layer.docker).but(affected=("alice", "bob"))
    text = body("web-1", [notice(), host], stamp="2026-11-30 12:00 UTC")
    assert text == (
        "tenant alice, ready: does not answer\n"
        "  Seen for 2 minutes, on host web-1.\n"
        "  Type: launchpad logs alice\n"
        "  Runbook: launchpad runbook tenant-ready\n"
        "\n"
        "host, docker: does not answer\n"
        "  Seen for 2 minutes, on host web-1.\n"
        "  Tenants affected: alice, bob.\n"
        "  Type: launchpad logs alice\n"
        "  Runbook: launchpad runbook host-docker\n"
        "\n"
        "web-1, 2026-11-30 12:00 UTC\n"
    )
    first, then = body("web-1", [notice(kind=NoticeKind.recovered)], stamp="").splitlines()[:2]
    assert first == "tenant alice, ready: has recovered", "and not what was wrong, as if it still were"
    assert then.startswith("  The problem lasted 2 minutes. It was: ")


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(20, "less than a minute"), (60, "1 minute"), (5400, "90 minutes"), (10000, "2 hours"), (86400, "24 hours"),
     (172800, "2 days")],
)  # fmt: skip
def test_a_long_problem_is_not_told_in_minutes(seconds: float, told: str) -> None:
    text = body("web-1", [notice().but(at=NOW, since=NOW - seconds)], stamp="")
    assert f"  Seen for {told}, on host web-1.\n" in text


def test_the_subject_says_how_bad_it_is() -> None:
    over = notice(kind=NoticeKind.recovered)
    assert title("web-1", [notice()]) == "[critical] web-1: tenant alice, ready"
    assert title("web-1", [over]) == "[recovered] web-1: tenant alice, ready"
    assert title("web-1", [notice(), notice("bob", Grade.warning), over]) == "[critical] web-1: 2 problems, 1 recovered"


def test_what_waits_comes_back_from_the_disk_as_it_was() -> None:
    (item,) = route(notice("", layer=Layer.docker).but(affected=("alice",)))
    assert record_from_json(Waiting, record_as_json(item), "waiting") == item
