"""Test one name as a visitor reaches it, from the name's address to the app's answers."""

from __future__ import annotations

import base64
import hashlib
import http.client
import math
import os
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from ipaddress import ip_address
from pathlib import Path
from types import MappingProxyType
from typing import Any

from launchpad.errors import InventoryError, LaunchpadError
from launchpad.runner.hint import Next

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 40.0
"""Caddy holds a request for 28 s while the app does not answer."""
LATE_SHARE = 6
"""Caddy renews a certificate in the last third of its validity; with less than one part of this number left, the
renewal is late."""
DAY = 86_400.0
MOST_BYTES = 8 << 20
"""The largest part of an answer that is read."""
PROXYS_OWN = (502, 504)
"""Statuses that only a proxy returns."""
_HEADER_BLOCK = re.compile(r"^\theader \{\n(.*?)^\t\}", re.MULTILINE | re.DOTALL)
_HEADER_LINE = re.compile(r'\t\t(-?)([A-Za-z][A-Za-z-]*)(?: "?(.*?)"?)?')
_ACCEPT = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455

Link = tuple[str, Callable[[], str]]
"""The kind of a case, and the function that returns its message, or raises Wrong or a LaunchpadError."""


class Wrong(Exception):
    """The problem that a case found, and the command to type next."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True, kw_only=True)
class Case:
    """One question and its answer."""

    subject: str
    """`tenant alice` or `host web-1`."""
    kind: str
    name: str = ""
    """The domain of the case, for cases of each domain."""
    verdict: str
    message: str
    hint: str = ""
    """The command to type next; empty where there is none."""
    seconds: float = 0.0

    @property
    def title(self) -> str:
        """The case's title, which is unique for its subject and the same in every run."""
        return f"{self.kind} {self.name}".rstrip()

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"title": self.title, "seconds": round(self.seconds, 3)}


def case(subject: str, kind: str, work: Callable[[], str], *, name: str = "") -> Case:
    """Run the work and return the case with its verdict."""
    begun = time.monotonic()
    try:
        verdict, message, hint = PASSED, work(), ""
    except (Wrong, LaunchpadError) as error:
        verdict, message, hint = FAILED, error.message, error.hint
    seconds = time.monotonic() - begun
    return Case(subject=subject, kind=kind, name=name, verdict=verdict, message=message, hint=hint, seconds=seconds)


def chain(subject: str, name: str, links: Iterable[Link]) -> Iterator[Case]:
    """Run dependent cases in order; after a failure the others are skipped."""
    failed = ""
    for kind, work in links:
        if failed:
            message = f"skipped: {failed} failed"
            yield Case(subject=subject, kind=kind, name=name, verdict=SKIPPED, message=message)
            continue
        found = case(subject, kind, work, name=name)
        failed = found.title if found.verdict == FAILED else ""
        yield found


def connect(address: str, port: int, *, hint: str) -> socket.socket:
    """Connect; Wrong when the connection fails."""
    try:
        stream = socket.create_connection((address, port), timeout=CONNECT_SECONDS)
    except OSError as error:
        raise Wrong(f"{address} accepts no connection to port {port}: {error.strerror or error}", hint=hint) from error
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return stream


@dataclass(frozen=True, kw_only=True)
class Entrance:
    """One domain of a tenant: its host, and what to test there."""

    tenant: str
    name: str
    host: str
    address: str
    """The host's address, to which every request goes."""
    port: int = 443
    page: str = "/"
    websocket: str = ""
    keeps: str = ""


@dataclass(frozen=True)
class Trust:
    """The trusted certificate authorities."""

    named: ssl.SSLContext
    """Verifies the name in the certificate, as browsers do."""
    any_name: ssl.SSLContext
    authority: Path | None
    """The PEM file of the only trusted authority; None for the system's authorities."""

    @classmethod
    def of(cls, authority: Path | None) -> Trust:
        """Trust only the authority in this PEM file, or the system's authorities; InventoryError when the file has
        none."""
        try:
            named, any_name = (ssl.create_default_context(cafile=authority) for _ in range(2))
        except (OSError, ssl.SSLError) as error:
            message = f"{authority}: no certificate authority in this file: {error.strerror or error}"
            raise InventoryError(
                message, code="no-certificate-authority-file", hint=f"openssl x509 -noout -subject -in {authority}"
            ) from error
        any_name.check_hostname = False
        return cls(named, any_name, authority)


