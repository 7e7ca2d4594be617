"""maintain, over a fleet in memory: host by host, notices, silence, a bad host, windows, an operator who is killed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from launchpad.errors import LaunchpadError, StateError
from launchpad.events import HeardEvent
from launchpad.fleet.model.host import Host
from launchpad.journal.begun import BegunFolder
from launchpad.operations.hosts.maintain import HowToMaintain, Maintained, maintain, plan_maintain
from launchpad.operations.hosts.maintenance_note import read_note
from launchpad.plan.host_upkeep import shown
from launchpad.runner import boot, booting
from launchpad.runner.account import Account
from launchpad.runner.alerting.state import silences
from launchpad.runner.facts import Fact, Grade, Layer
from launchpad.runner.moving.tombstone import may_run
from launchpad.runner.slots import is_tenant_name
from launchpad.runner.tenant_record import read_tenant
from launchpad.runner.verbs.silence import silence
from launchpad.workspace import Workspace
from tests.memory.effects import Killed
from tests.memory.fleet import FleetClock, FleetHost, FleetHosts, FleetRunner, MemoryFleet, memory_fleet
from tests.memory.system import MemorySystem
from tests.runner.verbs.view import CALLER

pytestmark = pytest.mark.programs  # the notice program, and Git

TENANTS = {"anna": "web-1", "bert": "web-1", "carl": "web-2"}
NOTICE = "maintenance: {notice: [sh, -c, 'cat >> notices']}\n"
UPDATES = ("docker.io", "libc6")


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> MemoryFleet:
    return memory_fleet(tmp_path_factory.mktemp("first") / "one", TENANTS)


@pytest.fixture
def fleet(first: MemoryFleet, tmp_path: Path) -> MemoryFleet:
    """Two hosts with updates."""
    made = first.copy(tmp_path / "mine")
    for host in made.hosts.values():
        host.system = MemorySystem(host, waiting=UPDATES)  # type: ignore[arg-type]
        booting.begin_with(host)
        watched(host)
    return made


def watched(host: FleetHost) -> None:
    """What the host's watch sees now."""
    facts = [Fact(Layer.docker, Grade.ok, "Docker answers", subject="engine")]
    for name in filter(is_tenant_name, host.names("/srv/launchpad/tenants")):
        record = read_tenant(host, name)
        if record is not None and (record.retired or not may_run(host, record)):
            continue
        well = host.request(record.domains[0] if record else name) not in ("held", "refused") and name not in host.hung
        grade, message = (Grade.ok, "answers") if well else (Grade.critical, "does not answer")
        facts.append(Fact(Layer.ready, grade, message, tenant=name, subject="ready"))
    Account(host, ("watch",)).see("watch", [], {}, facts)


@dataclass
class WatchedClock(FleetClock):
    """Each host's watch looks while time passes."""

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        for host in self.hosts.values():
            watched(host)


class RebootingRunner(FleetRunner):
    """What systemd does when an operation has the machine reboot."""

    def _carry_out(self, identifier: str) -> None:
        try:
            super()._carry_out(identifier)
        except Killed:
            self.host.reboot()
            assert boot.boot(self.host) == boot.DONE


class RebootingHosts(FleetHosts):
    @contextmanager
    def reach(self, host: Host) -> Iterator[FleetRunner]:
        with super().reach(host) as runner:
            yield RebootingRunner(runner.host, runner.name, runner.operator, runner.asked)


def opened(fleet: MemoryFleet, settings: str = NOTICE) -> Workspace:
    path = fleet.root / "launchpad.yaml"
    if settings not in path.read_text():
        path.write_text(path.read_text() + settings)
    workspace = fleet.workspace()
    hosts, clock = RebootingHosts(fleet.hosts), WatchedClock(fleet.hosts)
    return replace(workspace, hosts=hosts, clock=clock, begun=BegunFolder(fleet.root))


def notices(fleet: MemoryFleet) -> list[dict[str, Any]]:
    path = fleet.root / "notices"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def told(fleet: MemoryFleet) -> list[tuple[str, str, str]]:
    return [(item["event"], item["host"], item["tenant"]) for item in notices(fleet)]


def outcomes(found: dict[str, Maintained | LaunchpadError]) -> dict[str, str]:
    return {name: item.outcome if isinstance(item, Maintained) else "failed" for name, item in found.items()}


def maintained(found: dict[str, Maintained | LaunchpadError], name: str = "web-1") -> Maintained:
    item = found[name]
    assert isinstance(item, Maintained), item
    return item


