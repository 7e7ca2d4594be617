"""The steps of a provision: data, no behaviour. `wanted_steps.py` lists a host's steps, `effects.py` runs them.

Fields are plain JSON (texts, numbers, tuples and mappings of them), because a plan is stored on disk.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from launchpad.runner.step import Step


class InstallPackages(Step):
    """Install Debian packages. Undo leaves them: they do no harm, and removing one could remove others."""

    packages: tuple[str, ...]
    undone = False

    @property
    def title(self) -> str:
        return f"install {', '.join(self.packages)}"


class AddUser(Step):
    """Add a system user; `uid` 0 means any free uid."""

    name: str
    home: str
    login_shell: str
    uid: int = 0

    @property
    def title(self) -> str:
        return f"add the user {self.name}"


class MakeFolders(Step):
    """Create folders with a mode and an owner. Undo removes none, because they may have content by then."""

    folders: tuple[str, ...]
    mode: int
    uid: int = 0
    undone = False

    @property
    def title(self) -> str:
        return f"create {', '.join(self.folders)}"


class PutFiles(Step):
    """Write files and reload or restart the units that use them. Undo restores the old content and reloads again."""

    name: str
    """The step's title."""
    files: Mapping[str, str]
    mode: int = 0o644
    check: Literal["", "docker"] = ""
    restart: tuple[str, ...] = ()
    reload: tuple[str, ...] = ()
    reload_units: bool = False

    @property
    def title(self) -> str:
        return self.name


class SetKernel(Step):
    """Set kernel values now; another step writes the file that sets them at boot. Undo leaves them: some cannot change
    back before the next boot, and none locks anybody out."""

    values: Mapping[str, str]

    title = "apply the kernel settings"
    undone = False


class EnableUnits(Step):
    """Enable units at boot and start them now."""

    units: tuple[str, ...]
    later: tuple[str, ...] = ()
    """Units to enable at boot without starting them now."""

    @property
    def title(self) -> str:
        return f"enable {', '.join((*self.units, *self.later))}"


class DisableUnits(Step):
    """Stop units that these settings do not want, and disable them at boot."""

    units: tuple[str, ...]
    later = ()

    @property
    def title(self) -> str:
        return f"stop and disable {', '.join(self.units)}"


class MakeStorage(Step):
    """Create the Btrfs at /srv/launchpad. Undo never removes storage."""

    loop_mb: int
    device: str
    undone = False

    @property
    def title(self) -> str:
        return f"create the storage ({self.device or f'{self.loop_mb} MiB'})"


class RunCaddy(Step):
    """Pull Caddy's image and start its container. Undo starts the earlier container, if there was one."""

    image: str
    compose: str

    @property
    def title(self) -> str:
        return f"run {self.image.split('@')[0].rsplit('/', 1)[-1]}"


class UseCaddyfile(Step):
    """Load the fleet's own Caddyfile after Caddy has resolved it and the judge has accepted the result; with it the
    ACME server's authority, which the Caddyfile names only by path."""

    text: str
    root: str = ""
    """The authority's PEM; empty for the authorities that Caddy knows."""

    title = "load the fleet's Caddyfile into Caddy"


class ChangeAccess(Step):
    """Change everything that controls who can log in: sshd, sudo, keys, firewall. Reverted automatically unless a
    connection that was opened after the change confirms it."""

    files: Mapping[str, str]
    modes: Mapping[str, int]
    """Modes other than 0644."""

    title = "change who can log in; a new connection must confirm the change"


class KeepOthersOut(Step):
    """Remove root rights and keys from every user except root, the operators' user and the admins: sudo rules, the
    group docker, root's uid, own keys."""

    admins: tuple[str, ...]

    title = "remove root rights and keys from users that the inventory does not name"


class EndLogins(Step):
    """End logins as the operators' user with keys that are not among these. Undo restores no login."""

    keys: tuple[str, ...]

    title = "end logins with keys that are no longer accepted"
    undone = False


class RecordSettings(Step):
    """Write the host's new settings."""

    text: str

    title = "record the settings"


class LookAgain(Step):
    """Have the watch check the host again, so that `status` right after a provision shows no outdated findings."""

    title = "have the watch check the host again"
    undone = False


HostStep = (
    InstallPackages | AddUser | MakeFolders | PutFiles | SetKernel | EnableUnits | DisableUnits | MakeStorage
    | RunCaddy | UseCaddyfile | ChangeAccess | KeepOthersOut | EndLogins | RecordSettings | LookAgain
)  # fmt: skip
