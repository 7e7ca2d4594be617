"""All steps of a host in order; `plan.py` leaves out the steps whose result already exists.

The order matters. Docker's configuration is written before Docker is installed, so that Docker starts only once, with
its configuration. Access changes near the end, so that a failure before it leaves the old access.
"""

from __future__ import annotations

from collections.abc import Mapping

from launchpad.runner import paths, slots
from launchpad.runner.judge.intent import NAMESPACE
from launchpad.runner.provision import file_text
from launchpad.runner.provision.settings_record import HostSettings, stored_text
from launchpad.runner.provision.steps import (
    AddUser,
    ChangeAccess,
    DisableUnits,
    EnableUnits,
    EndLogins,
    HostStep,
    InstallPackages,
    KeepOthersOut,
    MakeFolders,
    MakeStorage,
    PutFiles,
    RecordSettings,
    RunCaddy,
    SetKernel,
    UseCaddyfile,
)
from launchpad.runner.shipping.log_collector import rules
from launchpad.runner.system import OPERATORS, MachineFacts, storage_source

OPERATORS_HOME = "/var/lib/launchpad-operators"
REMAP = "dockremap"
CADDY_UID = slots.REMAP_BASE - 1
OPERATORS_UID = slots.REMAP_BASE - 2
"""A uid just below the containers' range, which no tool picks."""
STORAGE_SOURCE = f"{paths.ETC}/storage"
OF_PERSONS = (NAMESPACE,)
OF_ADMINS = ("launchpad-runner", "launchpad-runner-downgrade", "launchpad-settings", NAMESPACE)
"""What a signature of theirs may be over: namespaces are rights."""

PACKAGES = (
    "age",
    "btrfs-progs",
    "ca-certificates",
    "chrony",
    "docker-cli",
    "docker-compose",
    "docker.io",
    "fail2ban",
    "iptables",
    "nftables",
    "openssh-server",
    "python3-systemd",
    "restic",
    "sudo",
    "unattended-upgrades",
)
SYSCTL = "/etc/sysctl.d/90-launchpad.conf"
UNITS = "/etc/systemd/system"
UNIT_FILES = (
    f"{UNITS}/launchpad-boot.service",
    f"{UNITS}/launchpad-collect.service",
    f"{UNITS}/launchpad-firewall.service",
    f"{UNITS}/launchpad-operation@.service",
    f"{UNITS}/launchpad-revert-boot.service",
    f"{UNITS}/launchpad-revert@.service",
    f"{UNITS}/launchpad-revert@.timer",
    f"{UNITS}/launchpad-ship.service",
    f"{UNITS}/launchpad-storage.service",
    f"{UNITS}/launchpad-watch.service",
    f"{UNITS}/user@{OPERATORS_UID}.service",
)
SCRIPTS = tuple(f"{paths.LIBRARY}/{name}" for name in ("firewall", "operation", "revert", "storage"))
CONTAINED = f"{paths.LIBRARY}/contained"
EXPORTER = "prometheus-node-exporter"
SHIPPER, COLLECTOR = "launchpad-ship.service", "launchpad-collect.service"
JOURNAL_WRITER = "systemd-journal-remote"
UPDATES = ("unattended-upgrades.service", "apt-daily.timer", "apt-daily-upgrade.timer")
KEYS = f"{paths.ETC}/authorized_keys"
FIREWALL = f"{paths.ETC}/firewall.nft"


