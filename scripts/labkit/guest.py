"""One guest: the command that boots a root file system, and the facts that its supervisor writes down."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labkit import cgroups, loops
from labkit.network import BRIDGE, address_of, unplug
from labkit.paths import Paths, read_json, write_json
from labkit.processes import Process

REBOOT_STATUS = 133
_NSPAWN_ENVIRONMENT = {"SYSTEMD_NSPAWN_LOCK": "0", "SYSTEMD_SECCOMP": "0", "SYSTEMD_NSPAWN_USE_CGNS": "1"}
_LEGACY_GROUPS = ["SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1", "systemd.unified_cgroup_hierarchy=0"]


@dataclass(frozen=True)
class Guest:
    """A host's folder, number and recorded processes; every question is answered from the kernel."""

    paths: Paths
    name: str

    @property
    def folder(self) -> Path:
        """Everything this host is, on this machine's disk."""
        return self.paths.machines / self.name

    @property
    def root(self) -> Path:
        """Its root file system."""
        return self.folder / "root"

    @property
    def index(self) -> int:
        """Its number in the lab; address and loop devices follow from it."""
        return int(self._facts()["index"])

    @property
    def address(self) -> str:
        """Its address on the bridge."""
        return address_of(self.index)

    @property
    def label(self) -> str:
        """The short name that its interface on the bridge and its group are called after."""
        return f"lab-{self.index}"

    def exists(self) -> bool:
        """True from the moment its root is complete until it is removed."""
        return "index" in self._facts()

    def process(self, role: str) -> Process | None:
        """The live process of a role (`supervisor`, `nspawn`, `leader`), or None."""
        process = Process.load(read_json(self.folder / f"{role}.json"))
        return process if process and process.alive() else None

    def record(self, role: str, process: Process) -> None:
        """Write down which process has this role."""
        write_json(self.folder / f"{role}.json", process.record())

    def create(self, index: int) -> None:
        """Declare the root complete: the host exists from now on."""
        write_json(self.folder / "host.json", {"index": index})

    def _facts(self) -> dict[str, Any]:
        return read_json(self.folder / "host.json")

    def command(self) -> list[str]:
        """The words that boot it."""
        binds = ["--bind=/dev/fuse"] if Path("/dev/fuse").exists() else []
        # No /dev/loop-control: it hands out the first loop device that is free on this whole machine, and no guest has
        # a node for that one. Without it `mount -o loop` tries loop0, loop1 …: these are the guest's own.
        for number, device in enumerate(loops.devices_of(self.index)):
            binds.append(f"--bind={device}:/dev/loop{number}")
        return [
            *cgroups.scope_command(self.label),
            "systemd-nspawn",
            f"--directory={self.root}",
            f"--machine={self.label}",
            f"--hostname={self.name}",
            "--register=no",
            "--keep-unit",
            "--capability=all",
            "--network-veth",
            f"--network-bridge={BRIDGE}",
            "--resolv-conf=off",
            "--timezone=off",
            "--link-journal=no",
            "--console=pipe",
            *binds,
            "--boot",
            *(_LEGACY_GROUPS if cgroups.is_legacy() else []),
        ]

    def environment(self) -> dict[str, str]:
        """What systemd-nspawn is told by its environment, and nothing of the caller's but the path."""
        return {"PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), **_NSPAWN_ENVIRONMENT}

    def find_leader(self, nspawn: int) -> Process | None:
        """The guest's own process 1, once systemd-nspawn has started it."""
        try:
            children = Path(f"/proc/{nspawn}/task/{nspawn}/children").read_text().split()
            for child in children:
                status = Path(f"/proc/{child}/status").read_text()
                spaces = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()
                if len(spaces) == 3 and spaces[2] == "1":
                    return Process.of(int(child))
        except (OSError, StopIteration):
            pass
        return None

    def kill(self) -> None:
        """Pull the plug: every process of the guest dies at once, its supervisor too."""
        recorded = [self.process(role) for role in ("supervisor", "leader", "nspawn")]
        processes = [process for process in recorded if process]
        # What a run that was killed itself had no time to write down.
        processes += Process.started_with("-m", "labkit.supervisor", self.name)
        processes += [Process.of(pid) for pid in cgroups.processes_in(self.label)]
        for process in processes:
            process.send(signal.SIGKILL)
        for process in processes:
            process.wait_gone(10)
        self.clean()

    def clean(self) -> None:
        """Give back what a guest that has ended still holds: groups, its cable and loop devices."""
        cgroups.remove(self.label)
        unplug(self.label)
        loops.detach(self.index)
