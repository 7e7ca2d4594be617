"""A host that gets ready for a tenant: requests for it wait there, and that is in nobody's way."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from launchpad.runner import paths
from launchpad.runner.protocol import Refused
from launchpad.runner.verbs.observe import observe
from tests.memory.host import MemoryHost
from tests.memory.releases import deploy_body, release
from tests.operations.two_hosts import CERTIFICATE, KEY
from tests.runner.moving.hosts import CALLER, MADE, a_host, arriving, asked, departed, look, put_generation, run
from tests.runner.moving.test_sealed_certificates import certificate
from tests.runner.verbs.view import MemoryView

DOMAIN = "alice.example.com"
SITE = paths.site("alice")


def bundle(*domains: str, crt: str = CERTIFICATE) -> dict[str, Any]:
    parts = {"authority": "acme.example.com-directory", "crt": crt, "key": KEY}
    value = {domain: parts | {"json": json.dumps({"sans": [domain]})} for domain in domains}
    return {"CADDY_CERTIFICATES": {"version": 1, "value": json.dumps(value)}}


def preparing(identifier: str = "prepare-000001", made: Any = MADE, secrets: Any = None) -> dict[str, Any]:
    body = deploy_body(identifier, made)
    body["operation"]["kind"] = "prepare"
    return body | {"secrets": bundle(DOMAIN) if secrets is None else secrets}


def prepared() -> MemoryHost:
    host = a_host()
    assert run(host, preparing()) == "done"
    return host


def test_requests_wait_there_and_nothing_else_of_it_is_there() -> None:
    host = prepared()
    assert host.request(DOMAIN) == "held"
    assert look(host)["waits"] and not look(host)["forwards"]
    assert look(host)["record"] is None and not host.boxes and not host.has_data(paths.data("alice"))
    assert not [path for path in host.files if path.endswith(".cred")]


def test_an_image_made_for_another_machine_is_refused_before_anything_stops() -> None:
    host = a_host()
    host.foreign |= {service.image for service in MADE[0].services}
    with pytest.raises(Refused, match="is built for arm64, not for this host's CPU"):
        run(host, preparing())
    assert not host.files.get(SITE) and not host.stored


def test_the_same_again_changes_nothing() -> None:
    host = prepared()
    before, reloads = dict(host.files), host.reloads
    assert run(host, preparing("prepare-000002")) == "unchanged"
    assert {path: before.get(path) for path in host.files} == host.files and host.reloads == reloads


def test_a_newer_certificate_that_comes_with_the_next_try_is_read() -> None:
    """Caddy keeps what it has read for as long as it has the site."""
    host = prepared()
    reloads = host.reloads
    since = datetime(2026, 1, 1, tzinfo=UTC)
    assert run(host, preparing("prepare-000002", secrets=bundle(DOMAIN, crt=certificate(since)))) == "done"
    assert host.reloads == reloads + 2 and host.request(DOMAIN) == "held"


@pytest.mark.parametrize("secrets", [{}, bundle()], ids=["none come", "an empty bundle comes"])
def test_without_a_certificate_nobody_waits(secrets: dict[str, Any]) -> None:
    host = a_host()
    run(host, preparing(secrets=secrets))
    assert SITE not in host.sites and not look(host)["waits"]


def test_another_secret_is_refused_before_it_arrives() -> None:
    with pytest.raises(Refused, match="'BEACON_TOKEN' must not come before"):
        run(a_host(), preparing(secrets={"BEACON_TOKEN": {"version": 1, "value": "x"}}))


def test_a_site_that_reaches_for_another_is_refused_and_leaves_nothing() -> None:
    evil, files = release()
    files = files | {"site.caddy": "alice.example.com {\n\treverse_proxy 10.200.0.18:8080\n}\n"}
    host = a_host()
    before = dict(host.files)
    with pytest.raises(Refused):
        run(host, preparing(made=matching(evil, files)))
    assert host.files == before


def matching(made: Any, files: dict[str, str]) -> Any:
    from launchpad.runner.protocol import digest_of

    return made.but(files={path: digest_of(text.encode()) for path, text in files.items()}), files


def test_a_host_that_passes_requests_on_goes_on_doing_so() -> None:
    """Else they would wait for the whole first copy, or go round in circles."""
    host, receipt = departed()
    run(host, asked("forward-000001", {"kind": "forward", "tenant": "alice", "epoch": receipt["epoch"]}))
    before = host.sites[SITE]
    run(host, preparing("prepare-000002"))
    assert host.sites[SITE] == before and look(host)["forwards"] and not look(host)["waits"]


def test_one_that_never_came_is_no_drift_and_is_known_to_nobody() -> None:
    host = MemoryView(registry={service.image for service in MADE[0].services})
    run(host, preparing())
    (said,) = observe(host, {}, CALLER)
    assert said["body"]["tenants"] == {} and not said["body"]["host"]["problems"]


def test_its_name_is_refused_to_another_clearly_until_somebody_lets_it_go() -> None:
    host = prepared()
    bob = release("bob", slot=8)
    with pytest.raises(Refused, match=r"alice\.example\.com belongs to alice") as refused:
        run(host, deploy_body("deploy-bob-0001", bob))
    assert "launchpad retire alice --host HOST" in refused.value.hint
    assert run(host, asked("retire-000001", {"kind": "retire", "tenant": "alice", "purge": False})) == "done"
    assert SITE not in host.sites and not look(host)["waits"]
    assert run(host, deploy_body("deploy-bob-0002", bob)) == "done"


def test_a_purge_takes_all_of_it_away() -> None:
    host = prepared()
    assert run(host, asked("retire-000001", {"kind": "retire", "tenant": "alice", "purge": True})) == "done"
    assert SITE not in host.sites and not host.names(paths.tenant("alice"))


def test_whoever_arrives_finds_the_site_there_and_loads_nothing() -> None:
    _, receipt = departed()
    host = prepared()
    put_generation(host, receipt)
    reloads = host.reloads
    assert run(host, arriving(receipt)) == "done"
    assert host.reloads == reloads and host.request(DOMAIN) == MADE[0].short
    assert not look(host)["waits"]


def test_a_refusal_takes_the_site_away() -> None:
    _, receipt = departed()
    host = prepared()
    decline = {"kind": "decline", "tenant": "alice", "receipt": receipt, "to": "web-1", "address": "192.0.2.1"}
    assert run(host, asked("decline-000001", decline)) == "done"
    assert SITE not in host.sites and not look(host)["waits"]