def wanted_steps(
    settings: HostSettings, facts: MachineFacts, files: Mapping[str, str], *, serial: int
) -> list[HostStep]:
    """Every step of a host with these settings. `files` has the present /etc/subuid and /etc/subgid; `serial` is that
    of the host's settings, plus one when they change."""
    port = settings.ssh.port
    steps: list[HostStep] = [
        MakeFolders(folders=(paths.ETC, paths.LIBRARY), mode=0o755),
        MakeFolders(folders=(paths.STATE, paths.OPERATIONS, paths.REVERTS), mode=0o700),
        _plain("install the runner's scripts", *SCRIPTS, mode=0o755),
        _plain("install the systemd units", *UNIT_FILES, reload_units=True),
        EnableUnits(units=(), later=("launchpad-boot.service", "launchpad-revert-boot.service")),
        AddUser(name=REMAP, home="/nonexistent", login_shell="/usr/sbin/nologin"),
        PutFiles(name="reserve user ids for containers", files=_ranges(files)),
        _plain("configure Docker", "/etc/docker/daemon.json", check="docker", restart=("docker.service",)),
        _plain("block rare network protocols", "/etc/modprobe.d/launchpad.conf"),
        _plain("write the kernel settings", SYSCTL),
        SetKernel(values=_kernel_values(facts)),
        PutFiles(
            name="record where the storage is",
            files={STORAGE_SOURCE: storage_source(settings.storage.device) + "\n"},
        ),
        PutFiles(  # before fail2ban is installed: its default rules could ban an operator who reconnects
            name="ban addresses that try to break in",
            files={
                "/etc/fail2ban/jail.d/launchpad.local": file_text.text(
                    "/etc/fail2ban/jail.d/launchpad.local", port=port
                )
            },
            restart=("fail2ban.service",),
        ),
        *_exporter(settings),
        InstallPackages(packages=_packages(settings, facts)),
        MakeStorage(loop_mb=settings.storage.loop_mb, device=settings.storage.device),
        _plain("start Docker after the storage", f"{UNITS}/docker.service.d/launchpad.conf", reload_units=True),
        _plain("install the system call filter", CONTAINED, mode=0o755, restart=("containerd.service",)),
        _plain(
            "start containerd under the filter",
            f"{UNITS}/containerd.service.d/launchpad.conf",
            reload_units=True,
            restart=("containerd.service",),
        ),
        EnableUnits(units=("launchpad-storage.service", "docker.service")),
        MakeFolders(folders=(paths.TENANTS, paths.CADDY, paths.SITES), mode=0o755),
        MakeFolders(folders=(f"{paths.CADDY}/data", f"{paths.CADDY}/run"), mode=0o700, uid=CADDY_UID),
        AddUser(name="launchpad-caddy", uid=CADDY_UID, home=f"{paths.CADDY}/data", login_shell="/usr/sbin/nologin"),
        *_caddy(settings),
        _plain("enable automatic security updates", "/etc/apt/apt.conf.d/52launchpad"),
        _plain(
            "limit the size of logs",
            "/etc/systemd/journald.conf.d/launchpad.conf",
            restart=("systemd-journald.service",),
        ),
    ]
    if facts.audit:
        steps.append(
            _plain("install the audit rules", "/etc/audit/rules.d/launchpad.rules", restart=("audit-rules.service",))
        )
    return [
        *steps,
        EnableUnits(units=("chrony.service", "fail2ban.service", *UPDATES)),
        *([EnableUnits(units=(f"{EXPORTER}.service",))] if settings.exporter else []),
        AddUser(name=OPERATORS, uid=OPERATORS_UID, home=OPERATORS_HOME, login_shell="/bin/sh"),
        PutFiles(
            name="record who may sign",
            files={
                f"{paths.ETC}/allowed_signers": file_text.allowed_signers(
                    {OF_ADMINS: settings.allowed_signers, OF_PERSONS: settings.intent_signers}
                )
            },
        ),
        ChangeAccess(files=access_files(settings, facts), modes={paths.SUDOERS: 0o440}),
        KeepOthersOut(admins=settings.admins),
        EndLogins(keys=tuple(key for person in settings.operators for key in person.keys)),
        EnableUnits(units=("launchpad-firewall.service", "launchpad-watch.service")),
        RecordSettings(text=stored_text(settings, serial)),
        *_shipping(settings),
    ]


def access_files(settings: HostSettings, facts: MachineFacts) -> dict[str, str]:
    """The files that control who can log in: path → text."""
    port = settings.ssh.port
    root = "prohibit-password" if settings.ssh.root_login else "no"
    resolvers = f"elements = {{ {', '.join(facts.resolvers)} }}" if facts.resolvers else ""
    return {
        KEYS: file_text.authorized_keys(settings.operators),
        paths.SUDOERS: file_text.text(paths.SUDOERS),
        paths.SSHD: file_text.text(paths.SSHD, port=port, root_login=root),
        FIREWALL: file_text.text(FIREWALL, port=port, resolvers=resolvers, senders=rules(settings.logs)),
    }


def _plain(name: str, *where: str, mode: int = 0o644, **options: object) -> PutFiles:
    return PutFiles(name=name, files={path: file_text.text(path) for path in where}, mode=mode, **options)  # type: ignore[arg-type]


def _packages(settings: HostSettings, facts: MachineFacts) -> tuple[str, ...]:
    tells = any(item.kind == "message" for item in settings.alerts)
    more = [("auditd", facts.audit), ("apparmor", facts.apparmor), ("apprise", tells), (EXPORTER, settings.exporter)]
    more.append((JOURNAL_WRITER, _collects(settings)))
    return tuple(sorted({*PACKAGES, *(name for name, here in more if here)}))


def _exporter(settings: HostSettings) -> list[HostStep]:
    """Before its package, which starts it: it never listens on an address of the host's own."""
    file = f"{UNITS}/{EXPORTER}.service.d/launchpad.conf"
    name = "have the exporter of metrics listen on loopback alone"
    return [_plain(name, file, reload_units=True, restart=(f"{EXPORTER}.service",))] if settings.exporter else []


def _collects(settings: HostSettings) -> bool:
    return settings.logs is not None and settings.logs.host == settings.identity.host


def _shipping(settings: HostSettings) -> list[HostStep]:
    """After the settings are recorded, because the units read them."""
    wanted = {SHIPPER: settings.logs is not None, COLLECTOR: _collects(settings)}
    on = tuple(name for name, here in wanted.items() if here)
    off = tuple(name for name, here in wanted.items() if not here)
    return [*([EnableUnits(units=on)] if on else []), *([DisableUnits(units=off)] if off else [])]


def _kernel_values(facts: MachineFacts) -> dict[str, str]:
    values = file_text.kernel_values(file_text.text(SYSCTL))
    return {key: value for key, value in values.items() if key in facts.kernel_keys}


def _ranges(files: Mapping[str, str]) -> dict[str, str]:
    line = f"{REMAP}:{slots.REMAP_BASE}:65536"
    return {path: file_text.with_line(files[path], REMAP, line) for path in ("/etc/subuid", "/etc/subgid")}


def _caddy(settings: HostSettings) -> list[HostStep]:
    compose = file_text.text(f"{paths.CADDY}/compose.yaml", image=settings.caddy.image, uid=CADDY_UID)
    return [
        RunCaddy(image=settings.caddy.image, compose=compose),
        UseCaddyfile(text=settings.caddy.caddyfile, root=settings.caddy.acme_root),
    ]
