"""Two hosts in memory, a workspace, and alice on the first of them: what a move's tests begin with."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from launchpad.errors import HostError
from launchpad.fleet.words.names import SecretName, TenantName
from launchpad.fleet.words.secret import Secret
from launchpad.operations.moving.move import Moved, move, plan_move
from launchpad.operations.requests.confirmation import Confirmation
from launchpad.operations.tenants.deploy import deploy
from launchpad.runner import paths
from launchpad.runner.boot import boot
from launchpad.runner.moving.sealed_certificates import FOLDER
from launchpad.runner.protocol import Refused
from launchpad.settings import Settings
from launchpad.ssh.problems import LoginRefused
from launchpad.workspace import Workspace
from tests.memory.data import File
from tests.memory.host import MemoryHost
from tests.memory.hosts import BareRunner, MemoryHosts
from tests.operations.places import environment_of, settle_by, tenant_yaml, write_workspace

IMAGE = f"registry.example.com/note:1.0.0@sha256:{'4' * 64}"
APP = f"""
template: note
strategy: swap
services: {{web: {{}}}}
volumes: [state]
web: {{service: web, port: 8080}}
probes: [{{kind: ready, service: web, port: 8080, path: /startupz}}]
secrets: [{{name: NOTE_TOKEN, required: true}}]
versions: [{{version: 1.0.0, images: {{web: '{IMAGE}'}}}}]
"""
COMPOSE = 'services:\n  web:\n    command: [note]\n    volumes: [ {{ volume("state", at="/data") }} ]\n'
SITE = "{{ tenant.domains }} {\n\treverse_proxy {{ web.addresses }}\n}\n"
NOTE = b"remember the milk"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN EC PRIVATE KEY-----\nQUJD\n-----END EC PRIVATE KEY-----\n"
DOMAIN = "alice.example.com"


@dataclass
class Hosts(MemoryHosts):
    """Hosts that may be off, and an operator who may die at any of his requests."""

    off: set[str] = field(default_factory=set)
    bare: set[str] = field(default_factory=set)
    """Those that let no operator in yet."""
    dies_at: int = 0
    """The request, counted from 1, at which the operator's machine dies; 0 for none."""
    requests: int = 0
    older: set[str] = field(default_factory=set)
    """Those whose runner knows of nothing that waits ahead."""

    @contextmanager
    def reach(self, host: Any) -> Iterator[BareRunner]:
        with super().reach(host) as runner:
            yield Asked(**vars(runner), hosts=self)


@dataclass
class Asked(BareRunner):
    """A connection to one of them."""

    hosts: Hosts = field(default_factory=lambda: Hosts({}, ""))

    def _answers(self, verb: str, body: dict[str, Any], incoming: Iterable[bytes]) -> Iterator[dict[str, Any]]:
        self.hosts.requests += 1
        if self.hosts.requests == self.hosts.dies_at:
            raise OperatorDied
        if self.name in self.hosts.off:
            raise HostError(f"{self.name}: cannot connect", hint="ping it")
        if self.name in self.hosts.bare:
            raise LoginRefused(f"{self.name}: accepts none of 1 keys", hint=f"launchpad provision {self.name}")
        older = self.name in self.hosts.older
        if older and "ahead" in body.get("operation", {}):
            raise Refused("depart: unknown key 'ahead'")
        for line in super()._answers(verb, body, incoming):
            if older and verb == "whereabouts":
                del line["body"]["waits"]
            yield line


class Composing(MemoryHost):
    """Understands rendered text as far as Compose does."""

    def resolve(self, folder: str, project: str, environment: Mapping[str, str]) -> dict[str, Any]:
        resolved = super().resolve(folder, project, environment)
        for service in resolved["services"].values():
            for key in ("mem_limit", "memswap_limit"):
                service[key] = str(int(service[key].removesuffix("m")) << 20)
        return resolved

    def adapt(self, caddyfile: str) -> dict[str, Any]:
        names, brace, rest = caddyfile.partition(" {")
        return super().adapt((names.replace('" "', ", ") + brace + rest).replace('"', ""))

    def _site_files(self) -> dict[str, bytes]:
        return {path: data.replace(b'"', b"") for path, data in super()._site_files().items()}


