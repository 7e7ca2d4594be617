"""A whole bare machine in memory, behind the seam of provisioning; killed and rebooted at every call like MemoryHost.

It models what locks people out: sshd and the firewall run what they read when they were last told to, keys and sudo are
read from disk at each login. `gets_in` is the judge from outside.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from launchpad.runner import paths
from launchpad.runner.host import Failed, Progress
from launchpad.runner.provision import reverts
from launchpad.runner.provision.fleet_caddyfile import NOBODY
from launchpad.runner.provision.wanted_steps import FIREWALL, KEYS
from launchpad.runner.system import (
    Check,
    Doing,
    MachineFacts,
    Mounted,
    Other,
    Owned,
    Storage,
    Unit,
    User,
    storage_source,
)
from tests.memory.effects import Killed
from tests.memory.host import File, MemoryHost, effect

RUNNER = "/usr/local/lib/launchpad/runner-0123456789abcdef"
FIREWALL_UNIT = "launchpad-firewall.service"
BARE_FILES = {"/etc/ssh/sshd_config": "Include /etc/ssh/sshd_config.d/*.conf\n", "/etc/subuid": "", "/etc/subgid": ""}
ADAPTED = {
    "admin": {"listen": f"unix/{paths.CADDY_SOCKET}", "config": {"persist": False}},
    "storage": {"module": "file_system", "root": f"{paths.CADDY}/data"},
    "apps": {
        "http": {
            "servers": {
                "srv0": {
                    "listen": [":443"],
                    "routes": [
                        {
                            "match": [{"host": [NOBODY]}],
                            "handle": [
                                {
                                    "handler": "subroute",
                                    "routes": [{"handle": [{"handler": "static_response", "status_code": 404}]}],
                                }
                            ],
                            "terminal": True,
                        }
                    ],
                }
            }
        }
    },
}


@dataclass
class MemorySystem:
    host: BareHost = field(compare=False)
    packages: set[str] = field(default_factory=lambda: {"openssh-server", "sudo", "ca-certificates"})
    archive_down: bool = False
    waiting: tuple[str, ...] = ()
    """The packages with an update."""
    wants_reboot: bool = False
    """Whether these updates need a reboot."""
    torn: bool = False
    """Whether apt fails while it installs them."""
    stays_up: bool = False
    """Whether a reboot does not happen."""
    users: dict[str, User] = field(default_factory=dict)
    enabled: set[str] = field(default_factory=lambda: {"ssh.service"})
    active: set[str] = field(default_factory=lambda: {"ssh.service", "systemd-journald.service"})
    strangers: list[Other] = field(
        default_factory=lambda: [Other("debian", "sudo", "a sudo rule that is not Launchpad's lets debian become root")]
    )
    """Whom the provider gave root's rights, and whoever came to them since."""
    resolvers: tuple[str, ...] = ("192.0.2.53",)
    hung: set[str] = field(default_factory=set)
    """Units that are active and do nothing any more."""
    values: dict[str, str] = field(default_factory=dict)
    stored: Mounted = field(default_factory=Mounted)
    caddy: str | None = None
    sshd: str = ""
    """The drop-in that the running sshd has read; empty: Debian's own, where root may log in."""
    table: str | None = None
    """The firewall's text in the kernel."""
    timers: dict[str, float] = field(default_factory=dict)
    open_ports: frozenset[str] = frozenset({"22"})
    """What the provider's own firewall in front of the host lets through."""
    root_asks: bool = True
    connected: float | None = None
    logins: dict[int, str] = field(default_factory=dict)
    """Process → the key by which somebody is logged in as the operators' user."""
    signatures: set[tuple[str, bytes, str, str]] = field(default_factory=set)
    """Good ones beside those that ssh-keygen itself finds good: signature, data, signer, namespace."""

    def facts(self, kernel_keys: Sequence[str]) -> MachineFacts:
        return MachineFacts(resolvers=self.resolvers, kernel_keys=frozenset(kernel_keys))

    # --- packages and users

    def missing_packages(self, names: Sequence[str]) -> tuple[str, ...]:
        return tuple(name for name in names if name not in self.packages)

    @effect
    def install_packages(self, names: Sequence[str], progress: Progress) -> None:
        if self.archive_down:
            raise Failed("apt-get: the archive does not answer")
        missing = self.missing_packages(names)
        for name in missing[: len(missing) // 2] if self.host.halfway else missing:
            self.packages.add(name)
            if name in ("docker.io", "chrony", "fail2ban", "unattended-upgrades"):
                unit = f"{name.removesuffix('.io')}.service"
                self.enabled.add(unit)
                self.active.add(unit)

    def updates(self) -> tuple[str, ...]:
        if self.archive_down:
            raise Failed("apt-get: the archive does not answer")
        return self.waiting

    @effect
    def install_updates(self, progress: Progress) -> None:
        if self.torn:
            raise Failed("apt-get: the package docker.io cannot be configured")
        if self.host.halfway:
            self.waiting = self.waiting[: len(self.waiting) // 2]
            return
        self.waiting = ()
        if self.wants_reboot:
            self.host.files[paths.REBOOT] = File(b"*** System restart required ***\n")

    @effect
    def reboot(self) -> None:
        if not self.host.halfway and not self.stays_up:
            raise Killed("the machine goes down")

    def user(self, name: str) -> User | None:
        return self.users.get(name)

    @effect
    def add_user(self, user: User) -> None:
        uid = user.uid if user.uid is not None else 900 + len(self.users)
        self.users[user.name] = User(name=user.name, home=user.home, login_shell=user.login_shell, uid=uid)

    @effect
    def remove_user(self, name: str) -> None:
        self.users.pop(name, None)

    def owned(self, path: str) -> Owned | None:
        if path in self.host.files:
            file = self.host.files[path]
            return Owned(file.mode, file.uid)
        return Owned(*self.host.folders[path]) if path in self.host.folders else None

    # --- units

    def docker_answers(self) -> bool:
        return "docker.service" in self.active - self.hung

    def unit(self, name: str) -> Unit:
        return Unit(name in self.enabled, name in self.active)

    def units(self, names: Sequence[str]) -> dict[str, Unit]:
        return {name: self.unit(name) for name in names}

    @effect
    def enable(self, names: Sequence[str]) -> None:
        self.enabled |= set(names[: len(names) // 2] if self.host.halfway else names)

    @effect
    def disable(self, name: str) -> None:
        self.enabled.discard(name)
        self._stop(name)

    @effect
    def act(self, name: str, doing: Doing) -> None:
        if name.startswith("launchpad-revert@") and name.endswith(".timer"):
            nonce = name.removeprefix("launchpad-revert@").removesuffix(".timer")
            if doing == "stop":
                self.timers.pop(nonce, None)
            else:
                self.timers.setdefault(nonce, self.host.clock + reverts.SECONDS + 5)
        elif doing == "stop":
            self._stop(name)
        else:
            self._start(name)
            self.hung.discard(name)

    def _stop(self, name: str) -> None:
        self.active.discard(name)
        if name == FIREWALL_UNIT:
            self.table = None

    def _start(self, name: str) -> None:
        if name == "docker.service" and self.host.last_words:
            raise Failed("cannot start docker.service")
        if name == "launchpad-storage.service":
            self.stored = Mounted(self.stored.source, self.stored.size_mb, True)
        if name == FIREWALL_UNIT:
            self.table = self.host.text(FIREWALL)
            if self.table is None:
                raise Failed("launchpad-firewall.service: no firewall.nft")
        if name == "ssh.service":
            self.sshd = self.host.text(paths.SSHD) or ""
        self.active.add(name)

    @effect
    def reload_units(self) -> None: ...

    def firewall(self, text: str) -> bool:
        return self.table == text

    # --- kernel, storage, Caddy

    def kernel(self, key: str) -> str | None:
        return self.values.get(key, "?")

    @effect
    def set_kernel(self, values: Mapping[str, str]) -> None:
        pairs = list(values.items())
        self.values |= dict(pairs[: len(pairs) // 2] if self.host.halfway else pairs)

    def storage(self) -> Mounted:
        return self.stored

    @effect
    def make_storage(self, storage: Storage, progress: Progress) -> None:
        size = max(self.stored.size_mb, storage.loop_mb or 10_000)
        self.stored = Mounted(storage_source(storage.device), size, not self.host.halfway)

    def container_image(self, name: str) -> str | None:
        return self.caddy

    # --- checks

    def check(self, kind: Check, text: str) -> None:
        if "broken" in text:
            raise Failed(f"{kind} does not accept its configuration")

    def sshd_strays(self, ours: str) -> tuple[str, ...]:
        first = (self.host.text("/etc/ssh/sshd_config") or "").partition("\nInclude ")[0]
        lines = [line for line in first.splitlines() if line and not line.startswith(("#", "Include "))]
        return tuple(f"sshd has `{line}`" for line in lines)

    def others(self, allowed: Sequence[str], *, sudoers: str) -> tuple[Other, ...]:
        return tuple(item for item in self.strangers if item.name not in allowed)

    @effect
    def keep_out(self, other: Other, *, sudoers: str) -> None:
        self.strangers.remove(other)

    def verified(self, data: bytes, *, signature: str, signers: str, signer: str, namespace: str) -> bool:
        if (signature, data, signer, namespace) in self.signatures:
            return signer in signers
        from launchpad.runner.machine.debian import LinuxSystem

        real = LinuxSystem()
        return real.verified(data, signature=signature, signers=signers, signer=signer, namespace=namespace)

    # --- who asks

    def uptime(self) -> float:
        return self.host.clock

    def connected_at(self) -> float | None:
        return self.connected

    def asked_by_root(self) -> bool:
        return self.root_asks

    def strange_logins(self, keys: Sequence[str]) -> tuple[int, ...]:
        return tuple(process for process, key in self.logins.items() if key not in keys)

    @effect
    def end_logins(self, keys: Sequence[str]) -> None:
        for process in self.strange_logins(keys)[: 1 if self.host.halfway else None]:
            del self.logins[process]

    def runner(self) -> str:
        return RUNNER


@dataclass
class BareHost(MemoryHost):
    """A Debian 13 as a provider hands it over."""

    files: dict[str, File] = field(
        default_factory=lambda: {path: File(text.encode()) for path, text in BARE_FILES.items()}
    )
    system: MemorySystem = field(init=False)
    operator_listens: bool = True
    """Whether somebody follows the operation and answers when a confirmation is asked for."""

    def __post_init__(self) -> None:
        self.system = MemorySystem(self)

    def read(self, path: str) -> bytes | None:
        if (
            path == paths.ACCOUNT
            and path not in self.files
            and "launchpad-watch.service" in self.system.active - self.system.hung
        ):
            nothing = {
                "at": self.now(),
                "elapsed": self.elapsed(),
                "checks": {},
                "findings": [],
                "facts": {},
                "health": [],
            }
            return json.dumps(nothing | {"boot_id": self.boot_id(), "runner": self.system.runner()}).encode()
        return super().read(path)

    def text(self, path: str) -> str | None:
        data = self.read(path)
        return None if data is None else data.decode()

    # --- the judge from outside

    def gets_in(self, operator: str) -> bool:
        """Whether a new connection of this operator reaches the runner."""
        keys = self.text(KEYS) or ""
        sudo = "launchpad-runner" in (self.text(paths.SUDOERS) or "")
        return self._reached() and "launchpad" in self.system.users and f"operator={operator}" in keys and sudo

    def root_gets_in(self) -> bool:
        return self._reached() and "PermitRootLogin no" not in self.system.sshd

    def _reached(self) -> bool:
        """Whether a connection to the port that sshd listens on gets through."""
        found = re.search(r"(?m)^Port (\d+)$", self.system.sshd)
        port = found[1] if found else "22"
        table = self.system.table
        passes = table is None or f"tcp dport {port} ct state new" in table
        return passes and port in self.system.open_ports and "ssh.service" in self.system.active

    # --- time

    def wait(self, seconds: float) -> None:
        super().wait(seconds)
        self.pass_time()

    def pass_time(self, seconds: float = 0) -> None:
        """Let the timers fire that are due, and an operator that follows confirm."""
        self.clock += seconds
        for nonce, due in list(self.system.timers.items()):
            if due <= self.clock:
                del self.system.timers[nonce]
                reverts.revert(self, nonce)
        for nonce in self.names(paths.REVERTS) if self.operator_listens else ():
            if reverts.state_of(self, nonce) == "waiting" and self.gets_in("alice"):
                self.system.connected = self.system.uptime()
                reverts.confirm(self, nonce)

    def reboot(self) -> None:
        """Off and on again: units that are enabled start in their order, reverts before all others."""
        super().reboot()
        system = self.system
        system.timers.clear()
        system.table, system.values = None, {}
        system.active = {"systemd-journald.service"}
        if "launchpad-revert-boot.service" in system.enabled:
            reverts.revert(self, "boot")
        for name in sorted(system.enabled):
            if name != FIREWALL_UNIT or self.text(FIREWALL) is not None:
                system._start(name)

    # --- Docker, and Caddy beside the tenants' containers

    def start_docker(self, *, anew: bool = False) -> None:
        super().start_docker(anew=anew)
        if not self.docker_down:
            self.system.active.add("docker.service")

    def up(self, folder: str, project: str, environment: Mapping[str, str]) -> None:
        if project != "launchpad-caddy":
            super().up(folder, project, environment)
            return
        self._caddy_effect("up", lambda: re.search(r"image: (\S+)", self.text(f"{folder}/compose.yaml") or ""))

    def down(self, project: str, seconds: int) -> None:
        if project != "launchpad-caddy":
            super().down(project, seconds)
            return
        self._caddy_effect("down", lambda: None)

    @effect
    def _caddy_effect(self, name: str, found: Callable[[], re.Match[str] | None]) -> None:
        if "docker.service" not in self.system.active:
            if name == "down":
                return
            raise Failed("Docker does not answer")
        image = found()
        if image is not None and image[1] not in self.stored:
            raise Failed(f"{image[1]}: No such image")
        self.system.caddy = image[1] if image else None

    def adapt(self, caddyfile: str) -> dict[str, Any]:
        if self.system.caddy is None:
            raise Failed("Caddy does not answer")
        return ADAPTED if NOBODY in caddyfile else {}
