"""A host: one VPS, its address, its operators, and its resources for tenants."""

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
"""The ports of Caddy on every host."""

Port = Annotated[int, Field(ge=1, le=65535)]


class Operator(Model):
    """An operator: a person, and the SSH keys that may run Launchpad's runner in the person's name."""

    name: OperatorName
    """The operator's name in journals and histories."""
    keys: Annotated[tuple[PublicKey, ...], Field(min_length=1)]
    """The operator's public SSH keys; each can run only Launchpad's runner on hosts."""
    signing_keys: tuple[PublicKey, ...] = ()
    """The operator's public keys that sign what changes a tenant; and, for an admin, new runners and host settings."""
    admin: bool = True
    """Whether the operator's signing keys may sign new runners and host settings; counts in launchpad.yaml alone."""
    recipients: tuple[Recipient, ...] = ()
    """The operator's age public keys, for which every secret of the fleet is sealed; only in launchpad.yaml."""

    @property
    def public(self) -> frozenset[str]:
        """Each key of the operator, of any kind, without its comment."""
        return frozenset(" ".join(str(key).split()[:2]) for key in (*self.keys, *self.signing_keys, *self.recipients))

    def findings(self) -> Iterator[ModelMistake]:
        if self.name == RECOVERY:
            yield ModelMistake(("name",), f"the name {RECOVERY} belongs to the emergency kit", "another name")


def named_twice(people: tuple[Operator, ...]) -> Iterator[ModelMistake]:
    """The operators that are in the list twice, by name."""
    names = [operator.name for operator in people]
    for index, name in enumerate(names):
        if name in names[:index]:
            yield ModelMistake(
                ("operators", index, "name"), f"operator {name} appears twice", "one entry with all keys"
            )


class CaddyOptions(Model):
    """Caddy, the web server in front of a host's tenants."""

    image: ImageReference = ImageReference("docker.io/library/caddy:2.11.7")
    """Caddy's image; it needs a digest before a host can be provisioned."""
    acme_email: Email | None = None
    """The mail address to which the certificate authority sends warnings about expiring certificates."""
    acme_ca: HttpsUrl | None = None
    """The URL of the ACME directory. Default: Let's Encrypt."""
    acme_ca_root: FilePath | None = None
    """A PEM file in the workspace: the certificate authority of the ACME directory's own certificate."""
    stream_close_delay: Duration = Duration(24 * 3600)
    """How long WebSockets stay open after a reload of Caddy."""


class StorageOptions(Model):
    """The storage of /srv/launchpad: a block device, or a file on the root disk."""

    device: DevicePath | None = None
    """A whole block device, which is formatted if it is empty: /dev/disk/by-id/…"""
    loop: Size | None = None
    """The size of a file on the root disk, used instead of a device; at least resources.disk."""

    def findings(self) -> Iterator[ModelMistake]:
        if (self.device is None) == (self.loop is None):
            yield ModelMistake((), "storage is neither or both of device and loop", "exactly one of device: and loop:")


class Reserve(Model):
    """The memory and disk that the host reserves for itself."""

    memory: Size = Size(512)
    """The memory for the host's own services and for one rehearsal clone."""
    disk: Size = Size(1024)
    """The part of resources.disk that stays free for undos and journals when tenants have filled the rest."""


class Resources(Model):
    """The host's resources. Memory and disk are never overcommitted; the CPUs of shared tiers are, up to
    `cpu_overcommit` times."""

    memory: Size
    """The host's RAM."""
    cpus: Annotated[float, Field(gt=0, le=1024)]
    """The host's CPU cores."""
    disk: Size
    """The size of /srv/launchpad."""
    cpu_overcommit: Annotated[float, Field(ge=1, le=64)] = 4.0
    """How often each CPU may be allocated to tenants of shared tiers."""
    reserve: Reserve = Reserve()

    def findings(self) -> Iterator[ModelMistake]:
        if self.reserve.memory >= self.memory:
            yield ModelMistake(
                ("memory",), f"memory {self.memory} is completely reserved", f"more than {self.reserve.memory}"
            )
        if self.reserve.disk >= self.disk:
            yield ModelMistake(("disk",), f"disk {self.disk} is completely reserved", f"more than {self.reserve.disk}")

    @property
    def memory_for_tenants_mb(self) -> int:
        return self.memory.mb - self.reserve.memory.mb

    @property
    def disk_for_tenants_mb(self) -> int:
        return self.disk.mb - self.reserve.disk.mb


class Host(Model):
    """One VPS. In a loaded fleet `operators` and `caddy` include the defaults of launchpad.yaml, and `storage` is never
    None."""

    name: HostName
    address: Address
    """The host's SSH address: an IP address, or a name that DNS or each operator's ~/.ssh/config resolves (HostName,
    Port, ProxyJump and ProxyCommand are used; user, keys and host keys are not)."""
    port: Port = 22
    """The port of the host's SSH server."""
    user: Literal["launchpad"] = "launchpad"
    """The Linux user as which operators log in; provisioning creates the user."""
    fingerprints: tuple[Fingerprint, ...] = ()
    """The fingerprints of host keys that are accepted at the first contact. Default: the operator confirms the key."""
    resources: Resources
    operators: tuple[Operator, ...] = ()
    """The operators of this host. Default: the operators in launchpad.yaml."""
    admins: tuple[OperatorName, ...] = ()
    """Linux users of the host that may keep their own SSH keys and sudo rights, such as [debian]. `launchpad status`
    reports every other user with SSH keys or sudo rights, and `launchpad provision` removes those."""
    caddy: CaddyOptions = CaddyOptions()
    storage: StorageOptions | None = None
    """The storage of /srv/launchpad. Default: a file of the size of resources.disk on the root disk."""
    drill_host: HostName | None = None
    """Another host of the fleet for rehearsals of upgrades when this host lacks memory for a clone."""
    exporter: bool = False
    """Whether the host runs Debian's prometheus-node-exporter on 127.0.0.1:9100, with Launchpad's metrics of the host
    and its tenants. `launchpad metrics` works without the exporter."""
    collector: bool = False
    """Whether the host collects the logs of all tenants of the fleet, without their known secrets; at most one host
    does. Every host of the fleet then sends to this host, and needs an IP address as its address."""
    labels: Mapping[HostName, Prose] = {}
    """Your own labels, such as {provider: hetzner}. `launchpad runner upgrade` begins with hosts labelled canary."""

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