class OperatorDied(BaseException):
    """His machine is gone; hosts go on."""


@dataclass
class Place:
    """The two hosts and the operator's workspace."""

    workspace: Workspace
    hosts: Hosts

    @property
    def here(self) -> MemoryHost:
        found: Any = self.hosts.hosts["web-1"]
        return found

    @property
    def there(self) -> MemoryHost:
        found: Any = self.hosts.hosts["web-2"]
        return found

    @property
    def both(self) -> tuple[MemoryHost, MemoryHost]:
        return self.here, self.there

    @property
    def file(self) -> Path:
        return self.workspace.root / "inventory/tenants/alice.yaml"

    def move(self, to: str = "web-2") -> Moved:
        what = plan_move(self.workspace, "alice", to=to)
        return move(self.workspace, what, confirm=Confirmation(digest=what.digest))

    def writers(self) -> int:
        """On how many hosts a container of alice's runs."""
        return sum(
            any(box.tenant == "alice" and box.state == "running" for box in host.boxes.values()) for host in self.both
        )

    def visit(self, name: str = "web-1") -> str:
        """What a visitor gets whom alice's name leads to this host: the release that answers, `held`, or `refused`,
        also by a host that he is passed on to without end or without a certificate."""
        for at in (name, *(other for other in self.hosts.hosts if other != name)):
            found: Any = self.hosts.hosts[at]
            if at != name and certificate_of(found) is None:
                return "refused"
            if b"reverse_proxy https://" not in found.sites.get(paths.site("alice"), b""):
                return str(found.request(DOMAIN))
        return "refused"

    def reboot(self) -> None:
        """Both hosts at once."""
        for host in self.both:
            host.reboot()
            boot(host)

    def saved(self) -> bytes:
        return pickle.dumps((self.hosts.hosts, self.file.read_bytes()))

    def restore(self, saved: bytes) -> None:
        """Everything as it was then."""
        hosts, content = pickle.loads(saved)
        self.hosts.hosts.clear()
        self.hosts.hosts.update(hosts)
        self.hosts.requests = self.hosts.dies_at = 0
        self.hosts.off.clear()
        self.hosts.bare.clear()
        self.hosts.older.clear()
        self.file.write_bytes(content)


def a_place(root: Path, *, host: type[MemoryHost] = Composing) -> Place:
    """alice runs on web-1, with a note in her data and a certificate in Caddy's. `host` is what kind both are."""
    root = write_workspace(root, {"web-1": 22, "web-2": 23}, {})
    for path, text in {
        "inventory/apps/note.yaml": APP,
        "templates/compose/note/compose.yaml.j2": COMPOSE,
        "templates/caddy/site.caddy.j2": SITE,
        "inventory/tenants/alice.yaml": tenant_yaml(1, "web-1", "alice", app="note"),
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    environment = environment_of(root)
    hosts: Any = {name: host(registry={IMAGE}, schemas={IMAGE: 1}) for name in ("web-1", "web-2")}
    way = Hosts(hosts, digest="")
    opened = Settings.of(environment, home=root.parent)
    workspace = Workspace.open(root, settings=opened, environment=environment, hosts=way)
    workspace.secrets.set(TenantName("alice"), SecretName("NOTE_TOKEN"), Secret("the token"))
    for made in hosts.values():
        settle_by(workspace, made)
    place = Place(workspace, way)
    deploy(workspace, "alice")
    place.here.files[f"{paths.data('alice')}/state/note"] = File(NOTE)
    put_certificate(place.here)
    return place


def put_certificate(host: MemoryHost) -> None:
    folder = f"{FOLDER}/acme.example.com-directory/{DOMAIN}"
    parts = {"crt": CERTIFICATE, "key": KEY, "json": f'{{"sans":["{DOMAIN}"]}}'}
    for part, text in parts.items():
        host.write(f"{folder}/{DOMAIN}.{part}", text.encode(), mode=0o600)


def certificate_of(host: MemoryHost) -> bytes | None:
    return host.read(f"{FOLDER}/acme.example.com-directory/{DOMAIN}/{DOMAIN}.crt")
