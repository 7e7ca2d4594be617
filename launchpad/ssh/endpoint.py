"""A host's address, user and accepted keys."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Everything that a connection needs to know about a host. `host` is its name in the fleet, for messages."""

    host: str
    address: str
    port: int = 22
    user: str = "launchpad"
    fingerprints: frozenset[str] = frozenset()
    """`SHA256:…` of the accepted host keys, as `ssh-keygen -l` prints them; empty: no key is known."""
    pinned: bool = False
    """Whether the inventory has the fingerprints, so that nobody can confirm another one."""
    accepted_keys: tuple[str, ...] = ()
    """The public keys (`type base64 comment`) that the host accepts, if known: of an agent's keys only these are
    offered. Empty: unknown."""
    connect_seconds: float = 10.0
    """Seconds for the TCP connection, and again for the handshake."""
    ssh_config: Path | None = None
    """The operator's own ~/.ssh/config, which may name another way to the host; see `configured`."""
    attempts: int = 3
    """How many tries for a connection that is refused or dropped before the login."""

    def __str__(self) -> str:
        port = "" if self.port == 22 else f" port {self.port}"
        return f"{self.user}@{self.address}{port}"

    def as_user(self, user: str) -> Endpoint:
        """The same host with another user: the provision of a bare host begins as root."""
        return replace(self, user=user, accepted_keys=())

    def trusting(self, *fingerprints: str) -> Endpoint:
        """The same host that also accepts these keys."""
        return replace(self, fingerprints=self.fingerprints | set(fingerprints))

    def trusting_only(self, *fingerprints: str) -> Endpoint:
        """The same host that accepts only these keys; without keys, a connection only learns the host's key."""
        return replace(self, fingerprints=frozenset(fingerprints))
