"""The verbs about one tenant: its app's actions, generations, files, certificates, and secrets that were shown."""

from __future__ import annotations

from collections.abc import Mapping

from launchpad.runner.generation_records import Generation
from launchpad.runner.protocol import Release
from launchpad.runner.record import Record
from launchpad.runner.wire.body import Body, Empty


class ActReply(Record):
    """What the action wrote, unredacted, and its exit status."""

    code: int
    out: str
    err: str = ""


class Act(Body):
    """Run an action of the tenant's app."""

    VERB = "act"
    REPLY = ActReply
    tenant: str
    action: str
    arguments: tuple[str, ...] = ()


class EarlierRelease(Record):
    """A release whose files are on the host."""

    release: str
    version: str
    kept: bool
    """Whether it ran recently, or has a generation."""
    running: bool
    generation: str = ""
    """The one that a rollback would restore; empty for none."""


class GenerationsReply(Record):
    generations: tuple[Generation, ...]
    """The newest first."""
    releases: tuple[EarlierRelease, ...]
    """The running one, then the newest first."""
    incomplete: tuple[str, ...] = ()
    """The ids of generations whose making was interrupted."""


class Generations(Body):
    """The tenant's generations, and the releases that a rollback could restore."""

    VERB = "generations"
    REPLY = GenerationsReply
    tenant: str


class ReleaseReply(Record):
    """The release that runs; None when its files are damaged or nothing is deployed."""

    release: Release | None
    files: Mapping[str, str] | None
    """Path → text."""


class ReadRelease(Body):
    """The files of the release that the tenant runs."""

    VERB = "release"
    REPLY = ReleaseReply
    tenant: str


class SecretShown(Body):
    """Record that the caller is about to read the value of a secret."""

    VERB = "shown"
    REPLY = Empty
    tenant: str
    secret: str
    """Its name, never its value."""


class ObtainedName(Record):
    """A domain's certificate."""

    until: float | None
    """Its end; None without a certificate."""
    why: str = ""
    """Why there is none yet."""


class ObtainReply(Record):
    names: Mapping[str, ObtainedName]


class Obtain(Body):
    """Have Caddy request the tenant's missing certificates now."""

    VERB = "obtain"
    REPLY = ObtainReply
    tenant: str
