"""The seam between provisioning and the machine: packages, users, units, kernel values, storage, checks.

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
    """What of the machine decides which files it gets."""

    resolvers: tuple[str, ...] = ()
    """The host's own name servers, IPv4."""
    audit: bool = False
    """Whether the kernel has auditing."""
    apparmor: bool = False
    kernel_keys: frozenset[str] = frozenset()
    """Of the kernel values that Launchpad sets, those that can be set here."""


class User(Record):
    """A system user without a password."""

    name: str
    home: str
    login_shell: str
    uid: int | None = None
    """None: any that is free."""


class Owned(Record):
    """How a file or folder stands in the file system."""

    mode: int
    uid: int


class Unit(Record):
    enabled: bool
    active: bool


class Storage(Record):
    """What /srv/launchpad lies on: a file of so many MB on the root disk, or an empty block device."""

    loop_mb: int = 0
    device: str = ""


def storage_source(device: str) -> str:
    """What /etc/launchpad/storage names: the device, or the file on the root disk."""
    return device or paths.STORAGE


class Mounted(Record):
    """What is mounted at /srv/launchpad; empty when nothing is."""

    source: str = ""
    """The device, or the file behind the loop device."""
    size_mb: int = 0
    quotas: bool = False


class Other(Record):
    """A user who can do what only root and the operators' user should."""

    name: str
    by: Literal["sudo", "number", "docker", "keys"]
    message: str


class System(Protocol):
    def facts(self, kernel_keys: Sequence[str]) -> MachineFacts: ...

    # Packages and users

    def missing_packages(self, names: Sequence[str]) -> tuple[str, ...]:
        """Those that are not installed, in the given order."""

    def install_packages(self, names: Sequence[str], progress: Progress) -> None:
        """Install them without what they merely recommend; repairs an installation that was cut off before."""

    def user(self, name: str) -> User | None: ...

    def add_user(self, user: User) -> None:
        """The user as asked; an existing one gets this home and shell. Failed when the uid is another user's."""

    def remove_user(self, name: str) -> None: ...

    def others(self, allowed: Sequence[str], *, sudoers: str) -> tuple[Other, ...]:
        """Every user beside the allowed ones who can become root, or log in with keys that are no operator's; also
        rules of sudo for one of the allowed that are not in `sudoers`."""

    def keep_out(self, other: Other, *, sudoers: str) -> None:
        """Take that from the user; sudo's rules become `sudoers` where it is by them."""

    def owned(self, path: str) -> Owned | None:
        """Mode and owner; None when there is no file or folder."""

    # Units

    def unit(self, name: str) -> Unit:
        """Whether systemd starts it at boot, and whether it runs now; both False for one that does not exist."""

    def enable(self, names: Sequence[str]) -> None:
        """Have them start at boot. Starting them now is `act`'s."""

    def disable(self, name: str) -> None:
        """Not at boot, and not now."""

    def act(self, name: str, doing: Doing) -> None:
        """Failed with the unit's last log lines when it does not work."""

    def docker_answers(self) -> bool:
        """Whether Docker says anything at all within a few seconds."""

    def reload_units(self) -> None:
        """Have systemd read its unit files again."""

    def firewall(self, text: str) -> bool:
        """Whether the kernel's own table of Launchpad is what this text makes, rule for rule."""

    # Kernel, storage, Caddy

    def kernel(self, key: str) -> str | None:
        """The value now, spaces made one; None where this kernel does not let it be set."""

    def set_kernel(self, values: Mapping[str, str]) -> None: ...

    def storage(self) -> Mounted: ...

    def make_storage(self, storage: Storage, progress: Progress) -> None:
        """A Btrfs with simple quotas behind /etc/launchpad/storage, as large as asked. What holds data is never
        formatted, an existing file only grows. Mounting is the storage unit's."""

    def container_image(self, name: str) -> str | None:
        """The image of the running container of that name, as its Compose file names it; None when its process does not
        live."""

    # Checks

    def check(self, kind: Check, text: str) -> None:
        """Have the program that will read the text judge it; Failed with what it says."""

    def sshd_strays(self, ours: str) -> tuple[str, ...]:
        """Where the sshd configuration on disk comes to something else than `ours` with Launchpad's own part in it, for
        root, the operators' user, or anybody who can log in; in words for people."""

    def verified(self, data: bytes, *, signature: str, signers: str, signer: str, namespace: str) -> bool:
        """Whether the signature of the data is by the named one of the allowed signers, for this namespace."""

    # Who asks

    def uptime(self) -> float:
        """Seconds since the boot; no change of the clock moves it."""

    def connected_at(self) -> float | None:
        """When, in `uptime`, the SSH connection was made that this process serves; None when it serves none."""

    def asked_by_root(self) -> bool:
        """Whether root's own login started this process, not the operators' user."""

    def strange_logins(self, keys: Sequence[str]) -> tuple[int, ...]:
        """The processes of the operators' logins that were made by a key which is not among these, or by which key is
        not known any more."""

    def end_logins(self, keys: Sequence[str]) -> None:
        """End those, and what they started."""

    def runner(self) -> str:
        """The folder of the runner that this process is."""


class ProvisionHost(Host, Protocol):
    """A host whose system can be provisioned."""

    @property
    def system(self) -> System: ...


def provisioned(context: Context) -> ProvisionHost:
    """The host of a provision's step: whoever carries one out has a host with a system."""
    return cast("ProvisionHost", context.host)
