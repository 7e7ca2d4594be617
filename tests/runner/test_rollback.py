"""Going back: to which release, with which data, how often, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from launchpad.runner import engine, generation_records, paths
from launchpad.runner.engine import MOST_ATTEMPTS
from launchpad.runner.host import Failed
from launchpad.runner.journal import Journal
from launchpad.runner.plan import read_record
from launchpad.runner.protocol import Refused
from launchpad.runner.verbs.submit import submit
from tests.memory.host import Killed, MemoryHost
from tests.memory.living import CALLER, STATE, a_host, log, reasons, rollback, run, serving, simple, upgrade, version
from tests.memory.releases import deploy_body, release

ONE, TWO, THREE = (version(number)[0].short for number in (1, 2, 3))


def upgraded(*numbers: int) -> MemoryHost:
    """A host on which alice went through these versions, and heard something with each."""
    host = a_host(*numbers)
    for number in numbers[1:]:
        assert run(host, upgrade(f"operation-up-{number:03}", version(number)))["outcome"] == "done"
        host.wait(5)
    return host


def test_back_to_the_release_before_with_its_data() -> None:
    host = upgraded(1, 2)
    left = log(host)
    assert run(host, rollback("operation-000001"))["outcome"] == "done"
    assert serving(host) == ONE
    assert host.state(STATE)["schema"] == 1
    kept = generation_records.read(host, "alice", "operation-000001")
    assert kept is not None and (kept.why, kept.version) == ("rollback", "2")
    assert log(host, f"{paths.generation('alice', kept.id)}/state")[: len(left)] == left


def test_a_clock_that_was_set_back_brings_no_older_data_back() -> None:
    host = upgraded(1, 2)
    run(host, rollback("operation-000001"))
    host.wait(5)
    left, host.skew = log(host), -30 * 86400
    assert run(host, upgrade("operation-000002", version(2)))["outcome"] == "done"
    assert run(host, rollback("operation-000003"))["outcome"] == "done"
    assert log(host)[: len(left)] == left


def test_twice_back_goes_further_back() -> None:
    host = upgraded(1, 2, 3)
    run(host, rollback("operation-000001"))
    assert serving(host) == TWO
    run(host, rollback("operation-000002"))
    assert serving(host) == ONE
    with pytest.raises(Refused, match="no release ran before"):
        run(host, rollback("operation-000003"))


def test_two_versions_back_at_once_and_forth_again() -> None:
    host = upgraded(1, 2, 3)
    run(host, rollback("operation-000001", ONE))
    assert (serving(host), host.state(STATE)["schema"]) == (ONE, 1)
    run(host, rollback("operation-000002", THREE))
    assert (serving(host), host.state(STATE)["schema"]) == (THREE, 3)
    assert not host.refusals


def test_the_record_says_what_was_gone_back_from_until_the_next_deploy() -> None:
    host = upgraded(1, 2)
    run(host, rollback("operation-000001"))
    record = read_record(host, "alice")
    assert record is not None and (record["version"], record["rolled_back_from"]) == ("1", "2")
    assert record["revision"] == "r1", "the next deploy would be taken for one of a stale checkout"
    run(host, deploy_body("operation-000002", version(2)))
    record = read_record(host, "alice")
    assert record is not None and record["rolled_back_from"] == ""


def test_data_may_stay_where_the_version_can_read_it() -> None:
    host = upgraded(1, 2)
    host.schemas[version(1)[0].services[0].image] = 2
    before = log(host)
    assert run(host, rollback("operation-000001", keep_data=True))["outcome"] == "done"
    assert log(host)[: len(before)] == before
    assert serving(host) == ONE


def test_a_release_whose_data_was_not_kept_is_refused() -> None:
    host = upgraded(1, 2)
    generation_records.drop(host, "alice", "operation-up-002")
    with pytest.raises(Refused, match="no generation holds the data"):
        run(host, rollback("operation-000001"))
    assert serving(host) == TWO


@pytest.mark.parametrize("to", ["0123456789ab", "../bob", "x", "releases"])
def test_a_release_that_is_not_there_is_refused_with_what_there_is(to: str) -> None:
    with pytest.raises(Refused, match=f"earlier releases: {ONE}") as refused:
        run(upgraded(1, 2), rollback("operation-000001", to))
    assert refused.value.kind == "state"


def test_a_release_that_was_changed_on_the_host_is_refused() -> None:
    host = upgraded(1, 2)
    host.files[f"{paths.release('alice', ONE)}/compose.yaml"].data += b" "
    with pytest.raises(Refused, match="were changed"):
        run(host, rollback("operation-000001"))


def test_a_name_that_is_somebody_elses_by_now_is_refused() -> None:
    host = a_host(1, 2)
    moved = version(2, domains=("new.example.com",))
    run(host, upgrade("operation-000001", moved))
    bob = release("bob", slot=8, app="beacon:1", domains=("alice.example.com",))
    host.lively = ""
    assert run(host, deploy_body("operation-000002", bob))["outcome"] == "done"
    with pytest.raises(Refused, match="bob"):
        run(host, rollback("operation-000003"))


def test_a_plan_made_when_something_else_ran_is_refused() -> None:
    host = upgraded(1, 2)
    for body in (
        rollback("operation-000001", replaces=ONE),
        simple("operation-000001", "restore", generation="operation-up-002", replaces=ONE),
    ):
        with pytest.raises(Refused, match="the plan replaces"):
            run(host, body)


# --- data alone


def test_a_snapshot_is_taken_while_it_runs_and_restored_later() -> None:
    host = a_host(1)
    starts = {box.started_at for box in host.boxes.values()}
    assert run(host, simple("operation-000001", "snapshot"))["outcome"] == "done"
    assert {box.started_at for box in host.boxes.values()} == starts
    then = log(host, f"{paths.generation('alice', 'operation-000001')}/state")
    host.wait(5)
    later = log(host)
    assert run(host, simple("operation-000002", "restore", generation="operation-000001"))["outcome"] == "done"
    assert serving(host) == ONE
    assert not set(later) - set(then) & set(log(host))
    assert set(later) <= set(log(host, f"{paths.generation('alice', 'operation-000002')}/state"))
    assert reasons(host) == [("operation-000002", "restore"), ("operation-000001", "manual")]


def test_a_snapshot_that_fails_leaves_the_data_alone() -> None:
    host = a_host(1)
    host.wait(5)
    before = log(host)
    write = host.write

    def failing(path: str, data: bytes, **more: int) -> None:
        if path.endswith("operation-000001.json"):
            raise Failed(f"{path}: Input/output error")
        write(path, data, **more)

    host.write = failing  # type: ignore[method-assign,assignment]
    assert run(host, simple("operation-000001", "snapshot"))["outcome"] == "undone"
    assert log(host)[: len(before)] == before
    assert not generation_records.incomplete(host, "alice")


def test_data_of_another_version_is_not_restored_under_what_runs() -> None:
    host = upgraded(1, 2)
    with pytest.raises(Refused, match="is of beacon 1, but version 2 runs") as refused:
        run(host, simple("operation-000001", "restore", generation="operation-up-002"))
    assert refused.value.hint == f"launchpad rollback alice --to {ONE}"


def test_a_generation_that_is_not_there_is_refused() -> None:
    with pytest.raises(Refused, match="no generation"):
        run(a_host(1), simple("operation-000001", "restore", generation="../../bob/generations/one"))


def test_a_stopped_tenant_gets_its_data_and_stays_stopped() -> None:
    host = a_host(1)
    run(host, simple("operation-000001", "snapshot"))
    then = log(host, f"{paths.generation('alice', 'operation-000001')}/state")
    run(host, simple("operation-000002", "stop"))
    run(host, simple("operation-000003", "restore", generation="operation-000001"))
    assert log(host) == then
    assert not [box for box in host.boxes.values() if box.state == "running"]


def test_only_the_newest_generations_of_operations_are_kept_and_all_that_a_person_asked_for() -> None:
    host = a_host(1, 2)
    run(host, simple("operation-manual", "snapshot"))
    for number in range(8):
        made = version(2 - number % 2)
        host.schemas[made[0].services[0].image] = 2
        assert run(host, upgrade(f"operation-up-{number:03}", made))["outcome"] == "done"
    kept = reasons(host)
    assert [name for name, why in kept if why == "upgrade"] == [
        f"operation-up-{number:03}" for number in range(7, 2, -1)
    ]
    assert ("operation-manual", "manual") in kept
    assert set(host.volumes) == {paths.data("alice"), *(paths.generation("alice", name) for name, _ in kept)}


def test_of_copies_that_were_carried_elsewhere_two_stay() -> None:
    host = a_host(1)
    run(host, simple("operation-manual", "snapshot"))
    for number in range(4):
        assert run(host, simple(f"operation-copy-{number}", "snapshot", copy=True))["outcome"] == "done"
    assert reasons(host) == [
        ("operation-copy-3", "copy"),
        ("operation-copy-2", "copy"),
        ("operation-manual", "manual"),
    ]


def test_a_person_drops_what_a_person_asked_for() -> None:
    host = a_host(1)
    for number in range(3):
        run(host, simple(f"operation-00000{number}", "snapshot"))
    before = log(host)
    drop = simple("operation-drop", "drop", generations=["operation-000000", "operation-000002"])
    assert run(host, drop)["outcome"] == "done"
    assert reasons(host) == [("operation-000001", "manual")]
    assert set(host.volumes) == {paths.data("alice"), paths.generation("alice", "operation-000001")}
    assert log(host)[: len(before)] == before and serving(host) == ONE


def test_what_is_not_there_is_gone_already() -> None:
    host = a_host(1)
    run(host, simple("operation-manual", "snapshot"))
    (told,) = submit(host, simple("operation-drop", "drop", generations=["../../bob/generations/one"]), CALLER)
    assert told["body"]["outcome"] == "unchanged"
    assert reasons(host) == [("operation-manual", "manual")]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (["operation-up-002"], "a rollback to .* needs generation"),
        ([], "expected ids"),
        ([1], "expected ids"),
    ],
)
def test_what_a_rollback_needs_is_not_dropped(wanted: list[Any], said: str) -> None:
    host = upgraded(1, 2)
    run(host, simple("operation-manual", "snapshot"))
    before = reasons(host)
    with pytest.raises(Refused, match=said):
        run(host, simple("operation-drop", "drop", generations=wanted))
    assert reasons(host) == before
    assert run(host, rollback("operation-000001", ONE))["outcome"] == "done"


def test_a_release_that_a_generation_is_of_stays_on_the_host() -> None:
    host = upgraded(1, 2)
    for number in range(8):
        domains = ("alice.example.com", f"n{number}.example.com")
        assert run(host, deploy_body(f"operation-n-{number:04}", version(2, domains=domains)))["outcome"] == "done"
    assert ONE in host.names(paths.releases("alice"))
    assert run(host, rollback("operation-000001", ONE))["outcome"] == "done"
    assert serving(host) == ONE


def test_a_snapshot_that_is_given_up_takes_nothing_of_the_data_back() -> None:
    """Its process dies again and again before the commit, and the app goes on writing meanwhile."""
    host = a_host(1)
    list(submit(host, simple("operation-000001", "snapshot"), CALLER))
    append = host.append

    def dying(path: str, data: bytes) -> None:
        if b'"step-done"' in data or b'"committed"' in data:
            host.wait(5)
            raise Killed
        append(path, data)

    host.append = dying  # type: ignore[method-assign]
    for _ in range(MOST_ATTEMPTS):
        with pytest.raises(Killed):
            engine.carry_out(host, "operation-000001")
        host.died()
    engine.carry_out(host, "operation-000001")
    outcome = Journal(host, "operation-000001").outcome()
    assert outcome is not None and outcome["outcome"] == "undone"
    assert set(host.told) <= set(log(host))
    assert reasons(host) == []