BOTH = [
    *(("before", "web-1", name) for name in ("anna", "bert")),
    *(("after", "web-1", name) for name in ("anna", "bert")),
    ("before", "web-2", "carl"),
    ("after", "web-2", "carl"),
]


def test_one_host_after_another_with_notices_before_and_after(fleet: MemoryFleet) -> None:
    workspace = opened(fleet)
    found = maintain(workspace)
    assert outcomes(found) == {"web-1": "done", "web-2": "done"}
    assert maintained(found).updates and not maintained(found).rebooted
    assert told(fleet) == BOTH
    assert len({item["id"] for item in notices(fleet) if item["host"] == "web-1"}) == 1
    assert notices(fleet)[0] | {"id": ""} == {
        "event": "before", "id": "", "tenant": "anna", "domains": ["anna.example.com"], "host": "web-1",
        "window": {"opens": None, "closes": None}, "reboot": False,
    }  # fmt: skip
    assert all(host.system.waiting == () and not silences(host) for host in fleet.hosts.values())


def test_there_is_nothing_to_do_a_second_time(fleet: MemoryFleet) -> None:
    workspace = opened(fleet)
    maintain(workspace)
    assert outcomes(maintain(workspace)) == {"web-1": "unchanged", "web-2": "unchanged"}
    assert told(fleet) == BOTH


def test_a_plan_asks_and_changes_nothing(fleet: MemoryFleet) -> None:
    workspace = opened(fleet)
    made = plan_maintain(workspace, ["web-1"])["web-1"]
    assert not isinstance(made, LaunchpadError)
    assert (made.updates, made.reboot, made.begun) == ("install 2 updates: docker.io, libc6", False, None)
    assert fleet.hosts["web-1"].system.waiting == UPDATES and told(fleet) == []


def test_a_reboot_is_reported_and_done_only_with_consent(fleet: MemoryFleet) -> None:
    workspace = opened(fleet)
    boots = {name: host.boots for name, host in fleet.hosts.items()}
    for host in fleet.hosts.values():
        host.system.wants_reboot = True
    found = maintain(workspace)
    assert maintained(found).reboot_pending and not maintained(found).rebooted
    assert {name: host.boots for name, host in fleet.hosts.items()} == boots
    again = maintain(workspace, ["web-1"], how=HowToMaintain(reboot=True))
    assert maintained(again).rebooted and not maintained(again).reboot_pending
    assert fleet.hosts["web-1"].boots == boots["web-1"] + 1
    assert fleet.runs("anna") == fleet.runs("bert") == "1.0.0"
    assert outcomes(maintain(workspace, ["web-1"], how=HowToMaintain(reboot=True))) == {"web-1": "unchanged"}


def test_a_bad_host_stops_it_and_is_continued_when_it_is_repaired(fleet: MemoryFleet) -> None:
    workspace = opened(fleet)
    host = fleet.hosts["web-1"]
    install = host.system.install_updates

    def breaks(progress: Any) -> None:
        install(progress)
        host.hung.add("anna")

    host.system.install_updates = breaks
    found = maintain(workspace, how=HowToMaintain(patience=30))
    assert outcomes(found) == {"web-1": "failed", "web-2": "left"}
    error = found["web-1"]
    assert isinstance(error, StateError) and "anna ready: does not answer" in error.message
    assert "launchpad diagnose web-1" in error.hint
    assert fleet.hosts["web-2"].system.waiting == UPDATES, "the next host was not begun"
    assert told(fleet) == BOTH[:2], "nobody is told that all is over"
    assert not silences(host), "what is wrong is alerted"
    host.hung.clear()
    watched(host)
    assert outcomes(maintain(workspace)) == {"web-1": "done", "web-2": "done"}
    assert told(fleet) == BOTH


def test_a_tenant_that_was_ill_before_stops_nobody(fleet: MemoryFleet) -> None:
    fleet.hosts["web-1"].hung.add("bert")
    watched(fleet.hosts["web-1"])
    assert outcomes(maintain(opened(fleet))) == {"web-1": "done", "web-2": "done"}


@pytest.mark.parametrize("how", ["dead", "archive_down", "torn"])
def test_a_host_that_cannot_be_updated_stops_it(fleet: MemoryFleet, how: str) -> None:
    host = fleet.hosts["web-1"]
    setattr(host if how == "dead" else host.system, how, True)
    assert outcomes(maintain(opened(fleet))) == {"web-1": "failed", "web-2": "left"}
    assert not silences(host)


