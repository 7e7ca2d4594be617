"""A host of the lab, as a test sees it: from outside over SSH, and from above as the judge."""

import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from labkit import disks, network
from labkit.errors import LabError
from labkit.guest import Guest
from labkit.paths import Paths
from labkit.processes import spawn_module
from labkit.shell import Result, attempt, run

_FILL_NAME = ".lab-fill"
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Host:
    """One lab host. What `exec` and `read` tell comes straight from the kernel, not through the host's sshd."""

    def __init__(self, paths: Paths, name: str) -> None:
        self._guest = Guest(paths, name)
        self._paths = paths
        # This machine may have been started again since: a host that is off still has a disk to look at.
        disks.attach(self._guest.folder)

    def __repr__(self) -> str:
        return f"Host({self.name!r})"

    @property
    def name(self) -> str:
        """The host's name in the lab, also its host name."""
        return self._guest.name

    @property
    def address(self) -> str:
        """Its IPv4 address."""
        return self._guest.address

    @property
    def domain(self) -> str:
        """Its DNS name; every name below it has the same address."""
        return f"{self.name}.{network.DOMAIN}"

    @property
    def root(self) -> Path:
        """Its root file system on this machine's disk; mounts made inside do not show here."""
        return self._guest.root

    @property
    def key_path(self) -> Path:
        """The private SSH key that opens root on a bare host."""
        return self._paths.ssh_key

    @property
    def host_key(self) -> str:
        """Its public ed25519 host key, as it stands in a known_hosts file: `ssh-ed25519 AAAA…`."""
        return " ".join((self.root / "etc/ssh/ssh_host_ed25519_key.pub").read_text().split()[:2])

    @property
    def fingerprint(self) -> str:
        """The fingerprint of its ed25519 host key, as a provider's panel shows it: `SHA256:…`."""
        return run(["ssh-keygen", "-lf", str(self.root / "etc/ssh/ssh_host_ed25519_key.pub")]).split()[1]

    @property
    def known_hosts(self) -> Path:
        """A known_hosts file with this host's keys, under its address and its name."""
        file = self._guest.folder / "known_hosts"
        keys = [path.read_text().split() for path in sorted((self.root / "etc/ssh").glob("ssh_host_*_key.pub"))]
        file.write_text("".join(f"{self.address},{self.domain} {key[0]} {key[1]}\n" for key in keys))
        return file

    def running(self) -> bool:
        """True while the guest's process 1 lives."""
        return self._guest.process("leader") is not None

    # Power

    def start(self, *, timeout: float = 60) -> None:
        """Boot it, and wait until SSH answers; nothing happens when it runs."""
        with self._paths.lock(f"machine-{self.name}"):
            if not self._guest.process("supervisor") and not self.running():
                log = self._guest.folder / "supervisor.log"
                self._guest.record("supervisor", spawn_module("labkit.supervisor", self.name, log=log))
        self.wait_ssh(timeout)

    def power_off(self, *, timeout: float = 90) -> None:
        """Shut the host down with `systemctl poweroff`, and wait until it is off."""
        leader = self._guest.process("leader")
        if not leader:
            self._guest.kill()
            return
        supervisor = self._guest.process("supervisor")
        leader.send(signal.SIGRTMIN + 4)
        if not leader.wait_gone(timeout):
            raise LabError(f"{self.name} did not power off within {timeout:g} s", hint=f"scripts/lab down {self.name}")
        if supervisor and not supervisor.wait_gone(10):
            self._guest.kill()

    def power_off_hard(self) -> None:
        """Power the host off at once: every process dies without a signal."""
        self._guest.kill()

    def reboot(self, *, timeout: float = 120) -> None:
        """Reboot the host normally, and wait until the new boot answers SSH."""
        leader = self._guest.process("leader")
        if not leader:
            raise LabError(f"{self.name} is not running", hint=f"scripts/lab up {self.name}")
        leader.send(signal.SIGRTMIN + 5)
        if not leader.wait_gone(timeout):
            raise LabError(f"{self.name} did not go down for its reboot within {timeout:g} s")
        self.wait_ssh(timeout)

    def wait_ssh(self, timeout: float = 60) -> None:
        """Wait until its sshd greets and lets everybody in; LabError after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            # While it boots, pam_nologin turns away whoever is not root.
            if self.running() and _banner(self.address).startswith(b"SSH-") and not self.exists("/run/nologin"):
                return
            if not self._guest.process("supervisor") and not self.running():
                raise LabError(f"{self.name} ended while it booted: {self.console(3)}")
            time.sleep(0.03)
        raise LabError(f"{self.name} does not answer SSH within {timeout:g} s: {self.console(3)}")

    def settle(self, timeout: float = 60) -> str:
        """Wait until systemd has started all that it starts at boot; returns `running` or `degraded`."""
        return self.exec(["systemctl", "is-system-running", "--wait"], timeout=timeout, check=False).stdout.strip()

    def console(self, lines: int = 20) -> str:
        """The last lines that it wrote to its console."""
        log = self._guest.folder / "console.log"
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else ""

    # Judging from above

    def exec(
        self, argv: Sequence[str], *, stdin: str | bytes = b"", timeout: float = 120, check: bool = True
    ) -> Result:
        """Run `argv` inside as root, by entering its namespaces; a failure is a LabError unless `check` is off."""
        result = attempt([*self._enter(), *argv], stdin=stdin, timeout=timeout)
        if check and result.status != 0:
            words = (result.stderr.strip() or result.stdout.strip()).splitlines()[-4:]
            raise LabError(f"{self.name}: {shlex.join(argv)[:120]} failed with {result.status}: {' | '.join(words)}")
        return result

    def popen(self, argv: Sequence[str]) -> "subprocess.Popen[bytes]":
        """Start `argv` inside as root and return at once, with pipes on its output."""
        return subprocess.Popen(
            [*self._enter(), *argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def _enter(self) -> list[str]:
        leader = self._guest.process("leader")
        if not leader:
            raise LabError(f"{self.name} is not running", hint=f"scripts/lab up {self.name}")
        namespaces = ["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd"]
        return ["nsenter", f"--target={leader.pid}", *namespaces, "/usr/bin/env", "-i", _PATH, "LC_ALL=C.UTF-8"]

    def read(self, path: str) -> str:
        """The text of a file inside, wherever it is mounted; LabError when there is none."""
        return self.exec(["cat", "--", path]).stdout

    def write(self, path: str, text: str | bytes) -> None:
        """Put a file inside, its folders too."""
        self.exec(["sh", "-c", 'mkdir -p "$(dirname "$1")" && cat > "$1"', "sh", path], stdin=text)

    def exists(self, path: str) -> bool:
        """True when something has this path inside."""
        return self.exec(["test", "-e", path], check=False).status == 0

    # Disasters

    def cut(self) -> None:
        """Cut the host's cable: packets vanish in both directions, open connections hang, and nothing is rejected."""
        network.cut(self.address)

    def heal(self) -> None:
        """Repair the cable; hanging connections continue."""
        network.heal(self.address)

    def fill_disk(self, path: str) -> None:
        """Fill the file system that `path` is on, to the last byte; refused where it is this machine's own."""
        device = self.exec(["findmnt", "--noheadings", "--output=SOURCE", "--target", path]).stdout
        if not device.startswith("/dev/loop"):
            raise LabError(f"{path} on {self.name} shares this machine's own disk, which the lab does not fill")
        script = 'fallocate -l "$(df --output=avail -B1 "$1" | tail -1)" "$2" 2>/dev/null; cat /dev/zero >> "$2"; sync'
        self.exec(["sh", "-c", script, "sh", path, f"{path}/{_FILL_NAME}"], check=False, timeout=600)

    def free_disk(self, path: str) -> None:
        """Take away what `fill_disk` put there; the room is free then, which Btrfs else makes at its next commit."""
        self.exec(["rm", "-f", f"{path}/{_FILL_NAME}"])
        self.exec(["sync", "-f", path])

    # SSH

    def ssh_command(self, *argv: str, user: str = "root") -> list[str]:
        """The OpenSSH words that run `argv` on it; the host key is checked."""
        options = ["-o", f"UserKnownHostsFile={self.known_hosts}", "-o", "StrictHostKeyChecking=yes"]
        options += ["-o", "IdentitiesOnly=yes", "-o", "LogLevel=ERROR"]
        remote = [shlex.join(argv)] if argv else []
        return ["ssh", "-F", "none", "-i", str(self.key_path), *options, f"{user}@{self.address}", *remote]

    def ssh(self, *argv: str, stdin: str | bytes = b"", timeout: float = 120) -> Result:
        """Run `argv` on it over SSH as root, and return what came of it."""
        return attempt(self.ssh_command(*argv), stdin=stdin, timeout=timeout)


def _banner(address: str) -> bytes:
    try:
        with socket.create_connection((address, 22), timeout=0.5) as connection:
            return connection.recv(255)
    except OSError:
        return b""
