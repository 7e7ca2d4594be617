"""The reply to observe, read by one that may be older or newer than the runner."""

from __future__ import annotations

from typing import Any

import pytest

from launchpad.errors import HostError
from launchpad.plan.observed import host_from_reply
from launchpad.runner.facts import Grade, Layer
from launchpad.ssh.replies import tamed
from tests.operations.places import observed


def test_a_whole_reply_is_read() -> None:
    body = observed({"alice": {"operation": {"id": "op-1"}, "breaker": {"reason": "died"}, "traffic": "closed"}})
    alice = host_from_reply(body, host="web-1").tenants["alice"]
    assert (alice.operation, alice.breaker, alice.traffic_open) == ("op-1", "died", False)
    assert alice.services == {"web": "running"}
    assert alice.ready


def test_containers_of_the_other_side_do_not_count() -> None:
    containers = [
        {"service": "web", "side": side, "state": state} for side, state in (("a", "running"), ("b", "exited"))
    ]
    body = observed({"alice": {"containers": containers}})
    assert host_from_reply(body, host="web-1").tenants["alice"].services == {"web": "running"}


def test_what_a_newer_runner_adds_is_passed_over() -> None:
    body = observed({"alice": {"mood": "fine"}}) | {"weather": "sunny"}
    assert "alice" in host_from_reply(body, host="web-1").tenants


def test_facts_are_read_closed_with_the_host_s_name_in_what_to_type() -> None:
    mine = {"layer": "ready", "grade": "critical", "message": "does not answer", "tenant": "alice", "at": 1990.0}
    body = observed({"alice": {"health": [mine]}})
    body["host"]["health"] = [
        {"layer": "docker", "grade": "critical", "message": "x", "hint": [["provision", "@HOST"]]}
    ]
    seen = host_from_reply(tamed({"type": "reply", "body": body}, "web-1")["body"], host="web-1")
    assert [fact.hint for fact in seen.health] == ["launchpad provision web-1"]
    assert [(fact.layer, fact.grade, fact.at) for fact in seen.tenants["alice"].health] == [
        (Layer.ready, Grade.critical, 1990.0)
    ]
    for wrong in ({"layer": "mood"}, {"grade": "fine"}, {"colour": "red"}):
        with pytest.raises(HostError, match="web-1: the host's answer cannot be read"):
            host_from_reply(observed({"alice": {"health": [mine | wrong]}}), host="web-1")


def test_a_tenant_without_a_record_is_none() -> None:
    body = observed({}) | {"tenants": {"alice": {"record": None, "containers": []}}}
    assert host_from_reply(body, host="web-1").tenants == {}


def test_what_is_wrong_with_the_host_is_told() -> None:
    body = observed({})
    body["host"] |= {"problems": ["Docker does not answer"], "caddy": {"state": "down", "reloads": 3}}
    assert host_from_reply(body, host="web-1").problems == ("Docker does not answer",)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"host": None, "tenants": {}},
        {"host": {"clock": "noon"}, "tenants": {}},
        {"host": {"clock": 1}, "tenants": []},
        {"host": {"clock": 1}, "tenants": {"alice": {"record": {"app": "echo"}}}},
        {"host": {"clock": 1}, "tenants": {"alice": {"record": "x"}}},
    ],
)
def test_a_reply_that_is_none_is_an_error_that_names_the_host(body: dict[str, Any]) -> None:
    with pytest.raises(HostError, match="web-1: the host's answer cannot be read"):
        host_from_reply(body, host="web-1")
