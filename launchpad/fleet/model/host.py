"""A host: one VPS, where it answers, who may operate it, and what of it Launchpad may give to tenants."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field

from launchpad.fleet.model.base import Model, ModelMistake
from launchpad.fleet.model.recovery import RECOVERY
from launchpad.fleet.words.names import HostName, OperatorName
from launchpad.fleet.words.quantities import Duration, Size
from launchpad.fleet.words.references import (
    Address,
    DevicePath,
    Email,
    FilePath,
    Fingerprint,
    HttpsUrl,
    ImageReference,
    Prose,
    PublicKey,
    Recipient,
)

TAKEN_PORTS = (80, 443)
"""Caddy's, on every host."""

Port = Annotated[int, Field(ge=1, le=65535)]


class Operator(Model):
    """A person and the SSH keys that may run Launchpad's runner in that person's name."""

    name: OperatorName
    """What the person is called in journals and histories."""
    keys: Annotated[tuple[PublicKey, ...], Field(min_length=1)]
    """The person's public SSH keys; each can run Launchpad's runner there and nothing else."""
    signing_keys: tuple[PublicKey, ...] = ()
    """In launchpad.yaml: the person's public keys that may sign a new runner, and a change of a host's settings."""
    recipients: tuple[Recipient, ...] = ()
    """In launchpad.yaml: the person's age public keys, for which every secret of the fleet is sealed."""

    @property
    def public(self) -> frozenset[str]:
        """Each key of the person, of any kind, without its comment."""
        return frozenset(" ".join(str(key).split()[:2]) for key in (*self.keys, *self.signing_keys, *self.recipients))

    def findings(self) -> Iterator[ModelMistake]:
        if self.name == RECOVERY:
            yield ModelMistake(("name",), f"{RECOVERY} is what the emergency kit's operator is called", "another name")


def named_twice(people: tuple[Operator, ...]) -> Iterator[ModelMistake]:
    """The operators of a list who are in it before, by name."""
    names = [operator.name for operator in people]
    for index, name in enumerate(names):
        if name in names[:index]:
            yield ModelMistake(
                ("operators", index, "name"), f"operator {name} appears twice", "one entry with all keys"
            )


class CaddyOptions(Model):
    """The web server in front of a host's tenants."""

    image: ImageReference = ImageReference("docker.io/library/caddy:2.11.7")
    """Must be pinned by digest before a host is provisioned with it."""
    acme_email: Email | None = None
    """Whom the certificate authority writes to about certificates that end."""
    acme_ca: HttpsUrl | None = None
    """The ACME directory; Caddy's own (Let's Encrypt) when left out."""
    acme_ca_root: FilePath | None = None
    """A PEM file in the workspace: the certificate authority that the ACME directory itself is signed by."""
    stream_close_delay: Duration = Duration(24 * 3600)
    """How long a WebSocket survives a reload of Caddy."""


class StorageOptions(Model):
    """What /srv/launchpad lies on: a block device, or a file of this size on the root disk."""

    device: DevicePath | None = None
    """A whole block device, which is formatted when it is empty: /dev/disk/by-id/…"""
    loop: Size | None = None
    """The size of a file on the root disk that takes a device's place; at least resources.disk."""

    def findings(self) -> Iterator[ModelMistake]:
        if (self.device is None) == (self.loop is None):
            yield ModelMistake((), "storage is neither or both of device and loop", "exactly one of device: and loop:")


class Reserve(Model):
    """What the host keeps for itself."""

    memory: Size = Size(512)
    """Of the host's memory: what its own services take, and what one clone of a rehearsal wants."""
    disk: Size = Size(1024)
    """Of resources.disk: what lets an undo and the journals go on when tenants have filled the rest."""


class Resources(Model):
    """What the host has. Memory and disk are never promised twice; CPU of shared tiers is, `cpu_overcommit` times."""

    memory: Size
    """Its RAM."""
    cpus: Annotated[float, Field(gt=0, le=1024)]
    """Its CPU cores."""
    disk: Size
    """The size of /srv/launchpad."""
    cpu_overcommit: Annotated[float, Field(ge=1, le=64)] = 4.0
    """How many times over the CPUs may be promised to tenants of shared tiers."""
    reserve: Reserve = Reserve()

    def findings(self) -> Iterator[ModelMistake]:
        if self.reserve.memory >= self.memory:
            yield ModelMistake(("memory",), f"memory {self.memory} is all reserved", f"more than {self.reserve.memory}")
        if self.reserve.disk >= self.disk:
            yield ModelMistake(("disk",), f"disk {self.disk} is all reserved", f"more than {self.reserve.disk}")

    @property
    def memory_for_tenants_mb(self) -> int:
        return self.memory.mb - self.reserve.memory.mb

    @property
    def disk_for_tenants_mb(self) -> int:
        return self.disk.mb - self.reserve.disk.mb


class Host(Model):
    """One VPS. In a loaded fleet `operators` and `caddy` have what launchpad.yaml says for every host, and `storage` is
    never None."""

    name: HostName
    address: Address
    """Where it answers SSH: an IP address, or a name that leads to one, by DNS or by each operator's ~/.ssh/config
    (HostName, Port, ProxyJump and ProxyCommand hold; user, keys and host keys do not)."""
    port: Port = 22
    """Of its SSH server."""
    user: Literal["launchpad"] = "launchpad"
    """The operators' user there, which provisioning makes."""
    fingerprints: tuple[Fingerprint, ...] = ()
    """Host keys that are accepted at the first contact; empty: a person confirms."""
    resources: Resources
    operators: tuple[Operator, ...] = ()
    """Who may operate it; those of launchpad.yaml when left out."""
    admins: tuple[OperatorName, ...] = ()
    """Linux users of the host itself that may keep keys of their own and become root by sudo, such as [debian]. Who is
    not named here and can do either is a finding of `status`, and `launchpad provision` takes it away."""
    caddy: CaddyOptions = CaddyOptions()
    storage: StorageOptions | None = None
    """What /srv/launchpad lies on; a file of the size of resources.disk on the root disk when left out."""
    drill_host: HostName | None = None
    """Another host of the fleet, on which upgrades are rehearsed when this one has no memory free for a clone."""
    labels: Mapping[HostName, Prose] = {}
    """Words of yours, such as {provider: hetzner}; nothing is computed from them."""

    def findings(self) -> Iterator[ModelMistake]:
        loop = self.storage.loop if self.storage else None
        if loop is not None and loop < self.resources.disk:
            yield ModelMistake(
                ("storage", "loop"),
                f"the loop file of {loop} is smaller than resources.disk",
                f"{self.resources.disk} or more",
            )
        if self.port in TAKEN_PORTS:
            yield ModelMistake(("port",), f"port {self.port} is Caddy's", "another port; 22 is the usual one")
        if self.drill_host == self.name:
            yield ModelMistake(("drill_host",), f"host {self.name} is its own drill host", "another host of the fleet")
        yield from named_twice(self.operators)
