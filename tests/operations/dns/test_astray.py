"""A deploy looks where names lead, tells the record to make, and goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from launchpad.errors import StateError
from launchpad.events import HeardEvent, NameAstray
from launchpad.operations.dns.astray import astray
from launchpad.operations.tenants.deploy import DeployOptions, deploy
from launchpad.workspace import Workspace
from tests.operations.places import behave, requests
from tests.ssh.sshd import Sshd

HERE = "127.0.0.1"


@dataclass
class Told:
    """A resolver that tells this of every name."""

    addresses: frozenset[str]

    def point(self, names: Sequence[str], address: str) -> bool:
        return False

    def leads_to(self, name: str) -> frozenset[str]:
        return self.addresses


def names_of(sshd: Sshd) -> list[object]:
    return [item["body"] for item in requests(sshd) if item["verb"] == "names"]


def behaving(sshd: Sshd, addresses: list[str]) -> None:
    told = {"alice.example.com": addresses}
    reply = {"type": "reply", "protocol": 1, "runner": "0.1.0", "body": {"names": told}}
    behave(sshd, names={"lines": [reply]})


def astray_of(workspace: Workspace, dns: Told) -> list[NameAstray]:
    fleet = workspace.fleet.load()
    tenant = fleet.tenant("alice")
    return astray(workspace, tenant, fleet.host(tenant.host), dns=dns)


def test_a_name_that_leads_to_its_host_alone_is_asked_of_nobody_else(workspace: Workspace, sshd: Sshd) -> None:
    behaving(sshd, [])
    assert astray_of(workspace, Told(frozenset({HERE}))) == []
    assert names_of(sshd) == []


def test_the_host_is_believed_where_this_machine_is_told_otherwise(workspace: Workspace, sshd: Sshd) -> None:
    behaving(sshd, [HERE])
    assert astray_of(workspace, Told(frozenset())) == []
    assert names_of(sshd) == [{"names": ["alice.example.com"]}]


def test_an_answer_without_the_names_is_the_host_s_error(workspace: Workspace, sshd: Sshd) -> None:
    behave(sshd, names={"lines": [{"type": "reply", "protocol": 1, "runner": "0.1.0", "body": {}}]})
    with pytest.raises(StateError, match="missing key 'names'"):
        astray_of(workspace, Told(frozenset()))


def test_a_name_that_leads_elsewhere_is_told_with_the_record_to_make(workspace: Workspace, sshd: Sshd) -> None:
    behaving(sshd, ["192.0.2.9"])
    (found,) = astray_of(workspace, Told(frozenset({"192.0.2.9"})))
    assert (found.name, found.leads_to) == ("alice.example.com", ("192.0.2.9",))
    assert found.record == f"alice.example.com. A {HERE}"


def test_a_deploy_tells_it_and_goes_on_also_when_the_host_cannot_be_asked(workspace: Workspace, sshd: Sshd) -> None:
    behaving(sshd, [])
    heard: list[HeardEvent] = []
    assert deploy(workspace, "alice", how=DeployOptions(dns=Told(frozenset())), on_event=heard.append).outcome == "done"
    assert [item.event.name for item in heard if isinstance(item.event, NameAstray)] == ["alice.example.com"]
    behave(sshd, names={"lines": [{"type": "error", "error": "protocol", "message": "unknown verb", "hint": ""}]})
    assert deploy(workspace, "alice", how=DeployOptions(dns=Told(frozenset())), on_event=heard.append).outcome == "done"
