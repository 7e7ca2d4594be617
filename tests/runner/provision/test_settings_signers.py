"""A stolen operator key cannot decide who operates: changed settings need a signer's signature, made for just now."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest

from launchpad.runner.backups import credentials
from launchpad.runner.protocol import Refused
from launchpad.runner.provision.settings_record import settings_from_json, stored_settings
from launchpad.runner.provision.settings_signers import NAMESPACE, message
from launchpad.runner.verbs.submit import submit
from tests.memory.system import BareHost
from tests.runner.provision.settings import IMAGE, OFFSITE, OFFSITE_SECRETS, key, settings
from tests.runner.provision.test_kill_points import CALLER, body, run

EMPTY: Mapping[str, Any] = MappingProxyType({})
RECIPIENT = "age12707s542rk65qyrgjrqv5p2qh24w2fh4z2rvhg7wnmf6n4cjwgpsg68yp4"
MALLORY = settings(operators=[{"name": "mallory", "keys": [key(66)]}])
ATTACKS = {
    "an operator of one's own": MALLORY,
    "a signer of one's own": settings(allowed_signers=[{"name": "fleet", "keys": [key(66)]}]),
    "root's login": settings(ssh={"port": 22, "root_login": True}),
    "another Caddy": settings(caddy=settings()["caddy"] | {"image": "evil.example.com/caddy@sha256:" + "6" * 64}),
    "a disk of the host's": settings(storage={"loop_mb": 0, "device": "/dev/vda1"}),
}


def asked_by_an_operator() -> BareHost:
    host = BareHost(registry={IMAGE})
    assert run(host, body(settings())) == "done"
    host.system.root_asks = False
    host.calls.clear()
    return host


def signed(
    host: BareHost, value: Any, *, namespace: str = NAMESPACE, replaces: str = "", secrets: Mapping[str, Any] = EMPTY
) -> dict[str, Any]:
    """The request with a signature that the host's ssh-keygen accepts."""
    replaces = replaces or stored_settings(host).digest
    text = message(settings_from_json(value), replaces, secrets)
    host.system.signatures.add(("SIGNATURE", text, "fleet", namespace))
    request = body(value, "operation-000002", secrets=secrets)
    request["operation"]["signature"] = {"signer": "fleet", "replaces": replaces, "signature": "SIGNATURE"}
    return request


def refused(host: BareHost, request: dict[str, Any]) -> str:
    before = {path: file.data for path, file in host.files.items()}
    with pytest.raises(Refused) as found:
        list(submit(host, request, CALLER))
    assert {path: file.data for path, file in host.files.items()} == before
    assert host.begun == []
    return found.value.message


@pytest.mark.parametrize("attack", ATTACKS)
def test_unsigned_changes_are_refused(attack: str) -> None:
    assert "are not signed" in refused(asked_by_an_operator(), body(ATTACKS[attack], "operation-000002"))


def test_a_signers_change_is_taken() -> None:
    host = asked_by_an_operator()
    two = settings(operators=[*settings()["operators"], {"name": "bob", "keys": [key(2)]}])
    assert run(host, signed(host, two)) == "done"
    assert host.gets_in("bob")


def test_bringing_a_host_back_to_its_settings_needs_no_signature() -> None:
    host = asked_by_an_operator()
    host.files["/etc/docker/daemon.json"].data = b"{}"
    assert run(host, body(settings(), "operation-000002")) == "done"


def test_a_signature_of_something_else_is_refused() -> None:
    host = asked_by_an_operator()
    request = signed(host, settings(ssh={"port": 2200, "root_login": False}))
    request["operation"]["settings"] = MALLORY
    assert "not signed" in refused(host, request)


def test_a_runners_signature_is_none_for_settings() -> None:
    host = asked_by_an_operator()
    assert "not signed" in refused(host, signed(host, MALLORY, namespace="launchpad-runner"))


def test_an_old_signature_fits_nowhere_again() -> None:
    """Also when the settings come back to what they were: the serial does not."""
    host = asked_by_an_operator()
    two = settings(operators=[*settings()["operators"], {"name": "bob", "keys": [key(2)]}])
    replayed = signed(host, two)
    assert run(host, replayed) == "done"
    assert run(host, signed(host, settings()) | {"id": "operation-000003"}) == "done"
    assert not host.gets_in("bob")
    assert "have changed" in refused(host, replayed | {"id": "operation-000004"})


@pytest.mark.parametrize("signature", ["x", {}, {"signer": "fleet"}, {"signer": 1, "replaces": "", "signature": ""}])
def test_what_is_no_signature_is_refused(signature: object) -> None:
    host = asked_by_an_operator()
    request = body(MALLORY, "operation-000002")
    request["operation"]["signature"] = signature
    assert refused(host, request)


AWAY = settings(targets=[{**OFFSITE, "target": {**OFFSITE["target"], "url": "https://evil.example.com"}}])


def test_a_place_for_backups_comes_with_a_signature_alone() -> None:
    host = asked_by_an_operator()
    assert "are not signed" in refused(host, body(AWAY, "operation-000002", secrets=OFFSITE_SECRETS))


def test_credentials_that_were_not_signed_are_refused() -> None:
    host = asked_by_an_operator()
    request = signed(host, settings(targets=[OFFSITE]), secrets=OFFSITE_SECRETS)
    eves = OFFSITE_SECRETS | {"offsite.REST_PASSWORD": {"version": 2, "value": "eve's"}}
    assert "not signed" in refused(host, request | {"secrets": eves})
    assert "are missing in the request" in refused(host, signed(host, settings(targets=[OFFSITE])))


def test_who_mends_a_host_puts_no_other_credentials_in_place() -> None:
    host = asked_by_an_operator()
    assert run(host, signed(host, settings(targets=[OFFSITE]), secrets=OFFSITE_SECRETS)) == "done"
    host.files["/etc/docker/daemon.json"].data = b"{}"
    eves = OFFSITE_SECRETS | {"offsite.REST_PASSWORD": {"version": 2, "value": "eve's"}}
    assert run(host, body(settings(targets=[OFFSITE]), "operation-000003", secrets=eves)) == "done"
    assert credentials.credentials(host, "offsite")["REST_PASSWORD"] == "the-password-of-offsite"


def test_credentials_of_earlier_versions_go_with_the_next_change_but_one() -> None:
    host = asked_by_an_operator()
    newer = OFFSITE | {"credentials": {"REST_USER": 1, "REST_PASSWORD": 3}}
    secrets = OFFSITE_SECRETS | {"offsite.REST_PASSWORD": {"version": 3, "value": "another"}}
    assert run(host, signed(host, settings(targets=[OFFSITE]), secrets=OFFSITE_SECRETS)) == "done"
    assert run(host, signed(host, settings(targets=[newer]), secrets=secrets) | {"id": "operation-000003"}) == "done"
    assert len(host.names(credentials.FOLDER)) == 2
    again = signed(host, settings(targets=[newer], recipients=[RECIPIENT]))
    assert run(host, again | {"id": "operation-000004"}) == "done"
    assert host.names(credentials.FOLDER) == ["offsite@3.1.cred"]
    host.remove(f"{credentials.FOLDER}/offsite@3.1.cred")
    again = signed(host, settings(targets=[newer], recipients=[RECIPIENT]))
    assert "are missing in the request" in refused(host, again | {"id": "operation-000005"})


def test_a_host_is_not_taken_for_another() -> None:
    host = asked_by_an_operator()
    other = settings(identity={"host": "web-2", "fleet": "fleet"})
    assert "web-1" in refused(host, signed(host, other))
