"""What a benchmark stands on: a workspace, keys, and the sshds that play the hosts."""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from benchkit.sshd import Server, make_key
from launchpad.fleet.model.host import Host
from launchpad.fleet.sealing.age import new_identity
from launchpad.fleet.words.names import SecretName, TenantName
from launchpad.fleet.words.secret import Secret
from launchpad.settings import Settings
from launchpad.ssh.endpoint import Endpoint
from launchpad.ssh.hosts import SshHosts
from launchpad.ssh.identity import Identity
from launchpad.workspace import Workspace

PRETENDER = Path(__file__).with_name("pretender.py")
APP = f"""
template: echo
strategy: beside
services: {{web: {{}}}}
web: {{service: web, port: 8080}}
secrets: [{{name: ECHO_TOKEN, required: true}}]
variables: {{greeting: {{default: hello}}}}
files:
  - {{template: greeting.txt.j2, path: greeting.txt}}
versions:
  - {{version: 1.0.0, images: {{web: 'registry.example.com/echo:1.0.0@sha256:{"1" * 64}'}}}}
"""


@dataclass(frozen=True)
class Pretence:
    """One host that places releases and starts nothing."""

    server: Server
    key: Path
    state: Path

    @property
    def identity(self) -> Identity:
        return Identity(key_files=(self.key,), agent=False)

    def endpoint(self, port: int = 0) -> Endpoint:
        return Endpoint(
            host="web-1",
            address="127.0.0.1",
            port=port or self.server.port,
            user=getpass.getuser(),
            fingerprints=frozenset({self.server.fingerprint}),
        )

    def requests(self) -> int:
        """How many execs there were."""
        log = self.state / "requests"
        return len(log.read_text().splitlines()) if log.exists() else 0


class OwnUserHosts(SshHosts):
    """The hosts as whoever runs the benchmark."""

    def endpoint(self, host: Host) -> Endpoint:
        return replace(super().endpoint(host), user=getpass.getuser())


def pretend(folder: Path) -> Pretence:
    """Start such a host."""
    folder.mkdir(parents=True, exist_ok=True)
    state = folder / "state"
    state.mkdir()
    key = make_key(folder / "operator")
    server = Server(folder / "sshd")
    server.folder.mkdir()
    server.authorize(key, f"{sys.executable} -I {PRETENDER} {state}")
    server.start()
    return Pretence(server, key, state)


def write_workspace(root: Path, ports: Mapping[str, tuple[int, str]]) -> dict[str, str]:
    """A workspace with these hosts (name → port and fingerprint), a tenant on each; the environment that finds it."""
    identity, recipient = new_identity()
    files = {
        "launchpad.yaml": f"recipients: [{recipient}]\n",
        "templates/compose/echo/compose.yaml.j2": "services:\n  web:\n    command: [echo]\n",
        "templates/compose/echo/greeting.txt.j2": "{{ variables.greeting }}\n",
        "inventory/apps/echo.yaml": APP,
        "inventory/tiers.yaml": "light: {memory: 128MiB, cpus: 0.5, pids: 64, disk: 1GiB}\n",
        "inventory/hosts.yaml": "".join(_host(name, *at) for name, at in ports.items()),
    }
    for slot, host in enumerate(ports, start=1):
        record = {"slot": slot, "app": "echo", "version": "1.0.0", "tier": "light", "host": host}
        record["domains"] = [f"tenant-{slot}.example.com"]
        files[f"inventory/tenants/tenant-{slot}.yaml"] = json.dumps(record)
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    (root / "identity").write_text(identity)
    environment = {"LAUNCHPAD_WORKSPACE": str(root), "LAUNCHPAD_IDENTITY": str(root / "identity")}
    workspace = open_workspace(root, environment)
    for name in workspace.fleet.load().tenants:
        workspace.secrets.set(TenantName(name), SecretName("ECHO_TOKEN"), Secret("a-token-of-the-bench"))
    return environment


def open_workspace(root: Path, environment: Mapping[str, str]) -> Workspace:
    settings = Settings.of(environment, home=root)
    hosts = OwnUserHosts(settings, state=root / ".launchpad")
    return Workspace.open(root, settings=settings, environment=environment, hosts=hosts)


def _host(name: str, port: int, fingerprint: str) -> str:
    record = {
        "address": "127.0.0.1",
        "port": port,
        "fingerprints": [fingerprint],
        "resources": {"memory": "8GiB", "cpus": 4, "disk": "60GiB"},
    }
    return f"{name}: {json.dumps(record)}\n"
