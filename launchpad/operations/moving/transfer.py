"""Copy a tenant's data from a host and to a host, through this machine, which holds only a few pieces at a time.

    with leaving(workspace, "alice", host, generation="20261122-…") as archive:
        for piece in archive:                  # the bytes of a tar: volume/path, modes and times
            file.write(piece)
    archive.sent                               # SentReply

    bring(workspace, host, Bringing(tenant="alice", slot=7, …), pieces)    # any tar of that form becomes a generation

A host encrypts the data that it sends for the fleet's recipients in its signed settings; the operator's identity
decrypts the data here. Data that a host receives becomes a generation, which `restore` and a move use. The tar may hold
files, folders and links with a plain name whose first part is a volume, and modes up to 0777.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import queue
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from launchpad.errors import HostError, StepFailed
from launchpad.fleet.model.host import Host
from launchpad.fleet.model.tenant import Tenant
from launchpad.fleet.sealing.age import AgeIdentity
from launchpad.operations.moving.whereabouts import Whereabouts
from launchpad.operations.requests.asking import listen, understood
from launchpad.operations.requests.reaching import hosts_of
from launchpad.runner.wire.streams import CertificatesReply, DataLine, ReceivedReply, Send, SendCertificates, SentReply
from launchpad.workspace import Workspace

PIECE = 96 * 1024
WAITING = 32
"""The number of pieces that may wait on this machine."""


@dataclass(frozen=True, kw_only=True)
class Bringing:
    """The fields of a `receive` request: what a host receives."""

    tenant: str
    slot: int
    generation: str
    """The new generation's id: 10 to 40 characters of 0-9, a-z and inner hyphens."""
    app: str
    version: str
    volumes: tuple[str, ...]
    disk_mb: int
    """The generation's quota in MiB."""
    release: str = ""
    base: str = ""
    """The id of a generation on the host from which only the differences are sent."""
    awaited_by: str = ""
    """The operation on the host that waits for the generation and removes it afterwards; empty for a generation that
    stays."""

    @classmethod
    def of(
        cls, tenant: Tenant, here: Whereabouts, generation: str, *, disk_mb: int, base: str = "", awaited_by: str = ""
    ) -> Bringing:
        """A generation that is `here`, of the release that is deployed there; `disk_mb` is what it may take where it
        goes, if that is more than at home."""
        record = here.record or {}
        return cls(
            tenant=str(tenant.name),
            slot=tenant.slot,
            generation=generation,
            app=str(record["app"]),
            version=str(record["version"]),
            volumes=here.volumes,
            disk_mb=max(int(record["disk_mb"]), disk_mb),
            release=str(record["release"]),
            base=base,
            awaited_by=awaited_by,
        )

    def body(self) -> dict[str, Any]:
        plain = dataclasses.asdict(self) | {"volumes": list(self.volumes)}
        return plain if self.awaited_by else {key: item for key, item in plain.items() if key != "awaited_by"}


@dataclass
class TarStream:
    """The bytes of a tar as pieces, to be read once; `reply` is there after the last piece."""

    what: str
    reply: SentReply | CertificatesReply | None = None
    _pieces: queue.Queue[bytes | BaseException | None] = field(default_factory=lambda: queue.Queue(WAITING))
    _left: threading.Event = field(default_factory=threading.Event)

    def __iter__(self) -> Iterator[bytes]:
        while (piece := self._pieces.get()) is not None:
            if isinstance(piece, BaseException):
                raise piece
            yield piece

    def put(self, piece: bytes | BaseException | None) -> None:
        """Pass the next piece on; BrokenPipeError when the reader has stopped."""
        while not self._left.is_set():
            try:
                self._pieces.put(piece, timeout=0.5)
            except queue.Full:
                continue
            return
        raise BrokenPipeError(self.what)

    @property
    def sent(self) -> SentReply:
        """What the host says that it sent."""
        assert isinstance(self.reply, SentReply)
        return self.reply

    def leave(self) -> None:
        """Stop reading."""
        self._left.set()


@contextmanager
def leaving(workspace: Workspace, tenant: str, host: Host, *, generation: str, base: str = "") -> Iterator[TarStream]:
    """Read the generation's files from the host, decrypted; with `base` only the differences from that generation.

    StateError when the host has no recipients, has no such generation, or encrypts for other recipients than this
    operator; HostError when the connection breaks. An error during the transfer is raised to the reader of the pieces.
    """
    asked = Send(tenant=tenant, generation=generation, base=base)
    with _opened(workspace, host, asked, TarStream(f"{tenant}: generation {generation}")) as archive:
        yield archive


