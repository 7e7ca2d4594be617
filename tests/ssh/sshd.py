"""A real sshd for one test, behind whose forced command the stand-in answers."""

from __future__ import annotations

import getpass
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from benchkit.ports import free_port
from benchkit.sshd import PROGRAM, Server, fingerprint, make_key

from launchpad.ssh.endpoint import Endpoint
from launchpad.ssh.identity import Identity

__all__ = ["Sshd", "fingerprint", "free_port", "make_key"]

STANDIN = Path(__file__).with_name("standin.py")


@dataclass
class Sshd(Server):
    """Every login of the right key runs `command`: the stand-in, whose state is the folder `state`."""

    command: str = ""

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def key(self) -> Path:
        return self.folder / "operator"

    @property
    def identity(self) -> Identity:
        return Identity(key_files=(self.key,), agent=False)

    def endpoint(self, *, port: int = 0, pinned: bool = True) -> Endpoint:
        return Endpoint(
            host="web-1",
            address="127.0.0.1",
            port=port or self.port,
            user=getpass.getuser(),
            fingerprints=frozenset({self.fingerprint}) if pinned else frozenset(),
            connect_seconds=5,
        )

    def start(self) -> None:
        """Skips the test on a machine without sshd, and says so; in CI that is a failure."""
        if not PROGRAM:
            message = "no sshd on this machine: apt-get install openssh-server"
            pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
        self.state.mkdir(parents=True, exist_ok=True)
        if not self.key.exists():
            make_key(self.key)
        self.let_in()
        super().start()

    def let_in(self) -> None:
        """Authorise the operator's key for the forced command as it is now, and nothing else."""
        (self.folder / "authorized_keys").unlink(missing_ok=True)
        self.authorize(self.key, self.command or f"{sys.executable} -IS {STANDIN} {self.state}")
