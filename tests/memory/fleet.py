"""A whole fleet in memory: hosts that carry out what operations ask of them, as the real runner does, and a workspace.

Apps are judged by image and tenant; a host may be dead, and an operation may never end until it is cancelled.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from launchpad.errors import HostError
from launchpad.fleet.model.host import Host
from launchpad.fleet.words.names import SecretName, TenantName
from launchpad.fleet.words.secret import Secret
from launchpad.operations.tenants.deploy import deploy
from launchpad.runner import paths
from launchpad.runner.cell import read_release
from launchpad.runner.host import Container
from launchpad.runner.journal import Journal
from launchpad.settings import Settings
from launchpad.workspace import Workspace
from tests.memory.runner import MemoryRunner
from tests.operations.places import APP, environment_of, tenant_yaml, write_workspace
from tests.runner.verbs.view import MemoryView

IMAGES = {"1.0.0": "1" * 64, "1.1.0": "2" * 64, "2.0.0": "3" * 64}
VERSIONS = "".join(
    f"  - {{version: {version}, images: {{web: 'registry.example.com/echo:{version}@sha256:{digest}'}}}}\n"
    for version, digest in IMAGES.items()
)
PROBES = "probes: [{kind: process}, {kind: ready, service: web, port: 8080, path: /startupz}]\n"
SITE = "{{ tenant.domains }} {\n\treverse_proxy {{ web.addresses }}\n}\n"


@dataclass
class FleetHost(MemoryView):
    """`sick` are the tenants that do not become ready on a version, `stuck` those whose operations do not end."""

    sick: set[tuple[str, str]] = field(default_factory=set)
    stuck: set[str] = field(default_factory=set)
    dead: bool = False

    def resolve(self, folder: str, project: str, environment: Mapping[str, str]) -> dict[str, Any]:
        resolved = super().resolve(folder, project, environment)
        for service in resolved["services"].values():
            for key in ("mem_limit", "memswap_limit"):
                service[key] = re.sub(r"^(\d+)m$", lambda found: str(int(found[1]) << 20), service[key])
        return resolved

    def adapt(self, caddyfile: str) -> dict[str, Any]:
        return super().adapt(caddyfile.replace('"', ""))

    def _site_files(self) -> dict[str, bytes]:
        return {path: data.replace(b'"', b"") for path, data in super()._site_files().items()}

    def _ready(self, box: Container) -> bool:
        return super()._ready(box) and (box.tenant.partition("_")[0], version_of(box.image)) not in self.sick


def version_of(image: str) -> str:
    return image.partition("@")[0].rpartition(":")[2]


@dataclass
class FleetRunner(MemoryRunner[FleetHost]):
    """An operation is carried out as soon as it is submitted, and again when it is cancelled."""

    def _answers(self, verb: str, body: dict[str, Any], incoming: Iterable[bytes]) -> Iterator[dict[str, Any]]:
        if self.host.dead:
            raise HostError(f"{self.name}: the connection broke")
        lines = list(super()._answers(verb, body, incoming))
        if verb == "submit":
            self._carry_out(body["id"])
        if verb == "cancel":
            super()._carry_out(body["id"])
        yield from lines

    def _carry_out(self, identifier: str) -> None:
        asked = Journal(self.host, identifier).asked() or {"operation": {}}
        if asked["operation"].get("tenant", "") not in self.host.stuck:
            super()._carry_out(identifier)


@dataclass
class FleetHosts:
    hosts: dict[str, FleetHost]
    operator: str = "alice"
    asked: list[str] = field(default_factory=list)

    @contextmanager
    def reach(self, host: Host) -> Iterator[FleetRunner]:
        found = self.hosts[str(host.name)]
        if found.dead:
            hint = f"ssh -v launchpad@{host.address} </dev/null"
            raise HostError(f"{host.name}: cannot connect to launchpad@{host.address}: no route to host", hint=hint)
        yield FleetRunner(found, str(host.name), self.operator, self.asked)


@dataclass
class FleetClock:
    """As late as the latest of the hosts."""

    hosts: dict[str, FleetHost]

    def now(self) -> float:
        return max(host.clock for host in self.hosts.values())

    def monotonic(self) -> float:
        return self.now()

    def sleep(self, seconds: float) -> None:
        for host in self.hosts.values():
            host.wait(seconds)


@dataclass
class MemoryFleet:
    """Hosts, and the folder of the inventory that has them."""

    root: Path
    hosts: dict[str, FleetHost]

    def workspace(self, root: Path | None = None, *, operator: str = "alice", parallel: int = 1) -> Workspace:
        """An operator's workspace: the one that there is, or what a folder has of it."""
        root = root or self.root
        environment = environment_of(root) | {"LAUNCHPAD_OPERATOR": operator, "LAUNCHPAD_PARALLEL": str(parallel)}
        settings = Settings.of(environment, home=root.parent)
        hosts = FleetHosts(self.hosts, operator)
        opened = Workspace.open(root, settings=settings, environment=environment, hosts=hosts)
        return replace(opened, clock=FleetClock(self.hosts))

    def copy(self, to: Path) -> MemoryFleet:
        """The same fleet once more, which goes its own way."""
        shutil.copytree(self.root.parent, to)
        return MemoryFleet(to / self.root.name, deepcopy(self.hosts))

    def runs(self, tenant: str) -> str:
        """The version that a visitor of the tenant gets; empty for nobody."""
        for host in self.hosts.values():
            host.wait(5)
            answer = host.request(f"{tenant}.example.com")
            if re.fullmatch("[0-9a-f]{12}", answer):
                return read_release(host, tenant, answer).version
        return ""

    def operations(self, tenant: str, kind: str) -> list[str]:
        """The ids of what was begun on the tenant, of that kind, on any host."""
        found = []
        for host in self.hosts.values():
            for name in host.names(paths.OPERATIONS):
                asked = (Journal(host, name).asked() or {})["operation"]
                if (asked.get("tenant"), asked["kind"]) == (tenant, kind):
                    found.append(name)
        return found