def certificates(workspace: Workspace, tenant: str, host: Host) -> str:
    """The certificates for the tenant's domains from the host that the tenant left, as `arrive` takes them; empty when
    there are none. Errors as of `leaving`."""
    asked = SendCertificates(tenant=tenant)
    with _opened(workspace, host, asked, TarStream(f"{tenant}: the certificates")) as archive:
        bundle = b"".join(archive).decode()
    return bundle if isinstance(archive.reply, CertificatesReply) and archive.reply.domains else ""


@contextmanager
def _opened(
    workspace: Workspace, host: Host, asked: Send | SendCertificates, archive: TarStream
) -> Iterator[TarStream]:
    worker = threading.Thread(target=_carry, args=(workspace, host, asked, archive), daemon=True)
    worker.start()
    try:
        yield archive
    finally:
        archive.leave()
        worker.join()


def bring(workspace: Workspace, host: Host, what: Bringing, pieces: Iterable[bytes]) -> ReceivedReply:
    """Send the tar to the host, which makes a generation. The generation exists only after the whole tar has
    arrived.

    StepFailed when the tar has a forbidden entry, or the quota is full; StateError when the slot belongs to another
    tenant, or the disk is full; LockedError during another transfer for the tenant; HostError.
    """
    with hosts_of(workspace).reach(host) as runner:
        for line in runner.exchange("receive", what.body(), incoming=framed(pieces)):
            if line["type"] == "reply":
                return understood(ReceivedReply, line["body"], host=str(host.name))
    raise HostError(f"{host.name}: the answer ended without a reply", code="answer-ended-without-reply")


def framed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The lines that `receive` takes after its request; the last line has the digest of the sent data."""
    digest, size = hashlib.sha256(), 0
    for piece in _of_one_size(pieces):
        digest.update(piece)
        size += len(piece)
        yield b'{"data":"%b"}\n' % base64.b64encode(piece)
    yield b'{"end":{"bytes":%d,"digest":"sha256:%b"}}\n' % (size, digest.hexdigest().encode())


def _of_one_size(pieces: Iterable[bytes]) -> Iterator[bytes]:
    waiting = bytearray()
    for piece in pieces:
        waiting += piece
        while len(waiting) >= PIECE:
            yield bytes(waiting[:PIECE])
            del waiting[:PIECE]
    if waiting:
        yield bytes(waiting)


def _carry(workspace: Workspace, host: Host, asked: Send | SendCertificates, archive: TarStream) -> None:
    """Fetch and decrypt the stream in a thread of its own, because the decryption reads and writes by itself."""
    try:
        with hosts_of(workspace).reach(host) as runner:
            source: Any = _Source(listen(runner, asked, DataLine))
            try:
                source.begin()  # a rejection by the host is reported before anything is decrypted
                sink: Any = _Sink(archive)
                AgeIdentity(workspace.settings.identity).open_stream(source, sink, what=archive.what)
                sink.flush()
            except BaseException:
                if source.failure is not None:
                    raise source.failure from None
                raise
        archive.reply = source.whole(str(host.name))
    except BrokenPipeError:
        return
    except BaseException as error:
        end: BaseException | None = error
    else:
        end = None
    try:
        archive.put(end)
    except BrokenPipeError:
        return


class _Source:
    """The encrypted stream as a file to read."""

    def __init__(self, lines: Iterator[DataLine | SentReply | CertificatesReply]) -> None:
        self._lines = lines
        self._waiting = b""
        self._digest = hashlib.sha256()
        self._told: SentReply | CertificatesReply | None = None
        self.failure: BaseException | None = None

    def begin(self) -> None:
        self._more()

    def read(self, size: int = -1) -> bytes:
        while not self._waiting and self._told is None:
            self._more()
        size = len(self._waiting) if size < 0 else size
        piece, self._waiting = self._waiting[:size], self._waiting[size:]
        return piece

    def _more(self) -> None:
        try:
            line = next(self._lines)
        except BaseException as error:
            self.failure = error
            raise
        if isinstance(line, DataLine):
            piece = base64.b64decode(line.data)
            self._digest.update(piece)
            self._waiting += piece
        else:
            self._told = line

    def whole(self, host: str) -> SentReply | CertificatesReply:
        """The host's description of the stream; StepFailed when the description does not match the received data."""
        while self._told is None:
            self._more()
        if self._told.pieces != f"sha256:{self._digest.hexdigest()}":
            raise StepFailed(
                f"{host}: the received data differs from the sent data",
                code="received-data-differs-sent-data",
                hint="type the same command again",
            )
        return self._told


class _Sink:
    """The output of the decrypted stream; joins age's pieces to larger pieces."""

    def __init__(self, archive: TarStream) -> None:
        self._archive = archive
        self._waiting = bytearray()

    def write(self, data: bytes) -> int:
        self._waiting += data
        if len(self._waiting) >= PIECE:
            self.flush()
        return len(data)

    def flush(self) -> None:
        if self._waiting:
            self._archive.put(bytes(self._waiting))
            self._waiting.clear()
