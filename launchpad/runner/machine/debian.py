"""The real system for provisioning: Debian's own programs, run without a shell."""

from __future__ import annotations

import json
import os
import socket
import stat
import struct
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from launchpad.runner import paths
from launchpad.runner.host import Failed, Progress
from launchpad.runner.machine import logins
from launchpad.runner.machine.command import run, succeed
from launchpad.runner.machine.files import DiskFiles
from launchpad.runner.machine.remembered import DPKG, SSHD, SUDO, Remembered
from launchpad.runner.machine.storage import make_storage, storage
from launchpad.runner.system import OPERATORS, Check, Doing, MachineFacts, Mounted, Other, Owned, Storage, Unit, User

if TYPE_CHECKING:
    import pwd

SUDOERS = "/etc/sudoers"
REMOVED = ".removed-by-launchpad"
SSHD_KEYWORDS = frozenset(
    {
        "allowgroups", "allowusers", "authorizedkeysfile", "authorizedprincipalscommand", "authorizedprincipalsfile",
        "chrootdirectory", "denygroups", "denyusers", "forcecommand", "gssapiauthentication", "hostbasedauthentication",
        "kerberosauthentication", "listenaddress", "pubkeyauthentication", "setenv", "strictmodes", "usepam",
    }
)  # fmt: skip
_APT = ("apt-get", "--quiet", "--yes", "--option=DPkg::Lock::Timeout=300")
APT_INSTALL = ("--no-install-recommends", "--option=Dpkg::Options::=--force-confdef")
_QUIET = {"DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_MODE": "a", "UCF_FORCE_CONFFOLD": "1"}
_APT_SECONDS = 1200
_NETLINK_AUDIT = 9
_AUDIT_GET = 1000
_AT_BOOT = ("enabled", "static", "alias", "indirect", "generated")
_JIFFIES = os.sysconf("SC_CLK_TCK")


