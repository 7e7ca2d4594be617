"""Who sends a request. A separate module, so that a reading verb imports nothing of operations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from launchpad.runner import paths
from launchpad.runner.hint import Next
from launchpad.runner.protocol import Refused, digest_of
from launchpad.runner.record import Record

KEYS = f"{paths.ETC}/authorized_keys"


class Caller(Record):
    """Who sends a request: `operator` and `source` as sshd and sudo report them, never as the request itself says."""

    operator: str
    source: str = ""
    root: bool = False
    """Whether it is root of the host itself, through no operator's key."""
    incoming: Iterable[bytes] = ()
    """The lines after the request, for verbs that read more input; each of at most MOST_LINE bytes."""
    on_behalf_of: str = ""
    """For whom the operator acts, as the request says: a label for people that gives no right."""
    words: Mapping[str, Any] = MappingProxyType({})
    """The words of the command that asks for an operation, as the request says."""


def words(operator: str, key: str) -> str:
    """The arguments of a key's forced command: the key's owner, and a digest of the key."""
    return f"operator={operator} key={digest_of(' '.join(key.split()[:2]).encode()).removeprefix('sha256:')[:16]}"


def refuse_revoked(said: str, keys: bytes) -> None:
    """Refused unless the host accepts the key now. A connection that was opened before the key was removed still runs
    the key's old forced command."""
    if f'launchpad-runner {said}" '.encode() not in keys:
        name = said.partition("=")[2].partition(" ")[0]
        hint = "ask an operator who can still log in to run " + Next("operator list")
        raise Refused(f"this host no longer accepts the key of {name}", code="key-revoked", kind="state", hint=hint)


MOST_LINE = 1024 * 1024
