"""What one run of the command line knows: its global options, where it prints, the workspace it works in."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from launchpad.cli.output import Output
    from launchpad.errors import LaunchpadError
    from launchpad.fleet.sealing.keys import Keys
    from launchpad.settings import Settings
    from launchpad.workspace import Workspace


@dataclass
class Session:
    """One run. The options are set while the arguments are parsed; the rest is made when first asked for."""

    named: Path | None = None
    json: bool = False
    color: bool = True
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    _told: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, ctx: Any) -> Session:
        """The run that a command is part of."""
        root = ctx.find_root()
        if not isinstance(root.obj, cls):
            root.obj = cls()
        session: Session = root.obj
        return session

    @cached_property
    def output(self) -> Output:
        """Where results go."""
        from launchpad.cli.output import Output

        plain = not self.color or bool(self.environment.get("NO_COLOR")) or self.environment.get("TERM") == "dumb"
        return Output(json=self.json, color=not plain)

    @cached_property
    def settings(self) -> Settings:
        """This operator's own."""
        from launchpad.settings import Settings

        return Settings.of(self.environment, home=Path.home())

    @cached_property
    def keys(self) -> Keys:
        """Where this operator's keys are, or will be made."""
        from launchpad.fleet.sealing.keys import Keys

        own = self.settings
        return Keys(own.identity, own.ssh_key or own.config / "ssh_ed25519", own.signing_key)

    @cached_property
    def workspace(self) -> Workspace:
        """The workspace that was named or is nearest, with the way to its hosts; InventoryError when there is none."""
        from launchpad.fleet.keeping.workspace_files import STATE
        from launchpad.ssh.hosts import SshHosts
        from launchpad.workspace import Workspace, find_root

        root = find_root(self.named or self.settings.workspace, start=Path.cwd())
        if self.settings.debug:
            _tell_of_ssh()
        hosts = SshHosts(self.settings, state=root / STATE, tell=self.output.say)
        return Workspace.open(root, settings=self.settings, environment=self.environment, hosts=hosts, begun=True)

    def left_out(self, names: Sequence[str] | None = None) -> dict[str, LaunchpadError]:
        """Tenants that a command for the whole fleet left out, as its failures; none when some were named."""
        if names or "workspace" not in self.__dict__:
            self._told |= set(names or ())
            return {}
        self._told |= set(self.workspace.fleet.left_out)
        return {name: item.as_error() for name, item in self.workspace.fleet.left_out.items()}

    def warn_of_left_out(self) -> None:
        """Say which tenants' files are wrong, unless the command or the error that it ends with has said so."""
        if "workspace" in self.__dict__:
            left, error, mistakes = self.workspace.fleet.left_out, sys.exception(), dict[str, list[str]]()
            said = {mistake for name in self._told & left.keys() for mistake in left[name].mistakes}
            while error is not None:
                said |= set(getattr(error, "mistakes", ()))
                error = error.__cause__
            for name, item in left.items():
                if not said.issuperset(item.mistakes):
                    mistakes.setdefault(str(item.mistakes[0]), []).append(name)
            for mistake, names in mistakes.items():
                is_are = "is" if len(names) == 1 else "are"
                out = "" if names == ["the fleet"] else f"{' and '.join(names)} {is_are} left out: "
                self.output.warn(f"{out}{mistake}; launchpad check reports every mistake")

    @property
    def interactive(self) -> bool:
        """Whether there is a person to ask."""
        return sys.stdin.isatty() and sys.stderr.isatty() and not self.json


def _tell_of_ssh() -> None:
    """Send what paramiko says of itself to standard error; no payload is in it."""
    import logging

    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s: %(message)s"))
    paramiko = logging.getLogger("paramiko")
    paramiko.setLevel(logging.DEBUG)
    paramiko.addHandler(handler)