class LinuxSystem:
    """Implements `System` on Debian 13."""

    def __init__(self) -> None:
        self._remembered = Remembered()

    def facts(self, kernel_keys: Sequence[str]) -> MachineFacts:
        keys = frozenset(key for key in kernel_keys if os.access(_kernel_file(key), os.W_OK))
        return MachineFacts(resolvers=_resolvers(), audit=_has_audit(), apparmor=_has_apparmor(), kernel_keys=keys)

    # Packages and users

    def missing_packages(self, names: Sequence[str]) -> tuple[str, ...]:
        words = ["dpkg-query", "--show", "--showformat=${db:Status-Abbrev}${Package}\n", *names]
        said = self._remembered.ask(("packages", *names), DPKG, lambda: run(words, reads=True).out)
        here = {line[3:].strip() for line in said.decode(errors="replace").splitlines() if line.startswith("ii ")}
        return tuple(name for name in names if name not in here)

    def install_packages(self, names: Sequence[str], progress: Progress) -> None:
        progress("read the package lists")
        apt("update")
        repair_packages(progress)
        progress(f"install {len(self.missing_packages(names))} packages and their dependencies")
        apt("install", *APT_INSTALL, *names)

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
            # The shadow file's * accepts no password, and unlike ! it does not lock the account.
            words = ["useradd", "--system", "--user-group", "--no-create-home", "--password=*", *number, *shape]
            succeed([*words, user.name])
            return
        if user.uid is not None and found.uid != user.uid:
            raise Failed(f"the user {user.name} has uid {found.uid}, not {user.uid}", code="user-has-other-uid")
        succeed(["usermod", f"--home={user.home}", f"--shell={user.login_shell}", user.name])

    def remove_user(self, name: str) -> None:
        if self.user(name) is not None:
            succeed(["userdel", "--force", name])

    def others(self, allowed: Sequence[str], *, sudoers: str) -> tuple[Other, ...]:
        def rules() -> list[Any]:
            return list(_strange_rules(sudoers))

        return (*_roots(allowed), *_sudoers(allowed, self._remembered.ask(sudoers, SUDO, rules)), *_keys(allowed))

    def keep_out(self, other: Other, *, sudoers: str) -> None:
        match other.by:
            case "sudo":
                self.check("sudoers", sudoers)
                DiskFiles().write(SUDOERS, sudoers.encode(), mode=0o440)
            case "number":
                # userdel and usermod refuse a user whose uid has processes, and root's uid always has.
                shadow = Path("/etc/passwd").read_text().splitlines(keepends=True)
                kept = "".join(line for line in shadow if not line.startswith(f"{other.name}:"))
                DiskFiles().write("/etc/passwd", kept.encode())
            case "docker":
                succeed(["gpasswd", "--delete", other.name, "docker"])
            case "keys":
                for path in _key_files(other.name):
                    path.rename(f"{path}{REMOVED}")

    def owned(self, path: str) -> Owned | None:
        try:
            found = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return Owned(stat.S_IMODE(found.st_mode), found.st_uid)

    # Units

    def unit(self, name: str) -> Unit:
        return self.units([name])[name]

    def units(self, names: Sequence[str]) -> dict[str, Unit]:
        if not names:
            return {}
        words = ["systemctl", "show", "--property=ActiveState,UnitFileState", "--", *names]
        parts = run(words, reads=True).out.decode().split("\n\n")
        states = [dict(line.split("=", 1) for line in part.splitlines() if "=" in line) for part in parts]
        states += [{}] * len(names)
        return {name: _unit(state) for name, state in zip(names, states, strict=False)}

    def enable(self, names: Sequence[str]) -> None:
        run(["systemctl", "unmask", "--quiet", "--", *names])
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
            raise Failed(
                f"cannot {doing} {name}", code="unit-failed", lines=lines.decode(errors="replace").splitlines()
            )

    def docker_answers(self) -> bool:
        from launchpad.runner.machine.containers import DockerContainers

        try:
            DockerContainers().docker_version()
        except Failed:
            return False
        return True

    def reload_units(self) -> None:
        succeed(["systemctl", "daemon-reload"])

    def firewall(self, text: str) -> bool:
        from launchpad.runner.machine.nftables import FIREWALL, KernelFilter
        from launchpad.runner.watching.firewall_check import differences

        kernel = KernelFilter()
        try:
            return not differences(kernel.meant(text), kernel.held(FIREWALL))
        except Failed:
            return False  # nftables is not installed yet, or rejects the text
        finally:
            kernel.release()

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
                # Some values can only be tightened, and are tighter already.
                raise Failed(
                    f"the kernel rejects {key} = {value}: {error.strerror}", code="kernel-rejects-setting"
                ) from error

    def storage(self) -> Mounted:
        return storage()

    def make_storage(self, storage: Storage, progress: Progress) -> None:
        make_storage(storage, progress)

    def container_image(self, name: str) -> str | None:
        from launchpad.runner.machine.containers import inspected_alive

        if not self.docker_answers():
            return None  # not installed yet, or Docker hangs: a longer timeout would delay a plan by a minute
        try:
            found = inspected_alive(name)
        except Failed:
            return None
        return found["Config"]["Image"] if found and found["State"]["Status"] == "running" else None

    # Checks

    def check(self, kind: Check, text: str) -> None:
        programs = {
            "sshd": ["/usr/sbin/sshd", "-t", "-f"],
            "sudoers": ["visudo", "--check", "--quiet", "--file"],
            # In an empty network, because only the watch may change the host's table.
            "firewall": ["unshare", "--net", "nft", "--check", "--file"],
            "docker": ["dockerd", "--validate", "--config-file"],
        }
        if kind == "sshd":
            Path("/run/sshd").mkdir(exist_ok=True)  # sshd requires this folder, which only ssh.service creates
            text += "\nInclude /etc/ssh/sshd_config\n"  # both together, as sshd will read them
        with tempfile.NamedTemporaryFile("w", prefix=f"launchpad-{kind}-") as file:
            file.write(text)
            file.flush()
            said = run([*programs[kind], file.name])
        if said.code:
            lines = (said.err + said.out).decode(errors="replace").replace(file.name, kind).splitlines()
            raise Failed(f"{kind} does not accept its configuration", code="configuration-rejected", lines=lines[-20:])

    def sshd_strays(self, ours: str) -> tuple[str, ...]:
        Path("/run/sshd").mkdir(exist_ok=True)
        judged = _judged_keywords(Path(paths.SSHD).read_text()) if Path(paths.SSHD).exists() else frozenset()
        found: dict[tuple[str, tuple[str, ...]], str] = {}
        for user in dict.fromkeys(("root", OPERATORS, *(item.pw_name for item in _people()))):
            context = f"user={user},host=localhost,addr=127.0.0.1"
            ask = partial(self._remembered.ask, places=SSHD)
            try:
                is_now = ask(("now", user, judged), answered=partial(_sshd_lines, ["-C", context], judged))
            except Failed as failed:  # the running sshd continues, but the next one would not start
                return (f"sshd does not accept its configuration: {failed.message}",)
            words = ["-f", "/dev/stdin", "-C", context]
            meant = partial(_sshd_lines, words, judged, stdin=ours.encode())
            should_be = ask(("ours", user, judged, ours), answered=meant)
            for keyword in sorted(judged):
                now, wanted = is_now.get(keyword, ()), should_be.get(keyword, ())
                if now != wanted:
                    shown = f"`{keyword} {', '.join(now) or 'unset'}`"
                    line = f"sshd has {shown} for {user}, not `{', '.join(wanted) or 'unset'}`"
                    found.setdefault((keyword, now), line)
        return tuple(found.values())

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

    def strange_logins(self, keys: Sequence[str]) -> tuple[int, ...]:
        return logins.strange(keys)

    def end_logins(self, keys: Sequence[str]) -> None:
        logins.end(keys)

    def runner(self) -> str:
        return self._runner

    @cached_property
    def _runner(self) -> str:
        import launchpad

        return str(Path(str(launchpad.__file__)).parent.parent)