def git(root: Path, *words: str) -> None:
    who = ["-c", "user.name=ann", "-c", "user.email=ann@example.com"]
    subprocess.run(["git", *who, *words], cwd=root, check=True, capture_output=True)


def commit(root: Path) -> None:
    """Whatever was changed, as an operator's commit."""
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--allow-empty", "-m", "What was changed")


def commits_for(root: Path, tenant: str, number: int) -> None:
    """Add that many commits that each change the tenant's file."""
    file = root / f"inventory/tenants/{tenant}.yaml"
    parts = []
    for at in range(number):
        text = json.dumps(json.loads(file.read_text()) | {"domains": [f"{tenant}-{at}.example.com"]})
        start = "from refs/heads/many^0\n" if at == 0 else ""
        parts.append(
            f"commit refs/heads/many\ncommitter a <a@example.com> {1_790_000_000 + at} +0000\ndata 1\n.\n{start}"
            f"M 100644 inline inventory/tenants/{tenant}.yaml\ndata {len(text)}\n{text}\n"
        )
    subprocess.run(["git", "branch", "many"], cwd=root, check=True)
    subprocess.run(["git", "fast-import", "--quiet"], cwd=root, input="".join(parts).encode(), check=True)
    subprocess.run(["git", "merge", "--quiet", "--ff-only", "many"], cwd=root, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["git", "branch", "--quiet", "--delete", "many"], cwd=root, check=True)


def memory_fleet(
    folder: Path, tenants: Mapping[str, str], *, settings: str = "", operator: str = "alice"
) -> MemoryFleet:
    """Hosts with these tenants (name → host) deployed on 1.0.0; `settings` is YAML more for launchpad.yaml. A tenant's
    name that begins with `canary` is in that ring."""
    names = sorted(set(tenants.values()))
    root = write_workspace(folder / "fleet", dict.fromkeys(names, 22), tenants)
    path = root / "inventory/hosts.yaml"
    for number, _ in enumerate(names, start=1):
        path.write_text(path.read_text().replace('"127.0.0.1"', f'"192.0.2.{number}"', 1))
    for slot, (name, host) in enumerate(tenants.items(), start=1):
        more = {"ring": "canary"} if name.startswith("canary") else {}
        (root / f"inventory/tenants/{name}.yaml").write_text(tenant_yaml(slot, host, name, **more))
    app = APP[: APP.index("versions:")].replace("strategy: beside", "strategy: swap")
    timings = "timings: {start: 20s, steady: 2s, stop: 5s}\n"
    (root / "inventory/apps/echo.yaml").write_text(f"{app}volumes: [state]\n{PROBES}{timings}versions:\n{VERSIONS}")
    (root / "templates/caddy").mkdir(parents=True)
    (root / "templates/caddy/site.caddy.j2").write_text(SITE)
    with (root / "launchpad.yaml").open("a") as file:
        file.write(settings)
    made = MemoryFleet(root, {name: FleetHost() for name in names})
    images = {f"registry.example.com/echo:{version}@sha256:{digest}" for version, digest in IMAGES.items()}
    for found in made.hosts.values():
        found.registry |= images
    workspace = made.workspace()
    for name in tenants:
        workspace.secrets.set(TenantName(name), SecretName("ECHO_TOKEN"), Secret("a-token-of-a-tenant"))
    git(root, "init", "--quiet", "--template=")
    commit(root)
    workspace = made.workspace(operator=operator)
    for name in tenants:
        assert deploy(workspace, name).outcome == "done"
    return made
