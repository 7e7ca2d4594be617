"""A real host in the lab with a workspace beside it: what an operator has, and the views from outside to judge by.

Provisioning takes most of a minute, so it is done once for a given state of the code: the host is kept as a snapshot
together with the operator's keys, and every test module boots a copy in seconds.
"""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from labkit import Host, Lab

from tests.lab.websocket import WebSocket

PROJECT = Path(__file__).resolve().parents[2]
SEED = "seed"
LABEL = "provisioned"
DECIDES = (
    "launchpad/runner",
    "launchpad/operations/hosts/provision.py",
    "launchpad/ssh/archive.py",
    "templates/caddy/Caddyfile.j2",
)
"""What a provisioned host is made from; a change there makes a new snapshot."""


@dataclass(frozen=True)
class Done:
    """What a run of the command line said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The last line of JSON."""
        return json.loads(self.out.strip().splitlines()[-1])

    @property
    def json_document(self) -> Any:
        """All of it, as one document."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Answer:
    """What a visitor got."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class World:
    """One host and one workspace, in which it is called web-1."""

    lab: Lab
    host: Host
    root: Path
    images: dict[str, str]
    """`beacon:1.0.0` and the like → reference with digest."""
    extra: list[str] = field(default_factory=list)

    # --- the operator's side

    def launchpad(self, *words: str, stdin: str = "", check: bool = True, timeout: float = 300) -> Done:
        """Run the command line in the workspace; AssertionError with all it said when it fails and must not."""
        argv = [sys.executable, "-m", "launchpad.cli", "-w", str(self.root), *words]
        done = subprocess.run(
            argv, input=stdin, capture_output=True, text=True, env=self.environment, timeout=timeout, check=False
        )
        result = Done(done.returncode, done.stdout, done.stderr)
        assert not check or result.code == 0, f"launchpad {' '.join(words)}: {result.code}\n{result.out}\n{result.err}"
        return result

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start the command line and come back at once; the caller ends it. It can be interrupted, also where the tests
        run in the background, whose children are born deaf to that."""
        argv = ["env", "--default-signal=INT", sys.executable, "-m", "launchpad.cli", "-w", str(self.root), *words]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True, env=self.environment
        )

    @property
    def environment(self) -> dict[str, str]:
        return dict(os.environ) | {"XDG_CONFIG_HOME": str(self.root / ".config"), "NO_COLOR": "1"}

    def add_tenant(self, name: str, *, app: str = "beacon", version: str = "1.0.0", tier: str = "light") -> None:
        """Write a tenant down under <name>.<host>.lab.test; nothing is deployed."""
        self.launchpad(
            *("tenant", "add", name, "--app", app, "--version", version, "--tier", tier, "--host", "web-1"),
            *("--domain", self.domain(name)),
        )

    def set_tenant(self, name: str, **changes: Any) -> None:
        """Change keys of the tenant's file, as a person with an editor would."""
        path = self.root / f"inventory/tenants/{name}.yaml"
        path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changes, sort_keys=False))

    def deploy(self, name: str, *, version: str = "", check: bool = True) -> Any:
        """Deploy (another version of) a tenant; the outcome as JSON."""
        if version:
            self.set_tenant(name, version=version)
        done = self.launchpad("--json", "deploy", name, check=check)
        return done.json

    def domain(self, name: str) -> str:
        return f"{name}.{self.host.domain}"

    # --- views from outside

    @cached_property
    def trust(self) -> ssl.SSLContext:
        """Trust in the lab's certificate authority alone."""
        return ssl.create_default_context(cafile=str(self.lab.acme_root_pem()))

    def connect(self, name: str, *, timeout: float = 30) -> ssl.SSLSocket:
        """A verified TLS connection to the tenant's name."""
        plain = socket.create_connection((self.host.address, 443), timeout=timeout)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.trust.wrap_socket(plain, server_hostname=self.domain(name))

    def get(self, name: str, path: str = "/", *, timeout: float = 30) -> Answer:
        return self.request(name, "GET", path, timeout=timeout)

    def request(self, name: str, method: str, path: str, *, body: bytes | None = None, timeout: float = 30) -> Answer:
        """One request to the tenant through Caddy over HTTPS; OSError when the connection fails."""
        connection = http.client.HTTPConnection(self.domain(name))
        with self.connect(name, timeout=timeout) as stream:
            connection.sock = stream
            connection.request(method, path, body=body, headers={"Connection": "close"})
            response = connection.getresponse()
            return Answer(response.status, response.read(), dict(response.getheaders()))

    def wait_for(self, name: str, path: str = "/startupz", *, status: int = 200, seconds: float = 60) -> Answer:
        """Ask until the tenant answers so; AssertionError with the last answer otherwise."""
        end, last = time.monotonic() + seconds, "nothing"
        while time.monotonic() < end:
            try:
                answer = self.get(name, path, timeout=10)
                if answer.status == status:
                    return answer
                last = f"{answer.status} {answer.body[:80]!r}"
            except OSError as error:
                last = str(error)
            time.sleep(0.2)
        raise AssertionError(f"{self.domain(name)}{path}: {last}, not {status}, after {seconds} s")

    @contextmanager
    def websocket(self, name: str, path: str = "/ws", *, timeout: float = 30) -> Iterator[WebSocket]:
        """A WebSocket to the tenant through Caddy; OSError when it is not there in time."""
        stream = self.connect(name, timeout=timeout)
        uri, origin = f"ws://{self.domain(name)}{path}", f"https://{self.domain(name)}"
        with WebSocket(stream, uri, origin=origin, timeout=timeout) as opened:
            yield opened

    def containers(self, name: str) -> dict[str, str]:
        """Each container of the tenant and when it was started, by Docker itself."""
        shown = self.host.exec(
            ["docker", "ps", "-aq", "--no-trunc", "--filter", f"label=launchpad.tenant={name}"]
        ).stdout.split()
        if not shown:
            return {}
        found = json.loads(self.host.exec(["docker", "inspect", *shown]).stdout)
        return {item["Name"]: item["State"]["StartedAt"] for item in found if item["State"]["Running"]}

    def reloads(self) -> int:
        """How often Caddy has loaded a configuration, counted in Caddy's own log."""
        log = self.host.exec(
            ["sh", "-c", 'docker logs launchpad-caddy 2>&1 | grep -c \'POST.*/load\\|"uri":"/load"\' || true']
        )
        return int(log.stdout.strip() or 0)


