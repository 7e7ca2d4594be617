"""Every step of a provision at every kill point: it converges, and at no point is everybody locked out.

The kill points are the changing calls at the runner's two seams, met in an undisturbed run; where processes that die at
two of them leave the same, one is judged. Who gets in is judged by what the running sshd and firewall have read, never
by what the runner says.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Any

import pytest

from launchpad.runner import engine
from launchpad.runner.backups import credentials
from launchpad.runner.caller import Caller
from launchpad.runner.families import kinds_of
from launchpad.runner.journal import Journal, open_journals
from launchpad.runner.provision.plan import planned_provision
from launchpad.runner.provision.steps import HostStep
from launchpad.runner.step import step_name
from launchpad.runner.verbs.submit import submit
from tests.memory.effects import MODES, Moment, moments, turn
from tests.memory.system import BareHost
from tests.runner.provision.settings import IMAGE, OFFSITE, OFFSITE_SECRETS, key, settings

CALLER = Caller("alice", "192.0.2.7")
TWO_OPERATORS = [{"name": "alice", "keys": [key(1)]}, {"name": "bob", "keys": [key(2)]}]
REVERT_SECONDS = 40
REVOKED = {700: key(66), 701: key(67)}
"""Logins of keys that are accepted no more; 702 is alice's."""


@dataclass(frozen=True)
class Scenario:
    name: str
    settings: Mapping[str, Any] = field(hash=False)
    bare: bool = False
    archive_down: bool = False
    listens: bool = True
    ends: str = "done"
    secrets: Mapping[str, Any] = field(default_factory=dict, hash=False)
    logins: bool = False
    """Whether somebody is logged in whose key is accepted no more."""

    def body(self, identifier: str = "operation-000001") -> dict[str, Any]:
        return body(self.settings, identifier, secrets=self.secrets)


SCENARIOS = [
    Scenario("from bare", settings(), bare=True),
    Scenario("another operator", settings(operators=TWO_OPERATORS)),
    Scenario("an operator less", settings(), logins=True),
    Scenario("another target", settings(targets=[OFFSITE]), secrets=OFFSITE_SECRETS),
    Scenario("a port that nothing gets through to", settings(ssh={"port": 2222, "root_login": False}), ends="undone"),
    Scenario("nobody confirms", settings(operators=TWO_OPERATORS), listens=False, ends="undone"),
    Scenario("nobody confirms a bare one", settings(), bare=True, listens=False, ends="undone"),
    Scenario("the package archive is down", settings(), bare=True, archive_down=True, ends="undone"),
]
NOBODY_CONFIRMS = next(item for item in SCENARIOS if item.name == "nobody confirms")
names = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda item: item.name)


def body(
    value: Mapping[str, Any], identifier: str = "operation-000001", *, secrets: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, Any]:
    operation = {"kind": "provision", "settings": value}
    return {"id": identifier, "operation": operation, "secrets": dict(secrets), "follow": False}


def run(host: BareHost, request: Mapping[str, Any]) -> str:
    (answer,) = submit(host, request, CALLER)
    if answer["body"]["outcome"] == "unchanged":
        return "unchanged"
    for identifier in list(host.begun):
        engine.carry_out(host, identifier)
        host.begun.remove(identifier)
    outcome = Journal(host, request["id"]).outcome()
    assert outcome is not None
    return str(outcome["outcome"])


@cache
def before(*, bare: bool) -> BareHost:
    host = BareHost(registry={IMAGE})
    if not bare:
        assert run(host, body(settings(), "prepare-000001")) == "done"
    return host


def prepared(scenario: Scenario) -> BareHost:
    host = deepcopy(before(bare=scenario.bare))
    host.system.archive_down = scenario.archive_down
    host.operator_listens = scenario.listens
    host.system.logins = {**REVOKED, 702: key(1)} if scenario.logins else {}
    host.calls.clear()
    return host


@cache
def killed(scenario: Scenario) -> list[Moment]:
    """Every moment of the scenario's run at which its process may die."""
    host = prepared(scenario)
    found = moments(host, lambda: run(host, scenario.body()))
    assert len(found) == len(MODES) * len(host.calls) > (3 if scenario.logins else 30)
    return found


def somebody_gets_in(host: BareHost) -> bool:
    return host.gets_in("alice") or host.root_gets_in()


