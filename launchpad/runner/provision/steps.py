"""The steps of a provision: data, no behaviour. `wanted_steps.py` names all of a host's, `effects.py` carries them
out.

Fields are plain JSON (texts, numbers, tuples and mappings of them), because a plan is kept on disk.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from launchpad.runner.step import Step


class InstallPackages(Step):
    """Debian packages. Undo leaves them: they do no harm, and taking one out could take others with it."""

    packages: tuple[str, ...]
    undone = False

    @property
    def title(self) -> str:
        return f"install {', '.join(self.packages)}"


class AddUser(Step):
    """A system user; `uid` 0 stands for any free one."""

    name: str
    home: str
    login_shell: str
    uid: int = 0

    @property
    def title(self) -> str:
        return f"add the user {self.name}"


class MakeFolders(Step):
    """Folders with a mode and an owner. Undo removes none: something may lie in them by then."""

    folders: tuple[str, ...]
    mode: int
    uid: int = 0
    undone = False

    @property
    def title(self) -> str:
        return f"create {', '.join(self.folders)}"


class PutFiles(Step):
    """Files as they should be, and what has to hear of it; undo brings the old content back and tells it again."""

    name: str
    """What a person reads."""
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
    """Kernel values, now; the file that sets them at boot is another step's. Undo leaves them: some cannot go back
    until the next boot, and none keeps anybody out."""

    values: Mapping[str, str]

    title = "apply the kernel settings"
    undone = False


class EnableUnits(Step):
    """Units that start at boot and run now."""

    units: tuple[str, ...]
    later: tuple[str, ...] = ()
    """Units that start at boot, and not now."""

    @property
    def title(self) -> str:
        return f"enable {', '.join((*self.units, *self.later))}"


class MakeStorage(Step):
    """The Btrfs at /srv/launchpad. Undo never removes storage."""

    loop_mb: int
    device: str
    undone = False

    @property
    def title(self) -> str:
        return f"create the storage ({self.device or f'{self.loop_mb} MB'})"


class RunCaddy(Step):
    """Caddy's image and container, as its Compose file says. Undo starts what ran before, where something did."""

    image: str
    compose: str

    @property
    def title(self) -> str:
        return f"run {self.image.split('@')[0].rsplit('/', 1)[-1]}"


class UseCaddyfile(Step):
    """The fleet's own Caddyfile, once Caddy has read it and the judge has seen what it made of it; and the authority of
    the ACME server, which the Caddyfile names by its path alone."""

    text: str
    root: str = ""
    """In PEM; empty for the authorities that Caddy knows."""

    title = "load the fleet's Caddyfile into Caddy"


class ChangeAccess(Step):
    """All that decides who gets in: sshd, sudo, keys, firewall. Taken back by itself unless a connection that was made
    after the change confirms it."""

    files: Mapping[str, str]
    modes: Mapping[str, int]
    """Where it is not 0644."""

    title = "change who can log in; a new connection must confirm the change"


class KeepOthersOut(Step):
    """Whoever is neither root, nor the operators' user, nor one of the admins loses what makes others root or lets them
    in: sudo, the group docker, root's number, keys of their own."""

    admins: tuple[str, ...]

    title = "remove root rights and keys from users that the inventory does not name"


class EndLogins(Step):
    """Nobody is logged in as the operators' user by a key that is not among these. Undo brings no login back."""

    keys: tuple[str, ...]

    title = "end logins with keys that are no longer accepted"
    undone = False


class RecordSettings(Step):
    """The settings that the host has from now on."""

    text: str

    title = "record the settings"


class LookAgain(Step):
    """What the watch found before is not true any more: `status` right after a provision must not tell it."""

    title = "have the watch check the host again"
    undone = False


HostStep = (
    InstallPackages | AddUser | MakeFolders | PutFiles | SetKernel | EnableUnits | MakeStorage | RunCaddy
    | UseCaddyfile | ChangeAccess | KeepOthersOut | EndLogins | RecordSettings | LookAgain
)  # fmt: skip
