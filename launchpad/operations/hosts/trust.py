"""trust: store a host's SSH key after an operator has confirmed its fingerprint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from launchpad.errors import StateError
from launchpad.ssh.hosts import SshHosts
from launchpad.ssh.problems import HostKeyChanged, HostKeyUnknown, OfferedKey
from launchpad.workspace import Workspace


@dataclass(frozen=True)
class Offer:
    """The SSH key that a host offers, and whether the key is stored already."""

    host: str
    address: str
    port: int
    key: OfferedKey
    known: bool

    def as_json(self) -> dict[str, Any]:
        return {
            "host": self.host,
            "address": self.address,
            "port": self.port,
            "fingerprint": self.key.fingerprint,
            "kind": self.key.kind,
            "known": self.known,
        }


def offered_key(workspace: Workspace, name: str) -> Offer:
    """Ask the host for its key, without sending any credential. HostError when the host is unreachable."""
    hosts = over_ssh(workspace)
    endpoint = hosts.endpoint(workspace.fleet.load().host(name))
    unpinned = endpoint.trusting_only()
    try:
        hosts.connection(unpinned).open()
    except HostKeyUnknown as error:
        assert error.key is not None
        known = error.key.fingerprint in endpoint.fingerprints
        return Offer(endpoint.host, endpoint.address, endpoint.port, error.key, known)
    raise StateError(
        f"{name}: the host's key was accepted although no key is stored", code="host-key-not-stored"
    )  # an endpoint without pinned keys accepts no key


def trust(workspace: Workspace, offer: Offer, *, confirm: str) -> None:
    """Store the offered key in place of an earlier confirmed key; HostKeyChanged when the offered fingerprint differs
    from the confirmed one."""
    if offer.key.fingerprint != confirm:
        raise HostKeyChanged(
            f"{offer.host}: the host offers {offer.key.fingerprint}, but you confirmed {confirm}",
            code="other-key-than-confirmed",
            hint="compare the fingerprint with your provider's console",
        )
    written = workspace.fleet.load().host(offer.host).fingerprints
    if written and confirm not in map(str, written):
        raise HostKeyChanged(
            f"{offer.host}: the inventory has {', '.join(map(str, written))}, but the host offers {confirm}",
            code="other-key-than-inventory",
            hint="correct fingerprints: in inventory/hosts.yaml",
        )
    known = over_ssh(workspace).known
    known.forget(offer.address, offer.port)
    known.remember(offer.address, offer.port, offer.key)


def over_ssh(workspace: Workspace) -> SshHosts:
    """The workspace's SSH access to its hosts; StateError when the workspace has none."""
    if not isinstance(workspace.hosts, SshHosts):
        raise StateError("this workspace does not connect to its hosts by SSH", code="workspace-not-over-ssh")
    return workspace.hosts
