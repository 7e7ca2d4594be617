"""A host learns from its operators' `status` and `health` which names of the next host's tenants it asks for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from launchpad.operations.observation.alerts import silence
from launchpad.operations.observation.fleet_health import fleet_health
from launchpad.operations.observation.status import status
from launchpad.runner import paths
from launchpad.runner.account import Account
from launchpad.runner.alerting.state import silences
from launchpad.runner.expected import expectations
from launchpad.runner.provision.settings_record import SETTINGS
from launchpad.runner.watching.peer_check import NAME, PeerCheck
from tests.memory.data import File
from tests.memory.fleet import MemoryFleet, memory_fleet
from tests.runner.provision.settings import settings


@pytest.fixture
def fleet(tmp_path: Path) -> MemoryFleet:
    """web-1 looks at web-2."""
    made = memory_fleet(tmp_path, {"anna": "web-1", "ben": "web-2"})
    host = made.hosts["web-1"]
    given = settings(peer={"host": "web-2", "address": "192.0.2.2", "witness": ""})
    host.files[SETTINGS] = File(json.dumps({"serial": 1, "settings": given}).encode())
    look(made)
    return made


def look(fleet: MemoryFleet) -> None:
    host = fleet.hosts["web-1"]
    account = Account(host, (NAME,))
    check = PeerCheck(host, account)
    account.see(NAME, check.look(), check.facts, check.health)


@pytest.mark.parametrize("ask", [status, fleet_health])
def test_the_names_are_sent_once_and_asked_from_then_on(fleet: MemoryFleet, ask: Callable[..., object]) -> None:
    host = fleet.hosts["web-1"]
    assert expectations(host).names == {}
    ask(fleet.workspace())
    assert (expectations(host).peer, expectations(host).names) == ("web-2", {"ben": ("ben.example.com",)})
    assert fleet.hosts["web-2"].read(paths.EXPECTED) is None
    look(fleet)
    assert host.asked[-1] == "192.0.2.2 https://ben.example.com/"
    written = host.files[paths.EXPECTED]
    status(fleet.workspace())
    assert host.files[paths.EXPECTED] is written, "nothing is sent that the host has"
    (path,) = fleet.root.glob("inventory/tenants/ben.yaml")
    path.write_text(path.read_text() + "running: false\n")
    status(fleet.workspace())
    assert expectations(host).names == {}, "a tenant that is to stand still is asked for by nobody"


def test_what_the_other_host_sees_is_a_fact_of_the_tenant(fleet: MemoryFleet) -> None:
    status(fleet.workspace())
    look(fleet)
    (seen,) = [item for item in fleet_health(fleet.workspace()).each if item.name == "ben"]
    assert "ben.example.com answers web-1 from outside" in [fact.message for fact in seen.facts]


def test_a_silence_of_a_host_is_one_of_who_looks_at_it_too(fleet: MemoryFleet) -> None:
    assert set(silence(fleet.workspace(), "web-2", seconds=600)) == {"web-1", "web-2"}
    assert [(item.tenant, item.host) for item in silences(fleet.hosts["web-1"])] == [("", "web-2")]
    assert [(item.tenant, item.host) for item in silences(fleet.hosts["web-2"])] == [("", "")]
    assert set(silence(fleet.workspace(), "ben", seconds=600)) == {"web-2"}
    silence(fleet.workspace(), "web-2", seconds=0)
    assert silences(fleet.hosts["web-1"]) == ()
