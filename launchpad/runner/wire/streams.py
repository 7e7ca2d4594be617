"""The verbs that answer with many lines before the reply: data, usage, logs, a bundle."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from launchpad.runner.diagnosing.collected import Diagnosis
from launchpad.runner.generation_records import Generation
from launchpad.runner.metering.usage_log import UsedIn as UsedIn
from launchpad.runner.record import Record
from launchpad.runner.wire.body import Body
from launchpad.runner.wire.line import AnswerLine


class DataLine(AnswerLine):
    """A piece of what is sent."""

    TYPE = "data"
    data: str
    """In base64."""


class UsedLine(AnswerLine):
    """What some tenants used."""

    TYPE = "used"
    used: tuple[UsedIn, ...]


class SentReply(Record):
    """What was sent: a generation's files as a tar, encrypted."""

    generation: Generation
    slot: int
    volumes: tuple[str, ...]
    pieces: str
    """A digest of the encrypted data."""
    digest: str = ""
    """Of the tar."""
    files: int = 0
    bytes: int = 0
    gone: int = 0
    """How many files of the base are gone."""
    passed_over: int = 0
    unread: int = 0
    """How many files the tenant's user cannot read."""
    unreadable: tuple[str, ...] = ()
    """Some of those."""


class Send(Body):
    """Send a generation's files: data lines, then the reply."""

    VERB = "send"
    REPLY = SentReply
    tenant: str
    generation: str
    base: str = ""
    """An earlier generation: then only the differences from it."""


class CertificatesReply(Record):
    domains: tuple[str, ...]
    pieces: str
    """A digest of the encrypted data."""


class SendCertificates(Body):
    """Send a tenant's certificates, encrypted: data lines, then the reply."""

    VERB = "certificates"
    REPLY = CertificatesReply
    tenant: str


class ReceivedReply(Record):
    generation: Generation
    files: int
    bytes: int
    outcome: str
    """done, or unchanged when the generation exists."""


class DiagnoseReply(Record):
    diagnoses: tuple[Diagnosis, ...]
    """With names and addresses; the bundle has none."""
    manifest: Mapping[str, Any] = MappingProxyType({})
    bytes: int = 0
    digest: str = ""
    """Of the bundle."""


class Diagnose(Body):
    """What is wrong with a tenant or the host: a bundle as data lines, then the reply."""

    VERB = "diagnose"
    REPLY = DiagnoseReply
    tenant: str = ""
    """Empty for the whole host."""
    case: str = ""
    """The key of a case in hex."""
    addresses: tuple[str, ...] = ()
    """Where the host is reached."""
    preview: bool = False
    """Send no data lines."""
    quick: bool = False
    """Only the diagnoses, within a few seconds."""
    operation: str = ""
    """The one that has just failed."""


class MeteredReply(Record):
    clock: float


class ReadMetered(Body):
    """What tenants used in a month: lines, then the reply."""

    VERB = "metered"
    REPLY = MeteredReply
    month: str
    """Such as 2026-11."""
    tenants: tuple[str, ...] | None = None
    """None for all."""
    hourly: bool = False
    """Whether each hour is an entry."""
