"""The rows of `top`: what health says, the worst first, each with its age, also of a host that went silent."""

from __future__ import annotations

from typing import Any

import pytest

from launchpad.errors import HostError
from launchpad.plan.going_on import Alerted, AlertSeen, OperationSeen
from launchpad.plan.health import host_health, tenant_health
from launchpad.plan.observed import HostSeen, TenantSeen
from launchpad.plan.overview import (
    Expected,
    OverviewRow,
    arranged,
    counted,
    host_rows,
    silent_rows,
    waiting_row,
)
from launchpad.plan.standing import standings
from launchpad.plan.wanted import Wanted
from launchpad.runner.facts import Fact, Grade, Layer
from tests.plan.examples import has, host, want

CLOCK = 1060.0
"""The host's, when it is asked; this machine's is an hour ahead."""
HEARD = CLOCK + 3600
READY = Fact(Layer.ready, Grade.ok, "answers", tenant="alice", subject="web:8080/startupz", at=CLOCK - 5)
DEAD = READY.but(grade=Grade.critical, message="does not answer", hint="launchpad logs alice")
KEY = Fact(Layer.provider, Grade.warning, "the key was revoked", tenant="bob", at=CLOCK - 600)
SILENT = HostError("web-1: cannot connect to launchpad@192.0.2.1: no route to host", hint="ssh -v launchpad@192.0.2.1")


def expected(*wants: Wanted, unreadable: dict[str, str] | None = None) -> Expected:
    wanted = {item.tenant: item for item in wants or (want(), want("bob"))}
    return Expected(wanted=wanted, known=frozenset(wanted), unreadable=unreadable or {})


def rows(*tenants: TenantSeen, own: dict[str, Any] | None = None, **how: Any) -> dict[str, OverviewRow]:
    """By name, as of one answer of web-1."""
    (said,) = host(*tenants).values()
    said = HostSeen(**{**vars(said), **(own or {})})
    given: dict[str, Any] = {"others": {}, "heard": HEARD, "alerted": Alerted()} | how
    return {row.name: row for row in host_rows(said, given.pop("expected", expected()), **given)}


def test_a_row_says_what_health_says() -> None:
    seen = (has(health=(DEAD,)), has("bob", health=(KEY,)))
    (said,) = host(*seen).values()
    found = {item.tenant: item for item in standings([want(), want("bob")], {"web-1": said}, inventory=frozenset())}
    made = rows(*seen)
    assert made["web-1"].health == host_health("web-1", said)
    for name in ("alice", "bob"):
        assert made[name].health == tenant_health(found[name], said)
    assert [row.grade for row in made.values()] == [Grade.ok, Grade.critical, Grade.warning]
    assert made["alice"].problem == "ready: does not answer"


def test_the_state_is_that_of_the_watch_because_no_probe_was_asked() -> None:
    made = rows(has(probes=(), health=(DEAD,)), has("bob", probes=(), running=False))
    assert {name: row.state for name, row in made.items()} == {"web-1": "host", "alice": "unhealthy", "bob": "stopped"}
    unreachable = DEAD.but(layer=Layer.edge, subject="alice.example.com")
    assert rows(has(health=(unreachable,)))["alice"].state == "running", "healthy would contradict the grade"
    assert (made["alice"].version, made["alice"].checks, made["web-1"].checks) == ("1.1.0", (0, 1), (0, 0))


