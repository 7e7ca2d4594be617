"""Each analyser names its own fault first, two faults at once are both named, and nobody who is well is accused."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest
from measurement import record

from launchpad.runner.diagnosing.analysis import ANALYSERS, analyse
from launchpad.runner.diagnosing.collected import UNKNOWN, Collected
from launchpad.runner.hint import HERE, Next, hint_as_json
from tests.runner.diagnosing.cases import (
    FAULTS,
    REFUSED,
    Fault,
    breaker,
    collected,
    failed,
    finding,
    line,
    said,
    sections,
)
from tests.runner.diagnosing.strangers import later_situations, unlisted_situations
from tests.runner.diagnosing.strangers.stage import collected_of, played

EACH = [(cause, fault) for cause, faults in FAULTS.items() for fault in faults]
PAIRS = (
    ("docker-down", "quota-full"),
    ("disk-full", "clock"),
    ("resolver", "out-of-memory"),
    ("caddy-down", "key-revoked"),
    ("exit-78", "target-full"),
    ("name-elsewhere", "channel-taken"),
    ("firewall", "crash-loop"),
    ("certificate-limit", "key-without-money"),
    ("quota-full", "provider-down"),
    ("migration-refused", "target-gone"),
)


@pytest.mark.parametrize(("cause", "fault"), EACH, ids=[f"{cause}-{number}" for number, (cause, _) in enumerate(EACH)])
def test_a_fault_is_named_first(cause: str, fault: Fault) -> None:
    found = analyse(collected(fault))
    record("ops-first-named", int([item.cause for item in found[:1]] != [cause]))
    assert found, "nothing was found"
    assert found[0].cause == cause, [item.cause for item in found]
    assert found[0].message and found[0].hint and found[0].evidence


@pytest.mark.parametrize(("cause", "fault"), EACH, ids=[f"{cause}-{number}" for number, (cause, _) in enumerate(EACH)])
def test_no_other_cause_is_named_beside_it(cause: str, fault: Fault) -> None:
    assert {item.cause for item in analyse(collected(fault))} == {cause}


def test_what_breaks_nothing_yet_stands_behind_what_visitors_notice() -> None:
    found = analyse(collected(FAULTS["time-server"][0], FAULTS["caddy-down"][0]))
    assert [item.cause for item in found] == ["caddy-down", "time-server"]


def test_a_provision_is_not_suggested_where_no_time_server_answers() -> None:
    (found,) = analyse(collected(FAULTS["time-server"][0]))
    assert "provision" not in found.hint and "UDP port 123" in found.hint
    assert found.evidence[0].startswith("chrony runs: yes, synchronised: no, offset: ")


def test_a_line_without_an_error_is_not_told_as_why_an_app_died() -> None:
    died = breaker("died 5 times, the last time with exit status 137", lines=("a light on the shore",))
    (found,) = analyse(collected(died))
    assert "a light" not in found.message and "a light" in " ".join(found.evidence)


@pytest.mark.parametrize("pair", PAIRS, ids="+".join)
def test_two_faults_at_once_are_both_named(pair: tuple[str, str]) -> None:
    found = [item.cause for item in analyse(collected(*(FAULTS[cause][0] for cause in pair)))]
    record("ops-pairs-named", int(not set(pair) <= set(found)))
    assert set(pair) <= set(found), found


@pytest.mark.parametrize("seed", range(20))
def test_who_is_well_is_not_accused(seed: int) -> None:
    chance = random.Random(seed)
    names = tuple(f"tenant-{number}" for number in range(1, chance.randrange(2, 21)))
    found = sections(*names)
    for own in found["tenants"].values():
        log = own["log"]["app"]
        chance.shuffle(log)
        own["quota"][0] = int(own["quota"][1] * chance.uniform(0, 0.9))
        log += [
            line(
                f"[agent] anthropic: 529 overloaded_error, attempt {chance.randrange(3)}",
                ago=chance.uniform(4000, 9000),
            )
            for _ in range(9)
        ]
    accused = analyse(Collected(host="web-1", tenant="", at=collected().at, sections=found))
    record("ops-healthy-accused", len(accused))
    assert accused == []


def test_what_nobody_knows_is_called_unknown_with_what_was_looked_at() -> None:
    def strange(found: dict) -> None:  # type: ignore[type-arg]
        found["tenants"]["alice"]["probes"][0].update(ok=False, status=418, detail="answered 418 on /startupz")

    (found,) = analyse(collected(strange, of="alice"))
    assert found.cause == UNKNOWN
    assert "answered 418" in found.message and "looked at" in found.message and "machine" in found.message
    assert found.hint == "launchpad logs alice"


def test_an_old_error_behind_which_a_turn_went_well_is_over() -> None:
    refused = "[agent] HTTP 401 authentication_error: invalid x-api-key"
    assert analyse(collected(said(refused, "[agent/embedded] embedded run done: runId=9 aborted=false"))) == []
    assert analyse(collected(said(refused, ago=7200))) == []


def test_what_an_earlier_start_of_the_app_wrote_is_over() -> None:
    def restarted(found: dict[str, Any]) -> None:
        started = line("", ago=30).strip()
        found["tenants"]["alice"]["containers"][0]["started_at"] = started

    assert analyse(collected(said("[agent] 401 authentication_error: invalid x-api-key"), restarted)) == []


def test_the_root_comes_first() -> None:
    causes = [
        item.cause for item in analyse(collected(FAULTS["crash-loop"][0], FAULTS["clock"][0], FAULTS["inodes"][0]))
    ]
    assert causes == ["inodes", "clock", "crash-loop"]


def test_an_analyser_without_its_section_says_nothing() -> None:
    whole = collected().sections
    for size in range(3):
        for lacking in itertools.combinations(whole, size):
            found = Collected(
                host="web-1",
                tenant="",
                at=0.0,
                sections={name: own for name, own in whole.items() if name not in lacking},
            )
            assert analyse(found) == [], lacking


def test_sections_of_another_shape_are_survived() -> None:
    for shape in (None, 7, "text", [], [1], {"x": 1}, {"alice": 3}):
        for name in collected().sections:
            sections = dict(collected(breaker("died")).sections) | {name: shape}
            analyse(Collected(host="web-1", tenant="", at=0.0, sections=sections))


def test_every_analyser_has_a_fault() -> None:
    seen = set()
    for _cause, fault in EACH:
        seen |= {analyser for analyser in ANALYSERS if list(analyser(collected(fault)))}
    for _name, _cause, situation in (*unlisted_situations.SITUATIONS, *later_situations.UNLISTED):
        strange = collected_of(played(situation))
        seen |= {analyser for analyser in ANALYSERS if list(analyser(strange))}
    assert seen == set(ANALYSERS)


@pytest.mark.parametrize("kind", ["upgrade", "deploy"])
def test_the_last_words_of_a_rehearsals_clone_are_not_those_of_the_tenant_that_serves(kind: str) -> None:
    (found,) = analyse(collected(failed(kind, "in the rehearsal, notes 3.0.0: app ended with 1", (REFUSED,))))
    assert "alice serves as before" in found.message and "in the rehearsal" in found.message
    assert "rollback" not in found.hint and "generations" not in found.hint, found.hint
    assert REFUSED in found.evidence


def test_a_tenant_that_is_ill_after_an_undone_change_is_ill_of_something_else() -> None:
    def strange(found: dict[str, Any]) -> None:
        found["tenants"]["alice"]["probes"][0].update(ok=False, status=418, detail="answered 418 on /startupz")

    first, then = analyse(
        collected(strange, failed("upgrade", "notes 3.0.0: app ended with 1", (REFUSED,)), of="alice")
    )
    assert first.cause == UNKNOWN and "answered 418" in first.message
    assert then.cause == "change-undone" and "serves as before" not in then.message


def warned(layer: str, message: str, hint: object = "") -> Fault:
    fault = finding(layer, message, hint)

    def of_a_grade(found: dict[str, Any]) -> None:
        fault(found)
        found["account"]["findings"][-1]["grade"] = "warning"

    return of_a_grade


LOAD = warned("load", "9.1 programs want 2 CPUs")
UNITS = warned("units", "failed units: x.service", hint_as_json(Next("health", HERE)))


def test_each_fact_that_is_not_well_is_named() -> None:
    found = analyse(collected(LOAD, UNITS, FAULTS["key-revoked"][0]))
    assert [item.cause for item in found] == ["key-revoked", UNKNOWN, UNKNOWN]
    assert found[1].message.startswith("unknown: load: 9.1 programs want 2 CPUs; looked at account,")
    assert found[2].message == "unknown: units: failed units: x.service" and found[2].hint == "launchpad health web-1"


def test_who_asks_about_a_tenant_is_not_told_of_the_hosts_warnings() -> None:
    assert analyse(collected(LOAD, UNITS, of="alice")) == []
