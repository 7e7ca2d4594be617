"""The real system behind provisioning: Debian's own programs, asked in words, never through a shell."""

from __future__ import annotations

import os
import socket
import stat
import struct
import tempfile
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from launchpad.runner.host import Failed, Progress
from launchpad.runner.machine.command import run, succeed
from launchpad.runner.machine.storage import make_storage, storage
from launchpad.runner.provision.settings import Storage
from launchpad.runner.provision.system import Check, Doing, Facts, Owned, Stored, Unit, User
from launchpad.runner.provision.wanted import OPERATORS

_APT = ("apt-get", "--quiet", "--yes", "--option=DPkg::Lock::Timeout=300")
_APT_INSTALL = ("--no-install-recommends", "--option=Dpkg::Options::=--force-confdef")
_QUIET = {"DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_MODE": "a", "UCF_FORCE_CONFFOLD": "1"}
_APT_SECONDS = 1200
_NETLINK_AUDIT = 9
_AUDIT_GET = 1000
_JIFFIES = os.sysconf("SC_CLK_TCK")


class LinuxSystem:
    """Implements `System` on Debian 13."""

    def facts(self, kernel_keys: Sequence[str]) -> Facts:
        keys = frozenset(key for key in kernel_keys if os.access(_kernel_file(key), os.W_OK))
        return Facts(resolvers=_resolvers(), audit=_has_audit(), apparmor=_has_apparmor(), kernel_keys=keys)

    # Packages and users

    def missing_packages(self, names: Sequence[str]) -> tuple[str, ...]:
        said = run(["dpkg-query", "--show", "--showformat=${db:Status-Abbrev}${Package}\n", *names])
        lines = said.out.decode(errors="replace").splitlines()
        here = {line[3:].strip() for line in lines if line.startswith("ii ")}
        return tuple(name for name in names if name not in here)

    def install_packages(self, names: Sequence[str], progress: Progress) -> None:
        progress("read the package lists")
        _apt("update")
        # An apt that was killed leaves packages half configured; this costs nothing when none is.
        if run(["dpkg", "--force-confdef", "--configure", "--pending"], environment=_QUIET, seconds=_APT_SECONDS).code:
            progress("repair an installation that was cut off")
            if damaged := _damaged_packages():
                _apt("install", "--reinstall", *_APT_INSTALL, *damaged)
            _apt("install", "--fix-broken", *_APT_INSTALL)
        progress(f"install {len(self.missing_packages(names))} packages and what they need")
        _apt("install", *_APT_INSTALL, *names)

    def user(self, name: str) -> User | None:
        import pwd

        try:
            found = pwd.getpwnam(name)
        except KeyError:
            return None
        return User(name=name, home=found.pw_dir, login_shell=found.pw_shell, uid=found.pw_uid)

    def add_user(self, user: User) -> None:
        shape = [f"--home-dir={user.home}", f"--shell={user.login_shell}"]
        found = self.user(user.name)
        if found is None:
            number = [] if user.uid is None else [f"--uid={user.uid}"]
            # The shadow file's * lets no password in, and unlike ! it does not count as a locked account.
            words = ["useradd", "--system", "--user-group", "--no-create-home", "--password=*", *number, *shape]
            succeed([*words, user.name])
            return
        if user.uid is not None and found.uid != user.uid:
            raise Failed(f"the user {user.name} has uid {found.uid}, not {user.uid}")
        succeed(["usermod", f"--home={user.home}", f"--shell={user.login_shell}", user.name])

    def remove_user(self, name: str) -> None:
        if self.user(name) is not None:
            succeed(["userdel", "--force", name])

    def owned(self, path: str) -> Owned | None:
        try:
            found = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return Owned(stat.S_IMODE(found.st_mode), found.st_uid)

    # Units

    def unit(self, name: str) -> Unit:
        enabled = run(["systemctl", "is-enabled", "--quiet", "--", name]).code == 0
        return Unit(enabled, run(["systemctl", "is-active", "--quiet", "--", name]).code == 0)

    def enable(self, names: Sequence[str]) -> None:
        succeed(["systemctl", "enable", "--quiet", "--", *names], seconds=120)

    def disable(self, name: str) -> None:
        run(["systemctl", "disable", "--quiet", "--now", "--", name])

    def act(self, name: str, doing: Doing) -> None:
        verb = "reload-or-restart" if doing == "reload" else doing
        if doing != "stop":
            run(["systemctl", "reset-failed", "--", name])
        said = run(["systemctl", verb, "--", name], seconds=120)
        if said.code and not (doing == "stop" and said.code == 5):  # 5: there is no such unit
            lines = run(["journalctl", "--quiet", "--no-pager", "--output=cat", "--lines=15", f"--unit={name}"]).out
            raise Failed(f"cannot {doing} {name}", lines=lines.decode(errors="replace").splitlines())

    def reload_units(self) -> None:
        succeed(["systemctl", "daemon-reload"])

    def firewall(self) -> bool:
        try:
            return run(["nft", "list", "chain", "inet", "launchpad", "input"]).code == 0
        except Failed:
            return False  # nftables is not installed yet

    # Kernel, storage, Caddy

    def kernel(self, key: str) -> str | None:
        try:
            return " ".join(Path(_kernel_file(key)).read_text().split())
        except OSError:
            return None

    def set_kernel(self, values: Mapping[str, str]) -> None:
        for key, value in values.items():
            try:
                Path(_kernel_file(key)).write_text(value)
            except OSError as error:
                # Some may only be tightened, and are tighter already.
                raise Failed(f"the kernel does not take {key} = {value}: {error.strerror}") from error

    def storage(self) -> Stored:
        return storage()

    def make_storage(self, storage: Storage, progress: Progress) -> None:
        make_storage(storage, progress)

    def container_image(self, name: str) -> str | None:
        try:
            said = run(["docker", "inspect", "--format={{.State.Running}} {{.Config.Image}}", name])
        except Failed:
            return None  # Docker is not installed yet
        running, _, image = said.out.decode().strip().partition(" ")
        return image if running == "true" else None

    # Checks

    def check(self, kind: Check, text: str) -> None:
        programs = {
            "sshd": ["/usr/sbin/sshd", "-t", "-f"],
            "sudoers": ["visudo", "--check", "--quiet", "--file"],
            "firewall": ["nft", "--check", "--file"],
            "docker": ["dockerd", "--validate", "--config-file"],
        }
        if kind == "sshd":
            Path("/run/sshd").mkdir(exist_ok=True)  # sshd insists on it, and only ssh.service makes it
            text += "\nInclude /etc/ssh/sshd_config\n"  # together, as they will be read
        with tempfile.NamedTemporaryFile("w", prefix=f"launchpad-{kind}-") as file:
            file.write(text)
            file.flush()
            said = run([*programs[kind], file.name])
        if said.code:
            lines = (said.err + said.out).decode(errors="replace").replace(file.name, kind).splitlines()
            raise Failed(f"{kind} does not accept its configuration", lines=lines[-20:])

    def sshd_says(self) -> Mapping[str, str]:
        out = succeed(["/usr/sbin/sshd", "-T", "-C", "user=root,host=localhost,addr=127.0.0.1"]).decode()
        return dict(line.partition(" ")[::2] for line in out.splitlines())

    def verified(self, data: bytes, *, signature: str, signers: str, signer: str, namespace: str) -> bool:
        with tempfile.TemporaryDirectory(prefix="launchpad-") as folder:
            Path(f"{folder}/signers").write_text(signers)
            Path(f"{folder}/signature").write_text(signature)
            words = ["ssh-keygen", "-Y", "verify", "-f", f"{folder}/signers", "-I", signer, "-n", namespace]
            return run([*words, "-s", f"{folder}/signature"], stdin=data).code == 0

    # Who asks

    def uptime(self) -> float:
        return float(Path("/proc/uptime").read_text().split()[0])

    def connected_at(self) -> float | None:
        process, found = os.getppid(), None
        while process > 1:
            words = Path(f"/proc/{process}/stat").read_text()
            name, fields = words[words.index("(") + 1 : words.rindex(")")], words[words.rindex(")") + 2 :].split()
            if name.startswith("sshd-session") or (name == "sshd" and found is None):
                found = int(fields[19]) / _JIFFIES
            process = int(fields[1])
        return found

    def asked_by_root(self) -> bool:
        return os.getuid() == 0 and os.environ.get("SUDO_USER") != OPERATORS

    def runner(self) -> str:
        return self._runner

    @cached_property
    def _runner(self) -> str:
        import launchpad

        return str(Path(str(launchpad.__file__)).parent.parent)


