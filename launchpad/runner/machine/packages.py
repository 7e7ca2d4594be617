"""Debian's updates, and the reboot that some of them need: the part of `System` for maintenance."""

from __future__ import annotations

from launchpad.runner.host import Progress
from launchpad.runner.machine.command import succeed
from launchpad.runner.machine.debian import APT_INSTALL, LinuxSystem, apt, repair_packages

_UPGRADE = ("upgrade", "--with-new-pkgs")
_SIMULATE = ("apt-get", "--simulate", "--quiet=2", "--option=Debug::NoLocking=true", *_UPGRADE)
_KEEP_FILES = "--option=Dpkg::Options::=--force-confold"
"""A configuration file that was changed on the host stays as it is."""
_UPGRADE_SECONDS = 3600
_SIMULATE_SECONDS = 120


class MaintainedSystem(LinuxSystem):
    """Implements `System` on Debian 13, with updates."""

    def updates(self) -> tuple[str, ...]:
        apt("update")
        lines = succeed(_SIMULATE, seconds=_SIMULATE_SECONDS).decode(errors="replace").splitlines()
        return tuple(line.split()[1] for line in lines if line.startswith("Inst "))

    def install_updates(self, progress: Progress) -> None:
        repair_packages(progress)
        progress("download the updates")
        apt(*_UPGRADE, "--download-only", seconds=_UPGRADE_SECONDS)
        progress("install the updates")
        apt(*_UPGRADE, *APT_INSTALL, _KEEP_FILES, seconds=_UPGRADE_SECONDS)

    def reboot(self) -> None:
        succeed(["systemctl", "--no-block", "--no-wall", "reboot"])
