"""Where a host answers and what its key must be."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """All that a connection needs to know of a host. `host` is its name in the fleet, for messages."""

    host: str
    address: str
    port: int = 22
    user: str = "launchpad"
    fingerprints: frozenset[str] = frozenset()
    """`SHA256:…` of the accepted host keys, as `ssh-keygen -l` prints them; empty: nothing is known yet."""
    accepted_keys: tuple[str, ...] = ()
    """Public keys (`type base64 comment`) that the host is known to let in: of many keys in an agent, only these are
    offered. Empty: not known."""
    connect_seconds: float = 10.0
    """For the TCP connection, and again for the handshake."""
    ssh_config: Path | None = None
    """The operator's own ~/.ssh/config, which may know another way there; see `configured`."""
    attempts: int = 3
    """How often a connection is tried that was refused or dropped before the login."""

    def __str__(self) -> str:
        port = "" if self.port == 22 else f" port {self.port}"
        return f"{self.user}@{self.address}{port}"

    def as_user(self, user: str) -> Endpoint:
        """The same host for another user; the provisioning of a bare host begins as root."""
        return replace(self, user=user, accepted_keys=())

    def trusting(self, *fingerprints: str) -> Endpoint:
        """The same host with these keys accepted too."""
        return replace(self, fingerprints=self.fingerprints | set(fingerprints))

    def trusting_only(self, *fingerprints: str) -> Endpoint:
        """The same host with these keys accepted and no others; with none, it is asked for its key and no more."""
        return replace(self, fingerprints=frozenset(fingerprints))