def judge(host: BareHost, scenario: Scenario, outcome: str) -> None:
    if scenario.bare and outcome == "undone":
        assert host.root_gets_in()
        assert not host.gets_in("alice")
    else:
        assert host.gets_in("alice")
        assert not host.root_gets_in()
        assert host.gets_in("bob") == (outcome == "done" and len(scenario.settings["operators"]) > 1)
    assert host.system.table is None or host.system.table == host.text("/etc/launchpad/firewall.nft")
    assert not list(open_journals(host))
    assert not host.system.timers
    assert not host.locks
    assert host.system.logins == ({702: key(1)} if scenario.logins else {})
    if scenario.secrets and outcome == "done":
        assert credentials.credentials(host, "offsite")["REST_PASSWORD"] == "the-password-of-offsite"
    assert not any(b"the-password-of-offsite" in file.data for file in host.files.values())


@names
def test_undisturbed(scenario: Scenario) -> None:
    host = prepared(scenario)
    assert run(host, scenario.body()) == scenario.ends
    judge(host, scenario, scenario.ends)


@pytest.mark.parametrize("scenario", SCENARIOS[:3], ids=lambda item: item.name)
def test_again_changes_nothing(scenario: Scenario) -> None:
    host = prepared(scenario)
    assert run(host, scenario.body()) == "done"
    host.calls.clear()
    assert run(host, scenario.body("operation-000002")) == "unchanged"
    assert host.calls == []


@pytest.mark.parametrize("mode", MODES)
@names
def test_killed_at_every_call(scenario: Scenario, mode: str) -> None:
    to_judge = [moment for moment in killed(scenario) if moment.mode == mode and not moment.known]
    typed_again = turn(to_judge, MODES.index(mode), len(MODES))
    for moment in to_judge:
        left_alone = moment.host()
        left_alone.operator_listens = False
        left_alone.pass_time(REVERT_SECONDS)
        assert somebody_gets_in(left_alone), f"{moment}: locked out when nobody goes on"
        host = moment.host()
        for journal in list(open_journals(host)):
            engine.carry_out(host, journal.identifier)
        goes_on(host, scenario, moment, again=moment in typed_again)


@names
def test_rebooted_at_any_call(scenario: Scenario) -> None:
    after = [moment for moment in killed(scenario) if moment.mode == "after" and not moment.known]
    for moment in turn(after, SCENARIOS.index(scenario) % 3, 3):
        host = moment.host()
        host.reboot()
        assert somebody_gets_in(host), f"{moment}: locked out by the reboot"
        engine.settle_all(host)
        goes_on(host, scenario, moment)


def goes_on(host: BareHost, scenario: Scenario, moment: Moment, *, again: bool = True) -> None:
    """What was open is settled; the operator types the same command again, at least where it has not ended as it does
    undisturbed."""
    host.begun.clear()
    host.pass_time(REVERT_SECONDS)
    assert somebody_gets_in(host), f"{moment}: locked out"
    outcome = (Journal(host, "operation-000001").outcome() or {}).get("outcome")
    if again or outcome != scenario.ends:
        outcome = run(host, scenario.body("operation-000002"))
        assert outcome in (scenario.ends, "unchanged"), f"{moment}"
    judge(host, scenario, "done" if outcome == "unchanged" else str(outcome))


def test_every_kind_of_step_is_in_a_provision() -> None:
    """Then the kill points above are the kill points of every kind of step there is."""
    host = BareHost(registry={IMAGE})
    host.system.logins = REVOKED
    host.system.active.add("launchpad-ship.service")
    assert {step_name(type(step)) for step in planned_provision(host, settings())} == set(kinds_of(HostStep))


def test_cancelled_while_it_waits_for_a_confirmation() -> None:
    host = prepared(NOBODY_CONFIRMS)
    list(submit(host, NOBODY_CONFIRMS.body(), CALLER))
    wait = host.wait

    def cancelling(seconds: float) -> None:
        Journal(host, "operation-000001").ask_cancel(CALLER)
        wait(seconds)

    host.wait = cancelling  # type: ignore[method-assign]
    engine.carry_out(host, "operation-000001")
    outcome = Journal(host, "operation-000001").outcome()
    assert outcome is not None
    assert outcome["outcome"] == "cancelled"
    judge(host, NOBODY_CONFIRMS, "cancelled")
