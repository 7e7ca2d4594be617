"""The real machine: a Debian 13 host with Docker, Caddy, nftables, Btrfs and systemd."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING

from launchpad.runner import paths
from launchpad.runner.machine import walk
from launchpad.runner.machine.caddy import CaddySites
from launchpad.runner.machine.clock import SystemClock
from launchpad.runner.machine.compose import ComposeProjects
from launchpad.runner.machine.containers import DockerContainers
from launchpad.runner.machine.data import BtrfsData
from launchpad.runner.machine.dockerd import DockerUnit
from launchpad.runner.machine.images import DockerImages
from launchpad.runner.machine.locks import KernelLocks
from launchpad.runner.machine.measuring import HostMeasures
from launchpad.runner.machine.networks import DockerNetworks
from launchpad.runner.machine.programs import LookingPrograms
from launchpad.runner.machine.sandbox import SystemdSandbox
from launchpad.runner.machine.snapshots import BtrfsSnapshots
from launchpad.runner.machine.telling import HostMessages
from launchpad.runner.machine.traffic import HostTraffic

if TYPE_CHECKING:
    from launchpad.runner.machine.nftables import KernelFilter
    from launchpad.runner.machine.packages import MaintainedSystem


class Machine(
    SystemClock,
    BtrfsData,
    BtrfsSnapshots,
    DockerUnit,
    DockerImages,
    DockerNetworks,
    ComposeProjects,
    DockerContainers,
    HostTraffic,
    SystemdSandbox,
    CaddySites,
    HostMeasures,
    LookingPrograms,
    HostMessages,
    KernelLocks,
):
    """`host.Host` and `view.View` for this machine. Threads may share it; only its packet filter has a state."""

    @cached_property
    def system(self) -> MaintainedSystem:
        """The machine for provisioning; imported only when needed."""
        from launchpad.runner.machine.packages import MaintainedSystem

        return MaintainedSystem()

    @cached_property
    def filter(self) -> KernelFilter:
        """The packet filter for the watch; one for each process, used by one thread."""
        from launchpad.runner.machine.nftables import KernelFilter

        return KernelFilter()

    def name(self) -> str:
        return os.uname().nodename

    def leads_to(self, name: str) -> frozenset[str]:
        import socket

        try:
            return frozenset(str(item[4][0]) for item in socket.getaddrinfo(name, 443, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError):
            return frozenset()

    def disk(self) -> tuple[int, int]:
        with walk.explained(paths.ROOT):
            found = os.statvfs(paths.ROOT)
        return found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize
