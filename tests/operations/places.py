"""Workspaces for tests: a small app of their own, tenants, and hosts that are sshds on loopback."""

from __future__ import annotations

import getpass
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from launchpad.fleet.model.fleet import kit_recipients
from launchpad.fleet.model.host import Host
from launchpad.fleet.sealing.age import new_identity
from launchpad.fleet.words.names import SecretName, TenantName
from launchpad.fleet.words.secret import Secret
from launchpad.operations.backups.backup_keys import as_sent
from launchpad.operations.hosts.host_settings import host_credentials
from launchpad.settings import Settings
from launchpad.ssh.endpoint import Endpoint
from launchpad.ssh.hosts import SshHosts
from launchpad.workspace import Workspace
from tests.memory.host import MemoryHost
from tests.memory.settled import settle
from tests.ssh.sshd import Sshd

TOKEN = "the-token-that-nobody-may-see"
APP = f"""
template: echo
strategy: beside
services: {{web: {{}}}}
web: {{service: web, port: 8080}}
secrets:
  - name: ECHO_TOKEN
    required: true
actions:
  - {{name: open, service: web, argv: [echo-ctl, link]}}
  - {{name: devices, service: web, argv: [echo-ctl, devices]}}
  - {{name: approve, service: web, argv: [echo-ctl, approve, '{{0}}']}}
versions:
  - {{version: 1.0.0, images: {{web: 'registry.example.com/echo:1.0.0@sha256:{"1" * 64}'}}}}
  - {{version: 1.1.0, images: {{web: 'registry.example.com/echo:1.1.0@sha256:{"2" * 64}'}}}}
"""


class LoopbackHosts(SshHosts):
    """The hosts of a fleet as whoever runs the tests: an sshd that is not root's lets nobody else in."""

    def endpoint(self, host: Host) -> Endpoint:
        return replace(super().endpoint(host), user=getpass.getuser())


def write_workspace(root: Path, hosts: Mapping[str, Sshd | int], tenants: Mapping[str, str]) -> Path:
    """A workspace with these hosts (an sshd, or a port of which nothing is known) and tenants (name → host)."""
    identity, recipient = new_identity()
    files = {
        "launchpad.yaml": f"recipients: [{recipient}]\n",
        "templates/compose/echo/compose.yaml.j2": "services:\n  web:\n    command: [echo]\n",
        "inventory/apps/echo.yaml": APP,
        "inventory/tiers.yaml": "light: {memory: 128MiB, cpus: 0.5, pids: 64, disk: 1GiB}\n",
        "inventory/hosts.yaml": "".join(_host(name, at) for name, at in hosts.items()),
    }
    for slot, (name, host) in enumerate(tenants.items(), start=1):
        files[f"inventory/tenants/{name}.yaml"] = tenant_yaml(slot, host, name)
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    (root.parent / "identity").write_text(identity)
    return root


def tenant_yaml(slot: int, host: str, name: str, **more: Any) -> str:
    record = {
        "slot": slot,
        "app": "echo",
        "version": "1.0.0",
        "tier": "light",
        "host": host,
        "domains": [f"{name}.example.com"],
    }
    return json.dumps(record | more)


def open_workspace(root: Path, sshd: Sshd | None = None) -> Workspace:
    """The workspace, with the sshd's operator key; every tenant has its secret."""
    environment = environment_of(root, sshd)
    settings = Settings.of(environment, home=root.parent)
    hosts = LoopbackHosts(settings, state=root / ".launchpad")
    workspace = Workspace.open(root, settings=settings, environment=environment, hosts=hosts)
    for name in workspace.fleet.load().tenants:
        if not workspace.secrets.versions(name):
            workspace.secrets.set(TenantName(name), SecretName("ECHO_TOKEN"), Secret(TOKEN))
    return workspace


def settle_by(workspace: Workspace, host: MemoryHost) -> None:
    """The host as a provision by this workspace leaves it, as far as backups go."""
    fleet = workspace.fleet.load()
    targets = as_sent([fleet.targets[name] for name in sorted(fleet.targets)])
    recipients = list(map(str, kit_recipients(fleet.defaults)))
    settle(host, targets=targets, recipients=recipients, secrets=host_credentials(workspace, fleet, "web-1"))


def environment_of(root: Path, sshd: Sshd | None = None) -> dict[str, str]:
    """What an operator's shell would have."""
    found = {
        "LAUNCHPAD_WORKSPACE": str(root),
        "LAUNCHPAD_IDENTITY": str(root.parent / "identity"),
        "LAUNCHPAD_OPERATOR": "alice",
        "LAUNCHPAD_CONNECT_TIMEOUT": "5s",
    }
    return found | ({"LAUNCHPAD_SSH_KEY": str(sshd.key)} if sshd else {})


def behave(sshd: Sshd, **behaviour: Any) -> None:
    """Have the stand-in answer these verbs so."""
    (sshd.state / "behaviour.json").write_text(json.dumps(behaviour))


def replies(body: Mapping[str, Any]) -> dict[str, Any]:
    """A behaviour: this reply."""
    return {"lines": [{"type": "reply", "protocol": 1, "runner": "0.1.0", "body": body}]}


def requests(sshd: Sshd) -> list[dict[str, Any]]:
    """What the host was asked, in order."""
    log = sshd.state / "requests.jsonl"
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def observed(tenants: Mapping[str, Mapping[str, Any]], *, clock: float = 2000.0) -> dict[str, Any]:
    """The body of a reply to observe; each tenant gets what a healthy one has, and then what is given of its record
    (`record`) and beside it."""
    return {
        "host": {
            "name": "web-1",
            "boot_id": "b",
            "clock": clock,
            "runner": "0.1.0",
            "protocol": 1,
            "settings_digest": "sha256:0",
            "docker": "26.1",
            "caddy": "2.11",
            "reverts": [],
            "disk": {"total": 100, "free": 50},
        },
        "tenants": {name: _tenant(name, given) for name, given in tenants.items()},
        "operations": [],
    }


def _tenant(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    record = {
        "tenant": name,
        "slot": 1,
        "app": "echo",
        "version": "1.0.0",
        "domains": [f"{name}.example.com"],
        "release": "0" * 12,
        "started": "0" * 12,
        "side": "a",
        "running": True,
        "retired": False,
        "revision": "r1",
        "at": 1000.0,
        "by": "alice",
        "secrets": {"ECHO_TOKEN": 1},
    }
    healthy = {
        "containers": [{"service": "web", "side": "a", "state": "running"}],
        "probes": [{"kind": "process", "service": "", "ok": True, "status": 0, "detail": ""}],
        "drift": [],
        "traffic": "open",
        "breaker": None,
        "operation": None,
        "generations": {"count": 0, "newest": None},
    }
    beside = {key: value for key, value in given.items() if key != "record"}
    return healthy | beside | {"record": record | given.get("record", {})}


def _host(name: str, at: Sshd | int) -> str:
    port = at if isinstance(at, int) else at.port
    record: dict[str, Any] = {
        "address": "127.0.0.1",
        "port": port,
        "resources": {"memory": "8GiB", "cpus": 4, "disk": "60GiB"},
    }
    if isinstance(at, Sshd):
        record["fingerprints"] = [at.fingerprint]
    return f"{name}: {json.dumps(record)}\n"
