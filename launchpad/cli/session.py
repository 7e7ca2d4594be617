"""The state of one run of the command line: its global options, its output and its workspace."""

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
    """One run of the command line. Options are set while the arguments are parsed; the rest is made at first use."""

    named: Path | None = None
    json: bool = False
    color: bool = True
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    _told: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, ctx: Any) -> Session:
        """The session of a Typer context."""
        root = ctx.find_root()
        if not isinstance(root.obj, cls):
            root.obj = cls()
        session: Session = root.obj
        return session

    @property
    def colored(self) -> bool:
        """Whether a terminal gets colours."""
        return self.color and not self.environment.get("NO_COLOR") and self.environment.get("TERM") != "dumb"

    @cached_property
    def output(self) -> Output:
        """The run's output."""
        from launchpad.cli.output import Output

        return Output(json=self.json, color=self.colored)

    @cached_property
    def settings(self) -> Settings:
        """The operator's settings, from the environment."""
        from launchpad.settings import Settings

        return Settings.of(self.environment, home=Path.home())

    @cached_property
    def keys(self) -> Keys:
        """The files of this operator's keys, whether they exist or not."""
        from launchpad.fleet.sealing.keys import Keys

        own = self.settings
        return Keys(own.identity, own.ssh_key or own.config / "ssh_ed25519", own.signing_key)

    @cached_property
    def workspace(self) -> Workspace:
        """The workspace (named, or the nearest one), connected to its hosts by SSH; InventoryError when there is
        none."""
        from launchpad.fleet.keeping.workspace_files import STATE
        from launchpad.ssh.hosts import SshHosts
        from launchpad.workspace import Workspace, find_root

        root = find_root(self.named or self.settings.workspace, start=Path.cwd())
        if self.settings.debug:
            _tell_of_ssh()
        hosts = SshHosts(self.settings, state=root / STATE, tell=self.output.say)
        return Workspace.open(root, settings=self.settings, environment=self.environment, hosts=hosts, begun=True)

    def left_out(self, names: Sequence[str] | None = None) -> dict[str, LaunchpadError]:
        """The tenants that a command for the whole fleet skipped, as failures; none when the command named tenants."""
        if names or "workspace" not in self.__dict__:
            self._told |= set(names or ())
            return {}
        self._told |= set(self.workspace.fleet.left_out)
        return {name: item.as_error() for name, item in self.workspace.fleet.left_out.items()}

    def warn_of_left_out(self) -> None:
        """Warn of tenants whose files have mistakes, unless the command or its error has reported them."""
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
                out = "" if names == ["the fleet"] else f"{' and '.join(names)} {is_are} skipped: "
                self.output.warn(f"{out}{mistake}; to see every mistake: launchpad check")

    @property
    def interactive(self) -> bool:
        """Whether a person is at the terminal and can be asked."""
        return sys.stdin.isatty() and sys.stderr.isatty() and not self.json


def _tell_of_ssh() -> None:
    """Send paramiko's log to standard error; the log has no payload."""
    import logging

    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s: %(message)s"))
    paramiko = logging.getLogger("paramiko")
    paramiko.setLevel(logging.DEBUG)
    paramiko.addHandler(handler)