def _apt(*words: str) -> None:
    succeed([*_APT, *words], environment=_QUIET, seconds=_APT_SECONDS)


def _damaged_packages() -> list[str]:
    """Those whose files may not all be there: the power went while dpkg unpacked them."""
    out = run(["dpkg-query", "--show", "--showformat=${db:Status-Eflag} ${Package}\n"]).out.decode(errors="replace")
    return [name for flag, _, name in (line.partition(" ") for line in out.splitlines()) if flag == "reinstreq"]


def _kernel_file(key: str) -> str:
    return f"/proc/sys/{key.replace('.', '/')}"


def _resolvers() -> tuple[str, ...]:
    """What /etc/resolv.conf names; where that is systemd's own stub, what the stub asks."""
    found: list[str] = []
    for file in ("/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"):
        try:
            lines = [line.split() for line in Path(file).read_text().splitlines()]
        except OSError:
            continue
        found += [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver"]
    return tuple(dict.fromkeys(item for item in found if _is_outside(item)))


def _is_outside(address: str) -> bool:
    import ipaddress

    try:
        return not ipaddress.IPv4Address(address).is_loopback
    except ValueError:
        return False


def _has_audit() -> bool:
    """Ask the kernel for its audit status; a container's root is refused, and an answer's first type tells."""
    request = struct.pack("=IHHII", 16, _AUDIT_GET, 1, 1, 0)  # length, type, NLM_F_REQUEST, sequence, port
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_AUDIT) as audit:
            audit.settimeout(1)
            audit.send(request)
            return bool(struct.unpack_from("=H", audit.recv(8192), 4)[0] == _AUDIT_GET)
    except OSError:
        return False


def _has_apparmor() -> bool:
    try:
        return Path("/sys/module/apparmor/parameters/enabled").read_text().strip() == "Y"
    except OSError:
        return False
