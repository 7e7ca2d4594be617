"""alerts: what hosts tell people of, seen and silenced from the operator's side."""

from __future__ import annotations

from pathlib import Path

import pytest

from launchpad.errors import InventoryError, LaunchpadError, StateError
from launchpad.fleet.words.quantities import Duration
from launchpad.operations.observation.alerts import HostAlerts, alerts, silence, try_alerts
from launchpad.runner.alerting.state import silences
from launchpad.runner.provision.settings_record import SETTINGS
from tests.memory.fleet import MemoryFleet, memory_fleet
from tests.runner.alerting.told import MAIL, TEAM, telling
from tests.runner.watching.test_alert_check import DOWN, Watched

ALERTS = "alerts:\n  - {name: team, grade: critical, quiet: '22:00-07:00', tenants: [anna]}\n"


@pytest.fixture
def fleet(tmp_path: Path) -> MemoryFleet:
    made = memory_fleet(tmp_path, {"anna": "web-1", "ben": "web-2"}, settings=ALERTS)
    told = telling(TEAM)
    for path in (SETTINGS, "/etc/launchpad/alerts/team@1.cred"):
        made.hosts["web-1"].files[path] = told.files[path]
    return made


def of(found: object) -> HostAlerts:
    assert isinstance(found, HostAlerts)
    return found


def test_a_problem_is_listed_with_when_it_was_told(fleet: MemoryFleet) -> None:
    host = fleet.hosts["web-1"]
    Watched(host).look(DOWN.but(tenant="anna"), DOWN.but(tenant="zoe"), seconds=60)
    found = alerts(fleet.workspace())
    assert [(item.tenant, item.grade) for item in of(found["web-1"]).alerts] == [
        ("anna", "critical"),
        ("zoe", "critical"),
    ]
    assert all(item.told for item in of(found["web-1"]).alerts)
    assert of(found["web-1"]).destinations == ("team",)
    assert of(found["web-2"]).destinations == ()
    (only,) = alerts(fleet.workspace(), ["anna"]).values()
    assert [item.tenant for item in of(only).alerts] == ["anna"]


def test_a_silence_is_of_a_tenant_or_of_a_host_and_can_be_ended(fleet: MemoryFleet) -> None:
    workspace, host = fleet.workspace(), fleet.hosts["web-1"]
    silence(workspace, "anna", seconds=3600, why="new disk")
    silence(workspace, "web-1", seconds=600)
    assert [(item.tenant, item.why, item.who) for item in silences(host)] == [
        ("anna", "new disk", "alice"),
        ("", "", "alice"),
    ]
    silence(workspace, "anna", seconds=0)
    assert [item.tenant for item in silences(host)] == [""]
    host.wait(601)
    assert silences(host) == ()
    refused = silence(workspace, "web-1", seconds=8 * 86400)["web-1"]
    assert isinstance(refused, LaunchpadError)
    Duration.parse(refused.hint.rpartition(" ")[2])  # what it suggests can be typed
    with pytest.raises(InventoryError):
        silence(workspace, "nobody", seconds=60)


def test_a_silence_stands_in_the_history(fleet: MemoryFleet) -> None:
    silence(fleet.workspace(), "anna", seconds=3600, why="new disk")
    assert b"new disk" in fleet.hosts["web-1"].files["/var/lib/launchpad/watch.jsonl"].data


def test_every_host_sends_a_test_message(fleet: MemoryFleet) -> None:
    found = try_alerts(fleet.workspace())
    assert found["web-1"] == {"team": ""}
    assert isinstance(found["web-2"], StateError)
    assert [url for url, _, _ in fleet.hosts["web-1"].told] == [MAIL]
    fleet.hosts["web-1"].deaf[MAIL] = "timed out"
    assert try_alerts(fleet.workspace(), ["web-1"]) == {"web-1": {"team": "timed out"}}
