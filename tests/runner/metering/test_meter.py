"""What a tenant used is counted once and not lost: over new containers, reboots, crashes, full disks, wrong clocks."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from launchpad.runner import paths
from launchpad.runner.metering.meter import usage_of
from launchpad.runner.metering.usage_log import Amounts
from launchpad.runner.verbs.metered import metered
from tests.memory.host import moments
from tests.runner.metering.metered import BEGIN, CPU_STAT, HOUR, V2, Metered
from tests.runner.verbs.view import CALLER

MONTH = "2027-01"


@pytest.fixture
def lab() -> Metered:
    """A tenant that has been metered for one look: from now on everything counts."""
    made = Metered()
    made.tenant()
    made.run(cpu=100.0)
    made.bridge(received=1000, sent=500)
    made.look()
    return made


def month(lab: Metered, tenant: str = "alice") -> Amounts:
    return next(item.amounts for item in usage_of(lab.host, MONTH, hourly=False) if item.tenant == tenant)


def hours(lab: Metered) -> dict[str, Amounts]:
    return {item.period: item.amounts for item in usage_of(lab.host, MONTH, hourly=True)}


def test_an_hour_of_a_tenant(lab: Metered) -> None:
    for minute in range(1, 61):
        lab.run(cpu=100.0 + minute)
        lab.bridge(received=1000 + 10 * minute, sent=500 + minute)
        lab.look()
    used = month(lab)
    assert (used.cpu_seconds, used.received_bytes, used.sent_bytes, used.restarts) == (60.0, 600, 60, 0)
    assert used.memory_gib_hours == pytest.approx(0.5, rel=0.001)
    assert used.disk_gib_hours == pytest.approx(1.0, rel=0.001)
    assert used.observed_seconds == pytest.approx(HOUR, rel=0.001)
    assert sorted(hours(lab)) == ["2027-01-15T08:00Z", "2027-01-15T09:00Z"]


def test_what_a_new_meter_finds_counts_from_now_and_what_comes_later_from_0(lab: Metered) -> None:
    assert month(lab).cpu_seconds == 0.0, "used before anybody metered it"
    lab.run("store", cpu=7.0, started="2", pid=42)
    lab.run(cpu=100.0)
    lab.tenant("bob", slot=8)
    lab.bridge(slot=8, received=300, sent=200, number=6)
    lab.put("/proc/42/cgroup", V2.format("b0b"))
    lab.put("/sys/fs/cgroup/system.slice/docker-b0b.scope/cpu.stat", CPU_STAT.format(7_000_000))
    lab.look()
    assert month(lab).cpu_seconds == 7.0
    assert (month(lab, "bob").received_bytes, month(lab, "bob").sent_bytes) == (300, 200)


def test_counters_that_begin_again_lose_nothing_and_double_nothing(lab: Metered) -> None:
    lab.run(cpu=110.0)
    lab.bridge(received=1100, sent=500)
    lab.look()
    lab.run(cpu=200.0, started="2", pid=43)  # a new container has used more than the last one ever had
    lab.bridge(received=5000, sent=0, number=9)
    lab.look()
    used = month(lab)
    assert (used.cpu_seconds, used.received_bytes, used.restarts) == (210.0, 5100, 1)


def test_a_reboot_with_the_same_numbers_is_a_new_beginning(lab: Metered) -> None:
    lab.host.boots += 1
    lab.begin()
    lab.run(cpu=150.0, started="2")
    lab.bridge(received=4000, sent=700)
    lab.look()
    used = month(lab)
    assert (used.cpu_seconds, used.received_bytes, used.sent_bytes) == (150.0, 4000, 700)


def test_an_ended_container_and_an_unread_record_double_nothing(lab: Metered) -> None:
    name = lab.run(cpu=110.0)
    lab.look()
    lab.containers[name] = lab.containers[name].but(process=0, state="exited")
    alice = lab.rooms.pop("alice")
    lab.look()
    lab.rooms["alice"] = alice
    lab.run(cpu=115.0)
    lab.look()
    used = month(lab)
    assert (used.cpu_seconds, used.received_bytes, used.restarts) == (15.0, 0, 0)


def test_restarts_by_the_watch_between_two_looks_all_count(lab: Metered) -> None:
    for _ in range(4):
        lab.account.restarted("alice")
    lab.run(cpu=1.0, started="5")
    lab.look()
    lab.run(cpu=1.0, started="6")
    lab.look()
    assert month(lab).restarts == 5


def test_time_without_a_watch_keeps_what_counters_have_and_measures_no_memory_and_disk(lab: Metered) -> None:
    before = month(lab)
    lab.run(cpu=400.0)
    lab.look(after=3 * HOUR)
    used = month(lab)
    assert used.cpu_seconds == 300.0, "the kernel counted on"
    assert (used.memory_gib_hours, used.observed_seconds) == (before.memory_gib_hours, before.observed_seconds)
    assert hours(lab)["2027-01-15T11:00Z"].cpu_seconds == 300.0, "in the hour in which the watch looks again"


def test_an_hour_is_written_once_wherever_the_process_dies(lab: Metered, measured: Callable[..., None]) -> None:
    lab.run(cpu=130.0)
    lab.look(after=HOUR - 120)
    lab.run(cpu=160.0)

    def three_looks() -> None:
        for _ in range(3):
            lab.look(after=70)

    found = [item for item in moments(lab.host, three_looks) if item.left]
    assert len(found) >= 8
    wrong = []
    for moment in found:
        left = Metered(host=moment.host(), containers=lab.containers, rooms=lab.rooms)
        for _ in range(2):
            left.look()
            if month(left).cpu_seconds != 60.0:
                wrong.append(str(moment))
    measured("ops-usage-wrong", len(wrong), n=len(found))
    assert wrong == []


def test_a_torn_line_costs_nothing_but_itself(lab: Metered) -> None:
    lab.run(cpu=160.0)
    lab.look(after=HOUR)
    lab.host.files[f"{paths.USAGE}/{MONTH}.jsonl"].data += b'{"hour": "2027-01-15T09:0'
    lab.run(cpu=170.0)
    lab.look(after=HOUR)
    lab.look(after=HOUR)
    assert month(lab).cpu_seconds == 70.0


def test_a_full_disk_is_a_finding_and_loses_nothing(lab: Metered) -> None:
    lab.host.disk_full = True
    for cpu in (110.0, 130.0):
        lab.run(cpu=cpu)
        lab.look(after=HOUR)
        assert [item.subject for item in lab.meter.findings] == ["usage"]
    lab.host.disk_full = False
    lab.look()
    assert lab.meter.findings == []
    assert month(lab).cpu_seconds == 30.0


def test_a_clock_that_is_set_back_or_far_ahead_loses_nothing(lab: Metered) -> None:
    for step, skew in enumerate((0.0, -3 * HOUR, 500 * 86400.0, 0.0)):
        lab.host.skew = skew
        lab.run(cpu=110.0 + 10 * step)
        lab.look()
    every = ("2027-01", "2028-05")
    counted = [item.amounts.cpu_seconds for name in every for item in usage_of(lab.host, name, hourly=False)]
    assert sum(counted) == 40.0


def test_old_months_go_and_more_than_400_days_stay(lab: Metered) -> None:
    for _ in range(26):
        lab.look(after=31 * 86400.0)
    kept = lab.written()
    assert len(kept) == 15
    assert kept[-1] > "2029-01" and kept[0] > "2027-10"


def test_who_is_not_metered_any_more_has_no_totals(lab: Metered) -> None:
    del lab.rooms["alice"]
    lab.look()
    assert json.loads(lab.host.read(paths.METER) or b"")["totals"] == {}
    assert month(lab) is not None


def test_a_damaged_state_begins_anew(lab: Metered) -> None:
    for text in (b"", b"{torn", b'{"hour": 1}', b'{"strange": 1}', b"[]"):
        lab.host.files[paths.METER].data = text
        lab.begin()
        lab.look()
        assert lab.meter.findings == []


def test_the_verb_sends_a_month_and_its_hours_in_lines(lab: Metered) -> None:
    for _ in range(1200):
        lab.look(after=1800)
    *lines, _ = metered(lab.host, {"month": "2027-01", "hourly": True}, CALLER)
    sizes = [len(line["used"]) for line in lines]
    assert max(sizes) <= 500 and sum(sizes) == pytest.approx(16 * 24, abs=24)
    used = [item for line in lines for item in line["used"]]
    assert {item["tenant"] for item in used} == {"alice"} and used[0]["period"] == "2027-01-15T08:00Z"
    (one, _) = metered(lab.host, {"month": "2027-02", "tenants": ["alice"]}, CALLER)
    assert [item["period"] for item in one["used"]] == ["2027-02"]
    (reply,) = metered(lab.host, {"month": "2027-02", "tenants": ["bob"]}, CALLER)
    assert reply["type"] == "reply" and reply["body"]["clock"] > BEGIN