def _unit(state: Mapping[str, str]) -> Unit:
    return Unit(state.get("UnitFileState") in _AT_BOOT, state.get("ActiveState") in ("active", "reloading"))


# --- who can log in, and who is root ----------------------------------------------------------------------------------


def _people() -> list[pwd.struct_passwd]:
    """The users with a login shell."""
    import pwd

    return [user for user in pwd.getpwall() if user.pw_shell.rpartition("/")[2] not in ("nologin", "false", "sync", "")]


def _judged_keywords(ours: str) -> frozenset[str]:
    """The keywords in Launchpad's part of sshd's configuration, and other keywords that control who can log in."""
    words = (line.split(None, 1)[0].lower() for line in ours.splitlines() if line.strip() and line.strip()[0] != "#")
    return frozenset(words) - {"match"} | SSHD_KEYWORDS


def _sshd_lines(words: Sequence[str], judged: frozenset[str], *, stdin: bytes = b"") -> dict[str, tuple[str, ...]]:
    """sshd's effective configuration: keyword → values."""
    found: dict[str, tuple[str, ...]] = {}
    for line in (
        succeed(["/usr/sbin/sshd", "-T", *words], stdin=stdin, reads=True).decode(errors="replace").splitlines()
    ):
        keyword, _, value = line.partition(" ")
        if keyword in judged:
            found[keyword] = (*found.get(keyword, ()), value)
    return found


def _roots(allowed: Sequence[str]) -> Iterator[Other]:
    import grp
    import pwd

    for user in pwd.getpwall():
        if user.pw_uid == 0 and user.pw_name != "root":
            yield Other(user.pw_name, "number", f"the user {user.pw_name} has root's uid")
    with suppress(KeyError):  # Docker is not installed yet
        for name in grp.getgrnam("docker").gr_mem:
            if name not in allowed:
                yield Other(name, "docker", f"the user {name} is in the group docker, which gives root rights")


def _strange_rules(sudoers: str) -> Iterator[dict[str, Any]]:
    """sudo's rules that are not Launchpad's."""
    if not Path(paths.SUDOERS).exists():
        return  # before the first provision no rule is Launchpad's
    words = ["cvtsudoers", "--output-format=json"]
    ours = json.loads(succeed(words, stdin=sudoers.encode(), reads=True))["User_Specs"]
    yield from (rule for rule in json.loads(succeed([*words, SUDOERS], reads=True))["User_Specs"] if rule not in ours)


def _sudoers(allowed: Sequence[str], rules: Iterable[dict[str, Any]]) -> Iterator[Other]:
    """The users whom sudo lets become root by these rules."""
    import grp

    for rule in rules:
        for user in rule["User_List"]:
            kind, name = next(iter(user.items()))
            names: Sequence[str] = [str(name)]
            if kind == "usergroup":
                with suppress(KeyError):
                    names = grp.getgrnam(str(name)).gr_mem
            for who in names:
                if who not in allowed[2:]:
                    yield Other(who, "sudo", f"a sudo rule that is not Launchpad's lets {who} become root")


def _keys(allowed: Sequence[str]) -> Iterator[Other]:
    for user in _people():
        if user.pw_name not in allowed:
            for path in _key_files(user.pw_name):
                yield Other(user.pw_name, "keys", f"the user {user.pw_name} can log in with keys in {path}")


def _key_files(name: str) -> list[Path]:
    """The files with keys that sshd reads for the user."""
    import pwd

    home = pwd.getpwnam(name).pw_dir
    files = [Path(home, ".ssh", file) for file in ("authorized_keys", "authorized_keys2")]
    return [path for path in files if path.is_file() and path.read_text(errors="replace").strip()]


def apt(*words: str, seconds: float = _APT_SECONDS) -> None:
    succeed([*_APT, *words], environment=_QUIET, seconds=seconds)


def repair_packages(progress: Progress) -> None:
    """Complete what a killed apt left half configured; this costs nothing when there is nothing."""
    if run(["dpkg", "--force-confdef", "--configure", "--pending"], environment=_QUIET, seconds=_APT_SECONDS).code:
        progress("repair an interrupted installation")
        if damaged := _damaged_packages():
            apt("install", "--reinstall", *APT_INSTALL, *damaged)
        apt("install", "--fix-broken", *APT_INSTALL)


def _damaged_packages() -> list[str]:
    """Packages with missing files, after a power cut while dpkg unpacked them."""
    out = run(["dpkg-query", "--show", "--showformat=${db:Status-Eflag} ${Package}\n"]).out.decode(errors="replace")
    return [name for flag, _, name in (line.partition(" ") for line in out.splitlines()) if flag == "reinstreq"]


def _kernel_file(key: str) -> str:
    return f"/proc/sys/{key.replace('.', '/')}"


def _resolvers() -> tuple[str, ...]:
    """The name servers in /etc/resolv.conf; if that is systemd's stub, the stub's own name servers."""
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
    """Ask the kernel for its audit status, which refuses root of a container; the type of the answer decides."""
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