@dataclass(frozen=True)
class PageAnswer:
    """The answer to one request."""

    status: int
    headers: Mapping[str, str]
    """The headers by lower-case names."""
    body: bytes
    seconds: float


class Visitor:
    """Tests one domain, as a browser does. Each test returns a message, or raises Wrong."""

    def __init__(self, entrance: Entrance, *, trust: Trust) -> None:
        self.entrance = entrance
        self._trust = trust

    def leads_here(self, addresses: frozenset[str]) -> str:
        """Test that DNS points the name only to the host."""
        want, record = self.entrance.address, Next("dns show", self.entrance.tenant)
        if not addresses:
            raise Wrong(f"{self.entrance.name} has no DNS record", hint=record)
        kind = ip_address(want).version
        others = sorted(address for address in addresses - {want} if ip_address(address).version == kind)
        if want not in addresses:
            where = " and ".join(others or sorted(addresses))
            raise Wrong(
                f"DNS points {self.entrance.name} to {where}, not to {self.entrance.host} at {want}", hint=record
            )
        if others:
            raise Wrong(f"DNS points {self.entrance.name} to {want} and also to {' and '.join(others)}", hint=record)
        return f"points to {want}"

    def is_let_in(self) -> str:
        """Test that the HTTPS port accepts a connection."""
        connect(self.entrance.address, self.entrance.port, hint=Next("smoke", self.entrance.host)).close()
        return f"{self.entrance.address} accepts connections"

    def certificate(self) -> str:
        """Test that the certificate is trusted, has the name, and does not expire soon."""
        with self._secured() as stream:
            found = stream.getpeercert() or {}
        ends = ssl.cert_time_to_seconds(str(found["notAfter"]))
        whole = ends - ssl.cert_time_to_seconds(str(found["notBefore"]))
        left = ends - time.time()
        issuer = dict(pair for part in found.get("issuer", ()) for pair in part)  # type: ignore[misc]
        if left < whole / LATE_SHARE:
            why = Next("certificates", self.entrance.tenant)
            raise Wrong(f"the certificate expires in {_left(left)} and was not renewed", hint=why)
        by = issuer.get("commonName") or issuer.get("organizationName") or "an authority without a name"
        return f"trusted, by {by}, {_left(left)} left"

    def page(self) -> str:
        """Test that the app itself answers without a failure."""
        found = self._get(self.entrance.page)
        self._must_be_the_apps(found, self.entrance.page)
        return f"the app answers {found.status} in {found.seconds * 1000:.0f} ms"

    def headers(self, promised: Mapping[str, str | None]) -> str:
        """Test that an answer has the headers that the site sets, and none of those that the site removes."""
        found = self._get(self.entrance.page).headers
        wrong = []
        for name, value in promised.items():
            has = found.get(name.lower())
            if value is None and has is not None:
                wrong.append(f"{name} is sent: {has}")
            elif value is not None and has != value:
                wrong.append(f"{name} is {has or 'missing'}, but the site sets {value}")
        if wrong:
            raise Wrong("; ".join(wrong), hint=Next("status", self.entrance.tenant))
        return (
            ", ".join(name if value is not None else f"no {name}" for name, value in promised.items())
            or "none promised"
        )

    def websocket(self) -> str:
        """Test that a WebSocket handshake from the name's own pages is accepted."""
        path, key = self.entrance.websocket, base64.b64encode(os.urandom(16)).decode()
        asked = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": key,
            "Origin": self._origin,
        }
        found = self._get(path, asked)
        if found.status == 403:
            hint = Next("logs", self.entrance.tenant) + "; the app must allow its own origin"
            raise Wrong(f"the WebSocket at {path} is rejected with 403 for the origin {self._origin}", hint=hint)
        if found.status != 101:
            self._must_be_the_apps(found, path)
            hint = Next("logs", self.entrance.tenant)
            raise Wrong(f"the WebSocket at {path} is answered with {found.status} instead of 101", hint=hint)
        digest = hashlib.sha1((key + _ACCEPT).encode(), usedforsecurity=False).digest()
        if found.headers.get("sec-websocket-accept") != base64.b64encode(digest).decode():
            raise Wrong(f"the WebSocket at {path} is accepted with a wrong Sec-WebSocket-Accept")
        return f"the handshake at {path} is accepted"

    def latency(self, requests: int, slowest_ms: float) -> str:
        """Test that 95 % of the requests, one after the other, are answered in time."""
        times = []
        connection = None
        for number in range(requests):
            connection = connection or self._connection()
            try:
                found, stays = self._ask(connection, self.entrance.page, {})
            except BaseException:
                connection.close()
                raise
            self._must_be_the_apps(found, f"{self.entrance.page} at request {number + 1} of {requests}")
            times.append(found.seconds * 1000)
            if not stays:
                connection.close()
                connection = None
        if connection:
            connection.close()
        half, most = (_percentile(times, share) for share in (0.5, 0.95))
        said = f"p50 {half:.0f} ms, p95 {most:.0f} ms of {requests} requests"
        if most > slowest_ms:
            hint = Next("usage", self.entrance.host) + "; --slowest MS sets another limit"
            raise Wrong(f"slow: {said}; the limit is {slowest_ms:.0f} ms", hint=hint)
        return said

    def what_is_kept(self) -> bytes | None:
        """The app's answer that depends only on its data; None when the app names no such path. Wrong when two answers
        differ."""
        if not self.entrance.keeps:
            return None
        first, second = (self._kept() for _ in range(2))
        if first != second:
            raise Wrong(
                f"two answers for {self.entrance.keeps} differ",
                hint="write a path under web: keeps: whose answer depends only on the data",
            )
        return first

    def is_back(self, before: bytes | None) -> None:
        """Test that visitors get the same answers as before the restart; `before` comes from `what_is_kept`."""
        self._back(self.page)
        if self.entrance.websocket:
            self._back(self.websocket)
        if before is not None and self._kept() != before:
            raise Wrong(
                f"the data differs from before the restart: {self.entrance.keeps} has another answer",
                hint=Next("generations", self.entrance.tenant),
            )

    def _back(self, question: Callable[[], str]) -> None:
        try:
            question()
        except Wrong as error:
            raise Wrong(f"not available after the restart: {error.message}", hint=error.hint) from error

    def _kept(self) -> bytes:
        found = self._get(self.entrance.keeps)
        self._must_be_the_apps(found, self.entrance.keeps)
        return found.body

    @property
    def _origin(self) -> str:
        return f"https://{self.entrance.name}"

    def _must_be_the_apps(self, found: PageAnswer, path: str) -> None:
        """Wrong unless the app itself answered without a failure."""
        logs = Next("logs", self.entrance.tenant)
        if found.status == 200 and not found.body and found.headers.get("server") == "Caddy":
            hint = Next("deploy", self.entrance.tenant)
            raise Wrong(f"Caddy itself answers {path}: it has no site for {self.entrance.name}", hint=hint)
        held = found.status == 503 and found.body.startswith(b"Not ready.") and "retry-after" in found.headers
        if found.status in PROXYS_OWN or held:
            waited = f" after {found.seconds:.0f} s" if found.seconds > 1 else ""
            raise Wrong(
                f"Caddy answers {found.status} for {path}{waited}: the app did not accept the request",
                hint=Next("status", self.entrance.tenant) + "; " + logs,
            )
        if found.status >= 500:
            raise Wrong(f"the app answers {found.status} for {path}", hint=logs)
        if found.status >= 400 and found.status != 401:
            raise Wrong(f"{path} is answered with {found.status}", hint=f"web: page: in the app's file; {logs}")

    def _get(self, path: str, headers: Mapping[str, str] = MappingProxyType({})) -> PageAnswer:
        connection = self._connection()
        try:
            return self._ask(connection, path, headers)[0]
        finally:
            connection.close()

    def _ask(
        self, connection: http.client.HTTPConnection, path: str, headers: Mapping[str, str]
    ) -> tuple[PageAnswer, bool]:
        """The answer, and whether the connection accepts another request."""
        begun = time.monotonic()
        try:
            connection.request(
                "GET", path, headers={"Host": self.entrance.name, "User-Agent": "launchpad-smoke", **headers}
            )
            said = connection.getresponse()
            body = b"" if said.status == 101 else said.read(MOST_BYTES)
        except (OSError, http.client.HTTPException) as error:
            after = f"after {time.monotonic() - begun:.0f} s"
            reason = "no answer" if isinstance(error, TimeoutError) else f"{getattr(error, 'strerror', '') or error}"
            hint = Next("status", self.entrance.tenant)
            raise Wrong(f"no answer for {path}: {reason or type(error).__name__} {after}", hint=hint) from error
        found = {name.lower(): value for name, value in said.getheaders()}
        stays = not said.will_close and said.status != 101
        return PageAnswer(said.status, found, body, time.monotonic() - begun), stays

    def _connection(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(self.entrance.name, timeout=ANSWER_SECONDS)
        stream = self._secured()
        stream.settimeout(ANSWER_SECONDS)
        connection.sock = stream
        connection.auto_open = 0
        return connection

    def _secured(self) -> ssl.SSLSocket:
        """A TLS connection whose certificate is trusted and has the name."""
        entrance = self.entrance
        plain = connect(entrance.address, entrance.port, hint=Next("smoke", entrance.host))
        try:
            return self._trust.named.wrap_socket(plain, server_hostname=entrance.name)
        except ssl.SSLCertVerificationError as error:
            plain.close()
            raise self._refused(error) from error
        except (ssl.SSLError, OSError) as error:
            plain.close()
            raise self._no_handshake(error) from error

    def _refused(self, error: ssl.SSLCertVerificationError) -> Wrong:
        hint = Next("certificates", self.entrance.tenant)
        match error.verify_code:
            case 9:
                return Wrong("the certificate is not valid yet: compare this machine's clock", hint=hint)
            case 10:
                return Wrong("the certificate has expired", hint=hint)
            case 62:
                return Wrong(
                    f"the certificate is for another name than {self.entrance.name}: {self._names()}", hint=hint
                )
        why = error.verify_message
        own = self._trust.authority
        more = (
            f"{own} must contain the authority that signed the certificate"
            if own
            else "to trust your own authority: --cacert FILE"
        )
        return Wrong(f"the certificate is not trusted: {why}", hint=f"{hint}; {more}")

    def _no_handshake(self, error: OSError) -> Wrong:
        hint = Next("certificates", self.entrance.tenant)
        if "INTERNAL_ERROR" in str(getattr(error, "reason", "")):
            return Wrong(f"the host has no certificate for {self.entrance.name}", hint=hint)
        return Wrong(f"no TLS handshake: {getattr(error, 'reason', '') or error.strerror or error}", hint=hint)

    def _names(self) -> str:
        """The names in a trusted certificate that lacks the requested name."""
        plain = connect(self.entrance.address, self.entrance.port, hint="")
        try:
            with self._trust.any_name.wrap_socket(plain, server_hostname=self.entrance.name) as stream:
                found: Sequence[Any] = (stream.getpeercert() or {}).get("subjectAltName", ())
        except OSError:
            plain.close()
            return "names unknown"
        return ", ".join(str(value) for _, value in found) or "no names"


def promised_headers(site: str) -> dict[str, str | None]:
    """The headers that a rendered site sets (name → value) and removes (name → None) in every answer of the app."""
    block = _HEADER_BLOCK.search(site)
    lines = [_HEADER_LINE.fullmatch(line) for line in block[1].splitlines()] if block else []
    return {line[2]: None if line[1] else line[3] or "" for line in lines if line}


def _percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[math.ceil(share * len(values)) - 1]


def _left(seconds: float) -> str:
    return f"{seconds / DAY:.0f} days" if seconds >= 2 * DAY else f"{max(seconds, 0) / 3600:.0f} hours"
