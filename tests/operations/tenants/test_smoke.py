"""A smoke test names what is wrong with a deployment, and nothing else."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from benchkit.ports import free_port

from launchpad.cli.junit import junit
from launchpad.errors import InventoryError
from launchpad.operations.requests.render import render
from launchpad.operations.tenants.ports import wrongly_open
from launchpad.operations.tenants.smoke import Smoked, SmokeOptions, smoke
from launchpad.operations.tenants.visitor import Wrong, case, chain, promised_headers
from launchpad.workspace import Workspace
from tests.cli.test_junit import SCHEMA
from tests.operations.places import open_workspace, write_workspace
from tests.operations.tenants.loopback import SLOW_SECONDS, Authority, Deployment, Names, deployed
from tests.ssh.sshd import Sshd
from tests.tally import tallied

LIMIT_MS = SLOW_SECONDS * 1000 * 0.8
BROKEN = {
    "unknown": ("DNS", "has no DNS record"),
    "elsewhere": ("DNS", "to 203.0.113.9, not to web-1 at 127.0.0.1"),
    "shut": ("port", "127.0.0.2 accepts no connection to port"),
    "untrusted": ("certificate", "not trusted"),
    "expired": ("certificate", "has expired"),
    "wrong-name": ("certificate", "another name than wrong-name.example.com: other.example.com"),
    "down": ("HTTP", "Caddy answers 503 for / after 1 s: the app did not accept the request"),
    "failing": ("HTTP", "the app answers 500"),
    "closed-to-its-origin": ("WebSocket", "403 for the origin https://closed-to-its-origin.example.com"),
    "slow": ("latency", "slow: p50"),
    "not-ready": ("ready", "unhealthy: ready web: 503 instead of 200"),
    "gone-after-a-restart": ("restart", "not available after the restart"),
    "empty-after-a-restart": ("restart", "the data differs from before the restart"),
}
"""Tenant → the one case that fails, and what it says."""


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    tenants = {name: "away" if name == "shut" else "web-1" for name in ("right", *BROKEN)}
    with deployed(tmp_path_factory.mktemp("smoke"), tenants) as running:
        yield running


def judged(deployment: Deployment, *names: str, **more: Any) -> Smoked:
    options = SmokeOptions(requests=4, slowest_ms=LIMIT_MS, authority=deployment.authority, port=deployment.port)
    dns = Names({"unknown": [], "elsewhere": ["203.0.113.9"], "shut": ["127.0.0.2"]})
    return smoke(deployment.workspace, names, options=replace(options, **more), dns=dns)


def failed(found: Smoked) -> list[tuple[str, str]]:
    return [(item.kind.partition(" ")[0], item.message) for item in found.cases if item.verdict == "failed"]


@pytest.mark.programs
def test_a_right_deployment_passes_every_case(deployment: Deployment) -> None:
    found = judged(deployment, "right", restart=True)
    kinds = [item.kind for item in found.cases]
    assert failed(found) == []
    assert kinds == [
        *("DNS", f"port {deployment.port}", "certificate", "HTTP", "headers", "WebSocket", "latency"),
        *("ready", "restart"),
    ]
    assert {item.verdict for item in found.cases} == {"passed"}
    assert "with its data" in found.cases[-1].message
    assert found.cases[2].message == "trusted, by Loopback authority, 80 days left"
    assert found.cases[4].message == "Strict-Transport-Security, no Server, no Via"


@pytest.mark.programs
def test_each_broken_deployment_is_told_by_the_one_case_that_fails(
    deployment: Deployment, request: pytest.FixtureRequest
) -> None:
    with tallied("ops-smoke-apart", request) as tally:
        for name, (kind, message) in BROKEN.items():
            found = judged(deployment, name, restart=True)
            wrong = failed(found)
            said = len(wrong) == 1 and wrong[0][0] == kind and message in wrong[0][1]
            hints = all(item.hint for item in found.cases if item.verdict == "failed")
            SCHEMA.validate(junit(found.cases, seconds=found.seconds).decode())
            tally(f"{name}: {kind} fails, and says {message!r}", said and hints, found.cases)


@pytest.mark.programs
def test_who_is_ill_is_not_restarted(deployment: Deployment) -> None:
    found = judged(deployment, "failing", restart=True)
    assert found.cases[-1].message == "skipped: HTTP failing.example.com failed"
    assert "failing" not in deployment.hosts.restarted


@pytest.mark.programs
def test_outside_only_asks_no_host(deployment: Deployment) -> None:
    workspace = replace(deployment.workspace, hosts=None)
    found = judged(replace(deployment, workspace=workspace), "right", outside_only=True, restart=True)
    assert failed(found) == []
    assert [item.kind for item in found.cases if item.verdict == "skipped"] == ["ready", "restart"]


@pytest.mark.programs
def test_of_a_tenant_that_is_named_by_a_domain_only_the_domain_is_judged(deployment: Deployment) -> None:
    alone = replace(deployment, workspace=replace(deployment.workspace, hosts=None))
    found = judged(alone, "right.example.com", restart=True)
    assert failed(found) == []
    assert [(item.subject, item.kind) for item in found.cases][-1] == ("tenant right", "latency")
    both = judged(deployment, "right", "right.example.com")
    assert [item.kind for item in both.cases] == [*(item.kind for item in found.cases), "ready"]
    with pytest.raises(InventoryError, match=r"no tenant or host other\.example\.com"):
        judged(alone, "other.example.com")


@pytest.mark.programs
def test_at_an_address_dns_is_not_judged(deployment: Deployment) -> None:
    found = judged(deployment, "unknown", at="127.0.0.1")
    assert failed(found) == []
    assert found.cases[0].verdict == "skipped"


@pytest.mark.programs
def test_a_certificate_of_the_world_s_authorities_is_wanted_without_a_file(deployment: Deployment) -> None:
    assert failed(judged(deployment, "right", authority=None))[0][0] == "certificate"


@pytest.mark.programs
def test_another_authority_is_not_told_to_be_trusted_again(deployment: Deployment, tmp_path: Path) -> None:
    other = Authority(tmp_path, common_name="Another authority").file
    case = next(item for item in judged(deployment, "right", authority=other).cases if item.verdict == "failed")
    assert case.title == "certificate right.example.com" and "--cacert" not in case.hint
    assert f"{other} must contain the authority that signed the certificate" in case.hint
    assert "to trust your own authority: --cacert FILE" in str(judged(deployment, "right", authority=None).cases)


def test_a_file_without_an_authority_is_refused(tmp_path: Path) -> None:
    workspace = open_workspace(write_workspace(tmp_path / "fleet", {"web-1": 22}, {"alice": "web-1"}))
    for content in (None, "no certificate"):
        file = tmp_path / "authority.pem"
        if content is not None:
            file.write_text(content)
        with pytest.raises(InventoryError, match="no certificate authority in this file"):
            smoke(workspace, ["alice"], options=SmokeOptions(authority=file, outside_only=True), dns=Names())


def test_a_stopped_tenant_is_skipped(tmp_path: Path) -> None:
    root = write_workspace(tmp_path / "fleet", {"web-1": 22}, {"alice": "web-1"})
    file = root / "inventory/tenants/alice.yaml"
    file.write_text(file.read_text().replace('"slot": 1', '"slot": 1, "running": false'))
    found = smoke(open_workspace(root), ["alice"], options=SmokeOptions(outside_only=True), dns=Names())
    assert [(item.verdict, item.kind) for item in found.cases] == [("skipped", "ready")]


def test_the_shipped_site_promises_its_headers(tmp_path: Path) -> None:
    workspace = open_workspace(write_workspace(tmp_path / "fleet", {"web-1": 22}, {"alice": "web-1"}))
    site = render(workspace, "alice").files["site.caddy"]
    assert promised_headers(site) == {"Strict-Transport-Security": "max-age=31536000", "Server": None, "Via": None}
    assert promised_headers("") == {}


def test_behind_a_case_that_failed_the_others_are_skipped() -> None:
    def fails() -> str:
        raise Wrong("so", hint="type this")

    found = list(chain("tenant alice", "a.example.com", [("one", lambda: "well"), ("two", fails), ("three", fails)]))
    assert [item.verdict for item in found] == ["passed", "failed", "skipped"]
    assert (found[1].hint, found[2].message) == ("type this", "skipped: two a.example.com failed")
    assert case("host web-1", "ready", lambda: "well").title == "ready"


def test_a_port_that_is_open_is_found_among_those_that_must_be_closed() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
        assert wrongly_open("127.0.0.1", [free_port(), port]) == [port]


def test_a_host_is_judged_by_its_ports_and_its_key(tmp_path: Path, sshd: Sshd) -> None:
    def verdicts(workspace: Workspace) -> dict[str, str]:
        found = smoke(workspace, ["web-1"], options=SmokeOptions(outside_only=True, port=sshd.port), dns=Names())
        return {item.kind: item.verdict for item in found.cases if item.subject == "host web-1"}

    root = write_workspace(tmp_path / "fleet", {"web-1": sshd}, {"alice": "web-1"})
    found = verdicts(open_workspace(root, sshd))
    assert (found[f"port {sshd.port}"], found["SSH host key"]) == ("passed", "passed")
    assert found["other ports"] in ("passed", "failed")  # other programs of this machine may have theirs open
    (sshd.folder / "host_ed25519").unlink()
    sshd.stop()
    sshd.start()
    assert verdicts(open_workspace(root, sshd))["SSH host key"] == "failed"
