"""What is still to do before a deploy is said, and no more than that."""

from __future__ import annotations

from pathlib import Path

from launchpad.fleet.model.readiness import crowded, readiness
from launchpad.fleet.words.names import SecretName, TenantName
from tests.fleet.inventory import DIGEST, store, write

BOB_HAS = {TenantName("bob"): {SecretName("ECHO_TOKEN")}, TenantName("alice"): {SecretName("OPENCLAW_GATEWAY_TOKEN")}}
SETTINGS = f"""\
operators:
  - name: ann
    keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILoV++Mt6IECLaJEolaONTFYgz7x4Ocm0QcA48Y21tI4]
    signing_keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILoV++Mt6IECLaJEolaONTFYgz7x4Ocm0QcA48Y21tI4]
recipients: [age12707s542rk65qyrgjrqv5p2qh24w2fh4z2rvhg7wnmf6n4cjwgpsg68yp4]
caddy: {{image: docker.io/library/caddy:2.11.7@{DIGEST}}}
"""
CLAW = f"extends: openclaw\nimages: {{2026.9.6: {{gateway: ghcr.io/openclaw/openclaw@{DIGEST}}}}}\n"


def test_a_fleet_that_is_ready_has_nothing_to_do(tmp_path: Path) -> None:
    root = write(tmp_path, {"launchpad.yaml": SETTINGS, "inventory/apps/openclaw.yaml": CLAW})
    assert readiness(store(root).load(), BOB_HAS) == []


def test_everything_that_is_missing_is_said(tmp_path: Path) -> None:
    notes = readiness(store(write(tmp_path)).load(), {TenantName("bob"): {SecretName("STRANGE")}})
    assert [(note.about, note.what) for note in notes] == [
        ("launchpad.yaml", "no recipients: nobody could read a secret"),
        ("launchpad.yaml", "no signing_keys: hosts would reject every runner"),
        ("host web-1", "no operators: nobody could log in"),
        ("host web-1", "no digest for Caddy's image"),
        ("host web-2", "no operators: nobody could log in"),
        ("host web-2", "no digest for Caddy's image"),
        ("app openclaw", "no digest for image gateway of openclaw 2026.9.6"),
        ("tenant alice", "no OPENCLAW_GATEWAY_TOKEN"),
        ("tenant bob", "no ECHO_TOKEN"),
        ("tenant bob", "echo takes no secret STRANGE"),
    ]
    assert all(note.hint for note in notes)


def test_what_launchpad_yaml_says_holds_for_every_host_that_says_nothing(tmp_path: Path) -> None:
    hosts = """\
web-1:
  address: 203.0.113.7
  resources: {memory: 8GiB, cpus: 4, disk: 60GiB}
  caddy: {acme_email: web1@example.com}
"""
    settings = SETTINGS + "  # x\n"
    settings = settings.replace("caddy: {", "caddy: {stream_close_delay: 30s, acme_email: all@example.com, ")
    host = store(write(tmp_path, {"launchpad.yaml": settings, "inventory/hosts.yaml": hosts})).load().host("web-1")
    assert (str(host.caddy.stream_close_delay), host.caddy.acme_email) == ("30s", "web1@example.com")
    assert host.caddy.image.pinned
    assert [operator.name for operator in host.operators] == ["ann"]
    assert host.storage is not None
    assert str(host.storage.loop) == "60GiB"


def test_a_host_that_keeps_no_clone_s_memory_free_is_said_unless_another_one_does(tmp_path: Path) -> None:
    def said(*hosts: str) -> list[tuple[str, str]]:
        text = ""
        for number, host in enumerate(hosts, start=1):
            memory, _, more = host.partition(" ")
            own = f"resources: {{memory: {memory}, cpus: 4, disk: 60GiB}}"
            text += f"web-{number}:\n  address: 203.0.113.{number}\n  {own}\n  {more}\n"
        fleet = store(write(tmp_path / "-".join(hosts), {"inventory/hosts.yaml": text})).load()
        return [(note.about, note.what) for note in crowded(fleet)]

    assert said("8GiB", "8GiB") == []
    short = "has 256MiB of unallocated memory, but a clone of its largest tenant may need 2GiB"
    assert said("3GiB", "8GiB") == [("host web-1", short)]
    assert said("3GiB drill_host: web-2", "8GiB") == []
    also_short = "has 512MiB of unallocated memory, but a clone of web-1's largest tenant may need 2GiB"
    assert said("3GiB drill_host: web-2", "1GiB") == [("host web-2", also_short)]
