"""A stolen operator key cannot decide who operates: changed settings need a signer's signature, made for just now."""

from __future__ import annotations

from typing import Any

import pytest

from launchpad.runner.protocol import Refused
from launchpad.runner.provision.settings import settings_from_json, stored_settings
from launchpad.runner.provision.trust import NAMESPACE, message
from launchpad.runner.verbs.submit import submit
from tests.memory.system import BareHost
from tests.runner.provision.settings import IMAGE, key, settings
from tests.runner.provision.test_kill_points import CALLER, body, run

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


def signed(host: BareHost, value: Any, *, namespace: str = NAMESPACE, replaces: str = "") -> dict[str, Any]:
    """The request with a signature that the host's ssh-keygen accepts."""
    replaces = replaces or stored_settings(host).digest
    text = message(settings_from_json(value), replaces)
    host.system.signatures.add(("SIGNATURE", text, "fleet", namespace))
    request = body(value, "operation-000002")
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
    assert "nobody signed" in refused(asked_by_an_operator(), body(ATTACKS[attack], "operation-000002"))


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


def test_a_host_is_not_taken_for_another() -> None:
    host = asked_by_an_operator()
    other = settings(identity={"host": "web-2", "fleet": "fleet"})
    assert "web-1" in refused(host, signed(host, other))