def test_a_notice_that_fails_begins_nothing(fleet: MemoryFleet) -> None:
    workspace = opened(fleet, "maintenance: {notice: [sh, -c, 'echo no mail server >&2; exit 1']}\n")
    found = maintain(workspace)
    error = found["web-1"]
    assert isinstance(error, StateError)
    assert error.message == "web-1: the notice for anna failed: no mail server" and "--no-notice" in error.hint
    assert fleet.hosts["web-1"].system.waiting == UPDATES
    assert outcomes(maintain(workspace, how=HowToMaintain(notices=False)))["web-1"] == "done"


def test_a_silence_of_an_operator_stays(fleet: MemoryFleet) -> None:
    host = fleet.hosts["web-1"]
    list(silence(host, {"tenant": "", "seconds": 90000, "why": "new disk"}, CALLER))
    maintain(opened(fleet))
    assert [item.why for item in silences(host)] == ["new disk"]


def test_alerts_are_silent_while_the_updates_are_installed(fleet: MemoryFleet) -> None:
    host, seen = fleet.hosts["web-1"], []
    install = host.system.install_updates

    def looks(progress: Any) -> None:
        seen.append([(item.tenant, item.why) for item in silences(host)])
        seen.append([(item.host, item.why) for item in silences(fleet.hosts["web-2"])])
        install(progress)

    host.system.install_updates = looks
    maintain(opened(fleet))
    assert seen == [[("", "maintenance")], [("web-1", "maintenance")]], "also the host that looks at it from outside"
    assert not silences(fleet.hosts["web-2"])


# --- windows


def test_outside_of_the_window_nothing_begins(fleet: MemoryFleet) -> None:
    """The clock in memory begins on a Monday at 14:13 UTC."""
    assert shown(fleet.hosts["web-1"].clock).startswith("2026-09-21T1")
    workspace = opened(fleet, "maintenance: {window: 'Sun 02:00-05:00', reboot: true}\n")
    with pytest.raises(StateError, match="is closed until 2026-09-27T02:00:00Z"):
        maintain(workspace)
    assert fleet.hosts["web-1"].system.waiting == UPDATES
    fleet.hosts["web-1"].system.wants_reboot = True
    found = maintain(workspace, ["web-1"], how=HowToMaintain(outside_window=True))
    assert maintained(found).reboot_pending, "the window's consent to reboots holds in the window alone"


def test_in_the_window_a_pending_reboot_is_done_and_no_host_begins_after_its_end(fleet: MemoryFleet) -> None:
    workspace = opened(fleet, "maintenance: {window: '12:00-18:00', reboot: true}\n")
    host = fleet.hosts["web-1"]
    host.system.wants_reboot = True
    install = host.system.install_updates

    def slow(progress: Any) -> None:
        install(progress)
        for each in fleet.hosts.values():
            each.clock += 6 * 3600

    host.system.install_updates = slow
    found = maintain(workspace)
    assert maintained(found).rebooted
    assert outcomes(found) == {"web-1": "done", "web-2": "left"}
    assert "is closed until" in maintained(found, "web-2").message


# --- killed


class Gone(BaseException):
    """The operator's machine died."""


def test_an_operator_who_dies_at_any_event_types_it_again(first: MemoryFleet, tmp_path: Path) -> None:
    def a_fleet(number: int) -> MemoryFleet:
        made = first.copy(tmp_path / f"fleet-{number}")
        for host in made.hosts.values():
            host.system = MemorySystem(host, waiting=UPDATES, wants_reboot=True)  # type: ignore[arg-type]
            booting.begin_with(host)
            watched(host)
        return made

    def run(fleet: MemoryFleet, dies_at: int) -> int:
        count = 0

        def hear(_heard: HeardEvent) -> None:
            nonlocal count
            count += 1
            if count == dies_at:
                raise Gone

        with suppress(Gone):
            found = maintain(opened(fleet), how=HowToMaintain(reboot=True), on_event=hear)
            assert set(outcomes(found).values()) <= {"done", "unchanged"}, found
        return count

    whole = run(a_fleet(0), 0)
    assert whole > 10
    for dies_at in range(1, whole + 1):
        fleet = a_fleet(dies_at)
        boots = {name: host.boots for name, host in fleet.hosts.items()}
        run(fleet, dies_at)
        run(fleet, 0)
        assert {name: host.boots - boots[name] for name, host in fleet.hosts.items()} == {"web-1": 1, "web-2": 1}
        assert sorted(told(fleet)) == sorted(BOTH), f"dead at event {dies_at}"
        assert all(read_note(fleet.root, name) is None for name in fleet.hosts)
        assert all(host.system.waiting == () and not silences(host) for host in fleet.hosts.values())
        assert fleet.runs("anna") == fleet.runs("carl") == "1.0.0"
