"""trust: remember a host's key once a person has confirmed its fingerprint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from launchpad.errors import StateError
from launchpad.ssh.hosts import SshHosts
from launchpad.ssh.problems import HostKeyChanged, HostKeyUnknown, OfferedKey
from launchpad.workspace import Workspace


@dataclass(frozen=True)
class Offer:
    """The key that a host offers, and whether it is one that is known already."""

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
    """Ask the host for its key; nothing is sent that it could use. HostError when it cannot be reached."""
    hosts = over_ssh(workspace)
    endpoint = hosts.endpoint(workspace.fleet.load().host(name))
    unpinned = endpoint.trusting_only()
    try:
        hosts.connection(unpinned).open()
    except HostKeyUnknown as error:
        assert error.key is not None
        known = error.key.fingerprint in endpoint.fingerprints
        return Offer(endpoint.host, endpoint.address, endpoint.port, error.key, known)
    raise StateError(f"{name}: its key was accepted although none is known")  # an endpoint without pins accepts none


def trust(workspace: Workspace, offer: Offer, *, confirm: str) -> None:
    """Remember the offered key in place of any that was confirmed before; HostKeyChanged when its fingerprint is not
    the confirmed one."""
    if offer.key.fingerprint != confirm:
        raise HostKeyChanged(
            f"{offer.host}: it offers {offer.key.fingerprint}, confirmed was {confirm}",
            hint="compare it with what your provider's console shows",
        )
    written = workspace.fleet.load().host(offer.host).fingerprints
    if written and confirm not in map(str, written):
        raise HostKeyChanged(
            f"{offer.host}: the inventory says {', '.join(map(str, written))}, the host offers {confirm}",
            hint="correct fingerprints: in inventory/hosts.yaml",
        )
    known = over_ssh(workspace).known
    known.forget(offer.address, offer.port)
    known.remember(offer.address, offer.port, offer.key)


def over_ssh(workspace: Workspace) -> SshHosts:
    """The way to hosts, where that is SSH; StateError otherwise."""
    if not isinstance(workspace.hosts, SshHosts):
        raise StateError("this workspace does not reach its hosts over SSH")
    return workspace.hosts
