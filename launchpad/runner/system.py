"""The interface between provisioning and the machine: packages, users, units, kernel values, storage, checks.

`launchpad.runner.machine.debian` is the real one, `tests.memory.system` the one that can be killed at every call. As
with Host: every changing method is idempotent and raises `Failed` when it cannot; plain files go through Host.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, cast

from launchpad.runner import paths
from launchpad.runner.host import Host, Progress, Protocol
from launchpad.runner.record import Record

if TYPE_CHECKING:
    from launchpad.runner.context import Context

OPERATORS = "launchpad"
"""The user that every operator logs in as."""
Check = Literal["sshd", "sudoers", "firewall", "docker"]
Doing = Literal["start", "stop", "restart", "reload"]


class MachineFacts(Record):
    """The facts about the machine that decide which files it gets."""

    resolvers: tuple[str, ...] = ()
    """The host's IPv4 name servers."""
    audit: bool = False
    """Whether the kernel supports auditing."""
    apparmor: bool = False
    kernel_keys: frozenset[str] = frozenset()
    """Those of Launchpad's kernel values that this kernel supports."""


class User(Record):
    """A system user without a password."""

    name: str
    home: str
    login_shell: str
    uid: int | None = None
    """None: any free uid."""


class Owned(Record):
    """Mode and owner of a file or folder."""

    mode: int
    uid: int


class Unit(Record):
    enabled: bool
    active: bool


class Storage(Record):
    """The storage for /srv/launchpad: a file of so many MiB on the root disk, or an empty block device."""

    loop_mb: int = 0
    device: str = ""


def storage_source(device: str) -> str:
    """The content of /etc/launchpad/storage: the device, or the file on the root disk."""
    return device or paths.STORAGE


class Mounted(Record):
    """What is mounted at /srv/launchpad; empty for nothing."""

    source: str = ""
    """The device, or the file behind the loop device."""
    size_mb: int = 0
    quotas: bool = False


class Other(Record):
    """A user with rights that only root and the operators' user should have."""

    name: str
    by: Literal["sudo", "number", "docker", "keys"]
    message: str


class System(Protocol):
    def facts(self, kernel_keys: Sequence[str]) -> MachineFacts: ...

    # Packages and users

    def missing_packages(self, names: Sequence[str]) -> tuple[str, ...]:
        """The packages that are not installed, in the given order."""

    def install_packages(self, names: Sequence[str], progress: Progress) -> None:
        """Install packages without their recommendations; first repairs an interrupted installation."""

    def updates(self) -> tuple[str, ...]:
        """Read the package lists again, and return the packages with an update."""

    def install_updates(self, progress: Progress) -> None:
        """Install every update; first repairs an interrupted installation. A configuration file that was changed on
        the host stays."""

    def user(self, name: str) -> User | None: ...

    def add_user(self, user: User) -> None:
        """Create the user; an existing user gets this home and shell. Failed when the uid belongs to another user."""

    def remove_user(self, name: str) -> None: ...

    def others(self, allowed: Sequence[str], *, sudoers: str) -> tuple[Other, ...]:
        """Every user, except the allowed ones, who can become root or log in with keys; also sudo rules for an allowed
        user that are not in `sudoers`."""

    def keep_out(self, other: Other, *, sudoers: str) -> None:
        """Remove these rights from the user; for sudo rules, replace the rules by `sudoers`."""

    def owned(self, path: str) -> Owned | None:
        """Mode and owner; None when nothing exists at the path."""

    # Units

    def unit(self, name: str) -> Unit:
        """Whether the unit is enabled at boot, and whether it runs now; both False for an unknown unit."""

    def units(self, names: Sequence[str]) -> dict[str, Unit]:
        """The same of several units, by one question."""

    def enable(self, names: Sequence[str]) -> None:
        """Enable the units at boot; `act` starts them now."""

    def disable(self, name: str) -> None:
        """Disable the unit at boot, and stop it."""

    def act(self, name: str, doing: Doing) -> None:
        """Start, stop or reload the unit. Failed with the unit's last log lines."""

    def reboot(self) -> None:
        """Have the machine shut down and boot; returns before that."""

    def docker_answers(self) -> bool:
        """Whether Docker answers within a few seconds."""

    def reload_units(self) -> None:
        """Make systemd read its unit files again."""

    def firewall(self, text: str) -> bool:
        """Whether Launchpad's table in the kernel equals this text, rule for rule."""

    # Kernel, storage, Caddy

    def kernel(self, key: str) -> str | None:
        """The present value, with single spaces; None when this kernel does not support the key."""

    def set_kernel(self, values: Mapping[str, str]) -> None: ...

    def storage(self) -> Mounted: ...

    def make_storage(self, storage: Storage, progress: Progress) -> None:
        """Create a Btrfs with simple quotas of this size at the place in /etc/launchpad/storage. A device with data is
        never formatted, an existing file only grows. The storage unit mounts it."""

    def container_image(self, name: str) -> str | None:
        """The image of the running container of that name, as its Compose file names it; None when its process is
        dead."""

    # Checks

    def check(self, kind: Check, text: str) -> None:
        """Check the text with the program that will read it; Failed with the program's message."""

    def sshd_strays(self, ours: str) -> tuple[str, ...]:
        """Sentences about effective settings of sshd that differ from `ours` (Launchpad's part), for root, the
        operators' user, or any user who can log in."""

    def verified(self, data: bytes, *, signature: str, signers: str, signer: str, namespace: str) -> bool:
        """Whether the data's signature is by this allowed signer, for this namespace."""

    # Who asks

    def uptime(self) -> float:
        """Seconds since the boot; independent of clock changes."""

    def connected_at(self) -> float | None:
        """When this process's SSH connection was opened, in `uptime`; None without a connection."""

    def asked_by_root(self) -> bool:
        """Whether root's own login, not the operators' user, started this process."""

    def strange_logins(self, keys: Sequence[str]) -> tuple[int, ...]:
        """The processes of the operators' logins with a key that is not among these, or with an unknown key."""

    def end_logins(self, keys: Sequence[str]) -> None:
        """End those logins, with the processes that they started."""

    def runner(self) -> str:
        """The folder of the runner of this process."""


class ProvisionHost(Host, Protocol):
    """A host that can be provisioned."""

    @property
    def system(self) -> System: ...


def provisioned(context: Context) -> ProvisionHost:
    """The host of a provision's step, which always has a system."""
    return cast("ProvisionHost", context.host)
