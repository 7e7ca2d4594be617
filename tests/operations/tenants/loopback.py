"""A deployment on loopback: Caddy with the sites that are rendered for hosts, real certificates, an app behind it; each
tenant is broken in the way of its name, or in none."""

from __future__ import annotations

import base64
import datetime
import hashlib
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from benchkit.ports import free_port
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from launchpad.fleet.model.host import Host
from launchpad.operations.requests.render import render
from launchpad.workspace import Runner, Workspace
from tests.operations.places import APP, observed, open_workspace, write_workspace
from tests.render.tools import caddy_program

WEB = "web: {service: web, port: 8080}"
SLOW_SECONDS = 0.8
HELD_SECONDS = 1
NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


@dataclass
class Authority:
    """A certificate authority and what it signs, as files in a folder."""

    folder: Path
    common_name: str = "Loopback authority"
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def file(self) -> Path:
        path = self.folder / f"{self.common_name}.pem"
        if not path.exists():
            made = self._builder(self.common_name, self.key, NOW - DAY, NOW + 3650 * DAY)
            made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            identifier = x509.SubjectKeyIdentifier.from_public_key(self.key.public_key())
            made = made.add_extension(identifier, critical=False)
            path.write_bytes(made.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        return path

    def sign(self, name: str, *, file: str = "", begins: int = -10, ends: int = 80) -> tuple[Path, Path]:
        """Certificate and key for a name, valid between these days from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = self._builder(name, key, NOW + begins * DAY, NOW + ends * DAY)
        made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        signed = made.sign(self.key, hashes.SHA256())
        paths = self.folder / f"{file or name}.pem", self.folder / f"{file or name}.key"
        paths[0].write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        paths[1].write_bytes(key.private_bytes(*form))
        return paths

    def _builder(
        self, name: str, key: ec.EllipticCurvePrivateKey, begins: datetime.datetime, ends: datetime.datetime
    ) -> x509.CertificateBuilder:
        def named(text: str) -> x509.Name:
            return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

        made = x509.CertificateBuilder().subject_name(named(name)).issuer_name(named(self.common_name))
        made = made.public_key(key.public_key()).serial_number(x509.random_serial_number())
        return made.not_valid_before(begins).not_valid_after(ends)


class App(BaseHTTPRequestHandler):
    """What runs behind Caddy; whom it plays is the first label of the name that is asked for."""

    protocol_version = "HTTP/1.1"
    server: Backend

    def do_GET(self) -> None:
        tenant = str(self.headers["Host"]).partition(".")[0]
        if tenant in self.server.gone:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        elif self.path == "/ws":
            self._shake_hands(403 if tenant == "closed-to-its-origin" else 101)
        elif self.path == "/marker":
            self._say(200, self.server.data.get(tenant, "as it was"))
        elif tenant == "failing":
            self._say(500, "a fault of mine")
        else:
            time.sleep(SLOW_SECONDS if tenant == "slow" else 0)
            self._say(200, "hello")

    def _say(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def _shake_hands(self, status: int) -> None:
        self.close_connection = True
        self.send_response(status)
        if status == 101:
            key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Backend(ThreadingHTTPServer):
    """The app's server, and what became of its tenants' data."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), App)
        self.gone: set[str] = set()
        self.data: dict[str, str] = {}

    def restart(self, tenant: str) -> None:
        if tenant == "gone-after-a-restart":
            self.gone.add(tenant)
        if tenant == "empty-after-a-restart":
            self.data[tenant] = ""


@dataclass
class LoopbackRunner:
    """What the hosts' runner answers: how tenants are, and a restart."""

    backend: Backend
    asked: list[str]
    name: str = "web-1"

    def ask(self, verb: str, body: Mapping[str, Any], *, seconds: float | None = 60) -> dict[str, Any]:
        assert verb == "observe"
        ill = {"kind": "ready", "service": "web", "ok": False, "status": 503, "detail": "503 instead of 200"}
        names = {name: {"probes": [ill]} if name == "not-ready" else {} for name in body["tenants"]}
        return observed(names)

    def exchange(self, verb: str, body: Mapping[str, Any], **_: object) -> Iterator[dict[str, Any]]:
        assert (verb, body["operation"]["kind"]) == ("submit", "restart")
        self.asked.append(body["operation"]["tenant"])
        self.backend.restart(body["operation"]["tenant"])
        yield {"type": "reply", "body": {"id": body["id"], "outcome": "done"}}


@dataclass
class LoopbackHosts:
    backend: Backend
    restarted: list[str] = field(default_factory=list)

    @contextmanager
    def reach(self, host: Host) -> Iterator[Runner]:
        yield LoopbackRunner(self.backend, self.restarted)


@dataclass
class Names:
    """Where the tenants' names lead."""

    addresses: Mapping[str, Sequence[str]] = field(default_factory=dict)
    usual: str = "127.0.0.1"

    def leads_to(self, name: str) -> frozenset[str]:
        return frozenset(self.addresses.get(name.partition(".")[0], [self.usual]))


@dataclass
class Deployment:
    workspace: Workspace
    hosts: LoopbackHosts
    authority: Path
    port: int


@contextmanager
def deployed(folder: Path, tenants: Mapping[str, str]) -> Iterator[Deployment]:
    """Tenants (name → host) behind one Caddy at 127.0.0.1; the host `away` is 127.0.0.2, where nothing answers."""
    root = write_workspace(folder / "fleet", dict.fromkeys(tenants.values(), 22), tenants)
    (root / "inventory/apps/echo.yaml").write_text(
        APP.replace(WEB, "web: {service: web, port: 8080, websocket: /ws, keeps: /marker}")
    )
    file = root / "inventory/hosts.yaml"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(text.replace("127.0.0.1", "127.0.0.2") if "away:" in text else text for text in lines))
    backend, port = Backend(), free_port()
    hosts = LoopbackHosts(backend)
    workspace = replace(open_workspace(root), hosts=hosts)
    authority, stranger = Authority(folder), Authority(folder, "Stranger")
    sites = [_site(workspace, name, backend, authority, stranger) for name in tenants]
    settings = ("admin off", f"https_port {port}", "auto_https off", "default_bind 127.0.0.1")
    head = "\n\t".join(["{", *settings, "grace_period 1s"]) + "\n}\n"
    (folder / "Caddyfile").write_text("\n".join([head, *sites]))
    words = [caddy_program(), "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]
    threading.Thread(target=backend.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    with (
        (folder / "caddy.log").open("w") as log,
        subprocess.Popen(words, stdout=log, stderr=log, env={"HOME": str(folder)}) as process,
    ):
        try:
            _until_open(port, process, folder / "caddy.log")
            yield Deployment(workspace, hosts, authority.file, port)
        finally:
            process.terminate()
            backend.shutdown()
            backend.server_close()


def _site(workspace: Workspace, name: str, backend: Backend, authority: Authority, stranger: Authority) -> str:
    """The tenant's site as its host has it, with a certificate from a file, and the app here."""
    domain = f"{name}.example.com"
    certificate, key = {
        "expired": lambda: authority.sign(domain, begins=-90, ends=-1),
        "untrusted": lambda: stranger.sign(domain),
        "wrong-name": lambda: authority.sign("other.example.com", file=domain),
    }.get(name, lambda: authority.sign(domain))()
    port = free_port() if name == "down" else backend.server_address[1]
    text = render(workspace, name).files["site.caddy"]
    lines = []
    for line in text.splitlines():
        if line.startswith(f'"{domain}"'):
            line += f'\n\ttls "{certificate}" "{key}"'
        elif line.startswith("\treverse_proxy "):
            line = f"\treverse_proxy 127.0.0.1:{port} {{"
        lines.append(line.replace("lb_try_duration 28s", f"lb_try_duration {HELD_SECONDS}s"))
    return "\n".join(lines) + "\n"


def _until_open(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 20
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None and time.monotonic() < end, log.read_text()
        time.sleep(0.05)