def test_the_worst_come_first_then_those_under_way_then_the_names() -> None:
    tenants = [has(name) for name in ("carol", "dave")] + [has("bob", health=(KEY,)), has(health=(DEAD,))]
    going = OperationSeen(id="op-1", kind="upgrade", tenant="dave", who="ben", at=CLOCK - 30)
    names = [want(name) for name in ("alice", "bob", "carol", "dave")]
    made = rows(*tenants, own={"operations": (going,)}, expected=expected(*names))
    unknown = waiting_row("web-2")
    found = arranged([unknown, *made.values()])
    assert [row.name for row in found] == ["alice", "web-2", "bob", "dave", "web-1", "carol"]
    assert made["dave"].problem == "upgrade by ben"
    assert counted(found) == {Grade.critical: 1, Grade.unknown: 1, Grade.warning: 1, Grade.ok: 3}
    assert [*counted(found)] == [Grade.critical, Grade.unknown, Grade.warning, Grade.ok], "the worst first"


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("", ["alice", "bob", "web-1"]),
        ("ali", ["alice"]),
        ("WEB-1", ["alice", "bob", "web-1"]),
        ("revoked", ["bob"]),
        ("critical web-1", ["alice"]),
        ("web-1 nobody", []),
        ("1.1.0", ["alice", "bob"]),
    ],
)
def test_a_search_leaves_the_rows_that_have_every_word(search: str, found: list[str]) -> None:
    made = rows(has(health=(DEAD,)), has("bob", health=(KEY,)))
    assert [row.name for row in arranged(made.values(), search=search)] == found


def test_the_age_is_that_of_the_watch_s_look_whatever_the_host_s_clock() -> None:
    made = rows(has(health=(READY, KEY.but(tenant="alice"))), own={"health": (READY.but(tenant="", at=CLOCK - 50),)})
    assert (made["alice"].age(HEARD), made["web-1"].age(HEARD + 10)) == (5.0, 60.0)
    assert not made["alice"].is_old(HEARD + 85) and made["alice"].is_old(HEARD + 86), "older than 90 s"
    assert rows(has())["alice"].age(HEARD) == 0.0, "without a watch's fact: what the host said itself"


def test_a_silent_host_keeps_its_last_rows_with_their_age() -> None:
    before = [*rows(has(health=(READY,)), alerted=Alerted(silenced={"": HEARD + 60})).values()]
    own, alice, bob = silent_rows("web-1", SILENT, before, expected())
    assert (own.state, own.grade, own.silenced) == ("no answer", Grade.unknown, HEARD + 60)
    assert own.problem == "watch: cannot connect to launchpad@192.0.2.1: no route to host"
    assert (alice, bob) == (*before[1:],)
    assert alice.age(HEARD + 400) == 405.0 and own.is_old(HEARD + 400)


def test_a_host_that_never_answered_has_the_tenants_of_the_inventory() -> None:
    own, alice, _ = silent_rows("web-1", SILENT, (), expected())
    assert (own.age(HEARD), alice.age(HEARD)) == (None, None)
    assert (alice.state, alice.grade, alice.checks) == ("unreachable", Grade.unknown, (0, 0))
    assert alice.problem == "process: its host does not answer", "why is told once, by the host's row"
    assert not own.is_old(HEARD)


def test_a_tenant_that_runs_twice_is_found_by_the_other_host_s_answer() -> None:
    elsewhere = expected(want("alice", host="web-2"))
    (other,) = host(has(), name="web-2").values()
    made = rows(has(), expected=elsewhere, others={"web-2": other})
    assert (made["alice"].state, made["alice"].grade) == ("doubled", Grade.critical)
    assert rows(has(), expected=elsewhere)["alice"].problem.endswith("the inventory names another host")
    assert [*made] == ["web-1", "alice"], "the other host has rows of its own"


def test_what_is_sent_to_people_stands_in_its_row() -> None:
    alerts = (AlertSeen(tenant="alice", layer="ready", told=HEARD - 60), AlertSeen(tenant="", layer="disk", told=0.0))
    made = rows(has(), has("bob"), alerted=Alerted(alerts=alerts, silenced={"bob": HEARD + 60}))
    assert [(row.name, len(row.alerts), row.silenced) for row in made.values()] == [
        ("web-1", 1, 0.0),
        ("alice", 1, 0.0),
        ("bob", 0, HEARD + 60),
    ]


def test_an_operation_on_the_host_stands_in_the_host_s_row() -> None:
    going = OperationSeen(id="op-1", kind="prune", tenant="", who="ann", at=CLOCK - 30)
    made = rows(has(), own={"operations": (going,)})
    assert (made["web-1"].operations, made["alice"].operations) == ((going,), ())
    assert "prune" in made["web-1"].words
