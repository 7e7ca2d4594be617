"""Hetzner's records of tenants' names, by its own client library against a server that keeps them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from launchpad.errors import ServiceError, StateError
from launchpad.fleet.words.secret import Secret
from launchpad.operations.dns.hetzner import Hetzner
from launchpad.operations.dns.point import point
from launchpad.operations.dns.resolver import Resolver
from tests.operations.dns.hetzner_api import ENDED, Api, hetzner
from tests.operations.two_hosts import a_place

TOKEN = "t0ken-that-nobody-may-see"
HERE, THERE = "203.0.113.7", "203.0.113.8"


@pytest.fixture
def api() -> Iterator[Api]:
    with hetzner(Api(token=TOKEN, zones=["example.com", "eu.example.com"])) as served:
        yield served


def keeper(api: Api, token: str = TOKEN) -> Hetzner:
    return Hetzner(Secret(token), Resolver(), api=api.url)


def test_records_are_made_changed_and_then_left_alone(api: Api) -> None:
    dns = keeper(api)
    assert dns.point(["alice.example.com", "example.com"], HERE)
    assert dns.point(["alice.example.com"], THERE)
    assert dns.point(["alice.example.com"], THERE)
    assert api.changes == [f"alice A {HERE}", f"@ A {HERE}", f"alice A {THERE}"]
    assert api.ttls == {("example.com", "alice", "A"): 60, ("example.com", "@", "A"): 60}


def test_a_name_belongs_to_the_nearest_zone(api: Api) -> None:
    keeper(api).point(["bob.eu.example.com"], "2001:db8::7")
    assert api.records == {("eu.example.com", "bob", "AAAA"): ["2001:db8::7"]}


def test_several_addresses_become_one(api: Api) -> None:
    api.records["example.com", "alice", "A"] = [HERE, THERE]
    keeper(api).point(["alice.example.com"], THERE)
    assert api.records["example.com", "alice", "A"] == [THERE]


@pytest.mark.parametrize("ttl", [None, 3600])
def test_records_that_were_there_are_not_remembered_for_longer(api: Api, ttl: int | None) -> None:
    key = ("example.com", "alice", "A")
    api.records[key] = [HERE]
    if ttl:
        api.ttls[key] = ttl
    keeper(api).point(["alice.example.com"], THERE)
    keeper(api).point(["alice.example.com"], THERE)
    assert api.changes == ["alice A for 60 s", f"alice A {THERE}"]
    assert (api.ttls[key], api.records[key]) == (60, [THERE])


@pytest.mark.parametrize("other", ["AAAA", "CNAME"])
def test_records_of_another_kind_are_a_persons(api: Api, other: str) -> None:
    api.records["example.com", "alice", other] = ["elsewhere"]
    with pytest.raises(StateError, match=f"also has {other} records"):
        keeper(api).point(["bob.example.com", "alice.example.com"], HERE)
    assert api.changes == []


def test_a_name_in_no_zone_changes_nothing(api: Api) -> None:
    with pytest.raises(StateError, match=r"no zone .* contains notexample\.com"):
        keeper(api).point(["alice.example.com", "notexample.com"], HERE)
    assert api.changes == []


def test_a_token_that_is_refused_is_told_without_it(api: Api) -> None:
    with pytest.raises(StateError, match="rejects the token") as caught:
        keeper(api, "wr0ng-token").point(["alice.example.com"], HERE)
    assert "wr0ng-token" not in repr(caught.value) + str(caught.value.__cause__)
    api.fails = "forbidden"
    with pytest.raises(StateError, match="rejects the token"):
        keeper(api).point(["alice.example.com"], HERE)


def test_what_the_api_refuses_can_be_tried_again(api: Api) -> None:
    api.fails = "invalid_input"
    with pytest.raises(ServiceError, match="rejects the request: it is not"):
        keeper(api).point(["alice.example.com"], HERE)
    api.fails = ""
    assert keeper(api).point(["alice.example.com"], HERE)


def test_an_api_that_is_not_there_is_told() -> None:
    with pytest.raises(ServiceError, match="cannot reach Hetzner"):
        Hetzner(Secret(TOKEN), Resolver(), api="http://127.0.0.1:1").point(["alice.example.com"], HERE)


def test_a_tenants_names_lead_to_its_host(api: Api, tmp_path: Path) -> None:
    workspace = a_place(tmp_path / "fleet").workspace
    done = point(workspace, "alice", dns=keeper(api))
    assert api.changes == ["alice A 127.0.0.1"]
    assert done.written and [str(item) for item in done.records] == ["alice.example.com. A 127.0.0.1"]
    point(workspace, "alice", dns=keeper(api), write=False)
    assert len(api.changes) == 1


def test_a_change_that_fails_behind_the_answer_is_told(api: Api) -> None:
    api.ends = ENDED | {"status": "error", "error": {"code": "action_failed", "message": "the zone is locked"}}
    with pytest.raises(ServiceError, match="did not complete the change"):
        keeper(api).point(["alice.example.com"], HERE)
