"""A real sshd on a loopback port of its own, with keys of its own, for one test."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from launchpad.ssh.endpoint import Endpoint
from launchpad.ssh.identity import Identity

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") or ""
STANDIN = Path(__file__).with_name("standin.py")


def needs_sshd() -> str:
    """The path of sshd. A machine without one runs none of these tests, and says so; in CI that is a failure."""
    if not SSHD:
        message = "no sshd on this machine: apt-get install openssh-server"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return SSHD


def make_key(path: Path, kind: str = "ed25519") -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", path.name, "-f", path], check=True)
    return path


def fingerprint(public: Path) -> str:
    """As OpenSSH itself prints it."""
    printed = subprocess.run(["ssh-keygen", "-l", "-f", public], check=True, capture_output=True, text=True).stdout
    return printed.split()[1]


@dataclass
class Sshd:
    """One server; every login of the right key runs the stand-in, whose state is the folder `state`."""

    folder: Path
    command: str = ""
    host_keys: tuple[str, ...] = ("ed25519",)
    options: tuple[str, ...] = ()
    port: int = 0
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def key(self) -> Path:
        return self.folder / "operator"

    @property
    def identity(self) -> Identity:
        return Identity(key_files=(self.key,), agent=False)

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.folder / f"host_{self.host_keys[0]}.pub")

    def endpoint(self, *, port: int = 0, pinned: bool = True) -> Endpoint:
        return Endpoint(
            host="web-1",
            address="127.0.0.1",
            port=port or self.port,
            user=getpass.getuser(),
            fingerprints=frozenset({self.fingerprint}) if pinned else frozenset(),
            connect_seconds=5,
        )

    def start(self) -> Sshd:
        self.state.mkdir(parents=True, exist_ok=True)
        if not self.key.exists():
            make_key(self.key)
        for kind in self.host_keys:
            if not (self.folder / f"host_{kind}").exists():
                make_key(self.folder / f"host_{kind}", kind)
        self.port = self.port or free_port()
        self.let_in(self.key)
        config = self.folder / "sshd_config"
        config.write_text("\n".join(self._config()) + "\n")
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        with (self.folder / "sshd.log").open("ab") as log:
            self._process = subprocess.Popen([needs_sshd(), "-D", "-e", "-f", config], stderr=log)
        wait_for_port(self.port)
        return self

    def let_in(self, key: Path) -> None:
        """Authorise this key alone, for the forced command alone."""
        command = self.command or f"{sys.executable} -I {STANDIN} {self.state}"
        public = key.with_name(f"{key.name}.pub").read_text()
        authorized = self.folder / "authorized_keys"
        authorized.write_text(f'restrict,command="{command}" {public}')
        authorized.chmod(0o600)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=10)
            self._process = None

    def _config(self) -> list[str]:
        return [
            f"Port {self.port}",
            "ListenAddress 127.0.0.1",
            *(f"HostKey {self.folder}/host_{kind}" for kind in self.host_keys),
            f"AuthorizedKeysFile {self.folder}/authorized_keys",
            "StrictModes no",
            "UsePAM no",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "PermitRootLogin prohibit-password",
            "LogLevel VERBOSE",
            "PidFile none",
            *self.options,
        ]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for_port(port: int, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
