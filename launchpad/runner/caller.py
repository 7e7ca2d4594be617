"""Who asks. A module of its own, so that a reading verb imports nothing of operations for it."""

from __future__ import annotations

from collections.abc import Iterable

from launchpad.runner import paths
from launchpad.runner.protocol import Refused, digest_of
from launchpad.runner.record import Record

KEYS = f"{paths.ETC}/authorized_keys"


class Caller(Record):
    """Who asks, as sshd and sudo know it; never as the request says."""

    operator: str
    source: str = ""
    incoming: Iterable[bytes] = ()
    """The lines that follow the request, for the verb that takes some; each of at most MOST_LINE bytes."""


def words(operator: str, key: str) -> str:
    """What a key's forced command tells the runner: whose the key is, and which."""
    return f"operator={operator} key={digest_of(' '.join(key.split()[:2]).encode()).removeprefix('sha256:')[:16]}"


def refuse_revoked(said: str, keys: bytes) -> None:
    """Refused unless the key, named in the words of its forced command, is one that the host accepts now: a connection
    that was made before the key was taken out says the same words as ever."""
    if f'launchpad-runner {said}" '.encode() not in keys:
        name = said.partition("=")[2].partition(" ")[0]
        hint = "ask an operator who can still log in to run launchpad operator list"
        raise Refused(f"this host no longer accepts the key of {name}", kind="state", hint=hint)


MOST_LINE = 1024 * 1024
