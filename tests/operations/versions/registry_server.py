"""An image registry on loopback that has what a test puts there, and fails as a test asks."""

from __future__ import annotations

import datetime
import hashlib
import http.server
import ipaddress
import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
TOKEN = "a-token-for-anyone"


@dataclass
class Registry:
    """What it has, how it answers, and what it was asked."""

    port: int = 0
    manifests: dict[tuple[str, str], bytes] = field(default_factory=dict)
    """(repository, tag) → an image's index, as it is sent."""
    blobs: dict[str, bytes] = field(default_factory=dict)
    """By their digest: images' configurations."""
    wants_token: bool = False
    public: bool = True
    """Whether the place that gives tokens gives one to anyone."""
    claims: str = ""
    """The digest that it claims, whatever it sends."""
    failing: list[int] = field(default_factory=list)
    """Statuses that the next requests are answered with."""
    moved_to: str = ""
    """A URL that those who may ask are sent on to."""
    asked: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    """Path and headers of every request."""

    def put(self, repository: str, tag: str, **content: Any) -> str:
        """Have the tag name an image; its digest."""
        body = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [], **content}).encode()
        self.manifests[repository, tag] = body
        return f"sha256:{hashlib.sha256(body).hexdigest()}"

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]


@contextmanager
def serving(registry: Registry, *, certificate: Path | None = None) -> Iterator[Registry]:
    """The registry on a free port of 127.0.0.1, with TLS when there is a file with certificate and key."""

    class Handler(_Handler):
        served = registry
        tls = certificate is not None

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    registry.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    served: Registry
    tls: bool

    def do_GET(self) -> None:
        self.served.asked.append((self.path, dict(self.headers)))
        if self.served.failing:
            self._send(self.served.failing.pop(0), b"")
        elif self.path.startswith("/token?"):
            self._send(200 if self.served.public else 401, json.dumps({"token": TOKEN}).encode())
        elif self.served.wants_token and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            realm = f"{'https' if self.tls else 'http'}://127.0.0.1:{self.served.port}/token"
            challenge = f'Bearer realm="{realm}",service="the registry",scope="repository:{self._repository}:pull"'
            self._send(401, b'{"errors":[]}', **{"WWW-Authenticate": challenge})
        elif "/blobs/" in self.path and (blob := self.served.blobs.get(self.path.rpartition("/")[2])):
            self._send(200, blob)
        elif self.served.moved_to:
            self._send(307, b"", Location=self.served.moved_to + self.path)
        else:
            self._manifest()

    def _manifest(self) -> None:
        tag = self.path.rpartition("/")[2]
        body = self.served.manifests.get((self._repository, tag))
        if body is None:
            self._send(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}')
            return
        # as a real one: who does not take an index gets the manifest of one machine, which is another digest
        sent = body if INDEX in self.headers.get("Accept", "") else b'{"schemaVersion": 2, "layers": []}'
        digest = self.served.claims or f"sha256:{hashlib.sha256(sent).hexdigest()}"
        self._send(200, sent, **{"Content-Type": INDEX, "Docker-Content-Digest": digest})

    @property
    def _repository(self) -> str:
        return self.path.removeprefix("/v2/").partition("/manifests/")[0]

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def make_certificate(folder: Path) -> Path:
    """A file with a key and a certificate for 127.0.0.1, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a registry on loopback")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    file = folder / "registry.pem"
    file.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) + certificate.public_bytes(pem))
    return file