def key_of_the_code() -> str:
    """A digest of what a provisioned host is made from."""
    digest = hashlib.sha256()
    for name in DECIDES:
        path = PROJECT / name
        for file in sorted(path.rglob("*") if path.is_dir() else [path]):
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def label(key: str) -> str:
    """The snapshot's label, one for each state of the code: runs from two checkouts do not take it from one another."""
    return f"{LABEL}-{key[:8]}"


def forget_old_ones(lab: Lab) -> None:
    """Snapshots that were made more than two days ago: no run of today uses them."""
    for path in (Path(lab.paths.cache) / "snapshots").glob(f"{LABEL}-*"):
        if time.time() - path.stat().st_mtime > 2 * 86400:
            shutil.rmtree(path, ignore_errors=True)


def provisioned(lab: Lab) -> tuple[str, Path]:
    """The key of a snapshot of a provisioned host, and the operator's configuration folder that belongs to it."""
    key = key_of_the_code()
    config = Path(lab.paths.cache) / "operators" / label(key)
    if not _is_provisioned(lab, key, config):  # asked before the lock: another checkout's may take minutes
        with (Path(lab.paths.cache) / "provisioned.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # two runs of the tests at once make it once
            if not _is_provisioned(lab, key, config):
                _provision(lab, key, config)
    return key, config


def _is_provisioned(lab: Lab, key: str, config: Path) -> bool:
    return lab.has_snapshot(label(key), key=key) and (config / "launchpad").is_dir()


def _provision(lab: Lab, key: str, config: Path) -> None:
    host = lab.up(SEED, fresh=True)
    world = a_world(lab, host, Path(lab.paths.cache) / "seed-workspace", fresh=True)
    world.launchpad("provision", "web-1", "--root-key", str(host.key_path), timeout=600)
    for image in sorted(set(world.images.values())):
        if "/beacon@" in image:
            host.exec(["docker", "pull", "-q", image])
    shutil.rmtree(config, ignore_errors=True)
    shutil.copytree(world.root / ".config", config)
    lab.snapshot(host, label(key), key=key)
    forget_old_ones(lab)
    lab.down(SEED)


def a_world(lab: Lab, host: Host, root: Path, *, fresh: bool = False, config: Path | None = None) -> World:
    """A workspace for the host, with the lab's images and certificate authority, and no tenants."""
    if fresh:
        shutil.rmtree(root, ignore_errors=True)
    lab.start_services()
    images = {f"{image.name}:{image.version}": image.reference for image in lab.images()}
    world = World(lab, host, root, images)
    root.mkdir(parents=True, exist_ok=True)
    if config:
        shutil.copytree(config, root / ".config")
    subprocess.run(
        [sys.executable, "-m", "launchpad.cli", "init", str(root), "--example"],
        env=world.environment,
        check=True,
        capture_output=True,
    )
    shutil.copy(lab.ca_pem(), root / "acme-root.pem")
    for folder in ("tenants", "secrets"):  # the example's
        for path in (root / "inventory" / folder).glob("*.yaml"):
            path.unlink()
    write(
        root / "launchpad.yaml",
        caddy={
            "image": images["caddy:2.11.7"],
            "acme_ca": "https://acme.lab.test:14000/dir",
            "acme_ca_root": "acme-root.pem",
            "stream_close_delay": "30s",
        },
    )
    (root / "inventory/hosts.yaml").write_text(
        yaml.safe_dump(
            {
                "web-1": {
                    "address": host.address,
                    "fingerprints": [host.fingerprint],
                    "resources": {"memory": "8GiB", "cpus": 4, "disk": "6GiB"},
                }
            }
        )
    )
    (root / "inventory/tiers.yaml").write_text(
        yaml.safe_dump(
            {
                "light": {"memory": "128MiB", "cpus": 0.5, "pids": 64, "disk": "256MiB"},
                "standard": {"memory": "2GiB", "cpus": 2, "pids": 512, "disk": "2GiB"},
            }
        )
    )
    versions = sorted(name.split(":")[1] for name in images if name.startswith("beacon:"))
    write(
        root / "inventory/apps/beacon.yaml",
        versions=[{"version": version, "images": {"beacon": images[f"beacon:{version}"]}} for version in versions],
    )
    openclaw = [name.split(":")[1] for name in images if name.startswith("openclaw:")]
    (root / "inventory/apps/openclaw.yaml").write_text(
        yaml.safe_dump(
            {
                "extends": "openclaw",
                "images": {version: {"gateway": images[f"openclaw:{version}"]} for version in openclaw},
            }
        )
    )
    return world


def write(path: Path, **changes: Any) -> None:
    """Set top-level keys of a YAML file."""
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changes, sort_keys=False))
