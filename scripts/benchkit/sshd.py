"""A real sshd on a loopback port of its own, with a host key of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from benchkit.ports import free_port

PROGRAM = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") or ""


def make_key(path: Path, kind: str = "ed25519") -> Path:
    """A new key pair without a passphrase."""
    size = ["-b", "2048"] if kind == "rsa" else []  # more takes seconds to find
    subprocess.run(["ssh-keygen", "-q", "-t", kind, *size, "-N", "", "-C", path.name, "-f", path], check=True)
    return path


def fingerprint(public: Path) -> str:
    """As OpenSSH itself prints it."""
    printed = subprocess.run(["ssh-keygen", "-l", "-f", public], check=True, capture_output=True, text=True).stdout
    return printed.split()[1]


@dataclass
class Server:
    """One sshd; its folder holds its configuration, host keys, authorized_keys and log."""

    folder: Path
    host_keys: tuple[str, ...] = ("ed25519",)
    options: tuple[str, ...] = ()
    """Lines of sshd_config that come last."""
    port: int = 0
    """A free one is taken at the start when it is 0."""
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.folder / f"host_{self.host_keys[0]}.pub")

    @property
    def log(self) -> Path:
        return self.folder / "sshd.log"

    def authorize(self, key: Path, command: str = "") -> None:
        """Let this key in, beside those that are let in already; for the forced command alone when there is one."""
        public = key.with_name(f"{key.name}.pub").read_text().strip()
        line = f'restrict,command="{command}" {public}\n' if command else f"{public}\n"
        path = self.folder / "authorized_keys"
        path.write_text((path.read_text() if path.exists() else "") + line)
        path.chmod(0o644)

    def start(self) -> None:
        """Listen; returns when connections are answered."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for kind in self.host_keys:
            if not (self.folder / f"host_{kind}").exists():
                make_key(self.folder / f"host_{kind}", kind)
        self.port = self.port or free_port()
        config = self.folder / "sshd_config"
        config.write_text("\n".join(self._config()) + "\n")
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen([PROGRAM, "-D", "-e", "-f", config], stderr=log)
        wait_for_port(self.port)

    def stop(self) -> None:
        """Listen no more; connections that are open go on."""
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


def wait_for_port(port: int, seconds: float = 10) -> None:
    """Return when something accepts connections on the port; ConnectionError when nothing does in time."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
