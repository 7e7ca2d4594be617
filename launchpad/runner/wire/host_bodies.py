"""The verbs about a host: which runner answers, its update, the plan of a provision, its disk, metrics, resolver."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from launchpad.runner.record import Record
from launchpad.runner.wire.body import Body, Empty

NONE: Mapping[str, Any] = MappingProxyType({})


class HelloReply(Record):
    """Which runner answers. Only `runner` is in the reply of every version."""

    runner: str
    protocols: tuple[int, ...] = ()
    """The oldest and the newest that it serves."""
    digest: str = ""
    """The beginning of the digest of its archive; empty in a checkout."""
    previous: str = ""
    """The beginning of the digest of the runner that `previous` returns to; empty for none."""
    name: str = ""
    """The host's own name."""
    clock: float = 0.0
    boot_id: str = ""


class Hello(Body):
    """Which runner answers, and which protocols it serves."""

    VERB = "hello"
    REPLY = HelloReply


class Switched(Record):
    """The result of a change of runner. `nonce` awaits a confirmation, for so many seconds."""

    outcome: str
    """`switched` or `unchanged`."""
    nonce: str = ""
    seconds: float = 0.0
    version: str = ""


class Install(Body):
    """Install this runner."""

    VERB = "install"
    REPLY = Switched
    archive: str
    """In base64."""
    signature: str
    """Armoured."""
    signer: str


class Previous(Body):
    """Return to the runner before the present one. Signed: the host's name, `present`, `earlier`, `at`."""

    VERB = "previous"
    REPLY = Switched
    present: str
    """The beginning of the present runner's digest."""
    earlier: str
    at: float
    """The host's clock."""
    signature: str
    signer: str


class Confirm(Body):
    """Keep a change that the host would revert."""

    VERB = "confirm"
    REPLY = Empty
    nonce: str


class SignerReply(Record):
    known: bool
    """Whether the signature of the text is by that allowed signer."""


class Signer(Body):
    """Whether the host accepts a signature."""

    VERB = "signer"
    REPLY = SignerReply
    text: str
    signature: str
    signer: str


class StepOutline(Record):
    """One step of a plan, for people."""

    step: str
    title: str


class PlanReply(Record):
    steps: tuple[StepOutline, ...]
    diffs: tuple[str, ...] = ()
    free: Mapping[str, int] = NONE
    """Path → free bytes; of a prune."""


class Plan(Body):
    """The steps of an operation on the host itself."""

    VERB = "plan"
    REPLY = PlanReply
    operation: Mapping[str, Any]


class MetricsReply(Record):
    lines: tuple[str, ...]
    """In Prometheus' text format."""


class Metrics(Body):
    """The host's metrics."""

    VERB = "metrics"
    REPLY = MetricsReply


class NamesReply(Record):
    names: Mapping[str, tuple[str, ...]]
    """Name → addresses; empty without one, or when no resolver answers in time."""


class Names(Body):
    """Resolve domain names on the host."""

    VERB = "names"
    REPLY = NamesReply
    names: tuple[str, ...] = ()


class DiskRoom(Record):
    """Bytes of tenants' data."""

    total: int
    free: int


class TenantUse(Record):
    """What a tenant uses, in bytes. Data that only a generation holds counts too."""

    used: int
    quota: int
    generations: int
    """How many."""
    memory: int = 0
    memory_limit: int = 0


class ImageUse(Record):
    """What an image uses; a layer that several images share counts for each."""

    bytes: int
    tenants: tuple[str, ...]
    """Those that run the image."""


class UsageReply(Record):
    disk: DiskRoom
    images_free: int
    """Bytes for images."""
    tenants: Mapping[str, TenantUse]
    images: Mapping[str, ImageUse]


class Usage(Body):
    """What uses the host's disk and memory."""

    VERB = "usage"
    REPLY = UsageReply
