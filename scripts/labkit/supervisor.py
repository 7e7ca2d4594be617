"""What a provider's hypervisor does for a host: boot it, boot it again when it reboots, and stay off otherwise.

Run by the lab as `python3 -m labkit.supervisor NAME`, one for each guest.
"""

import subprocess
import sys
import time

from labkit import cgroups, disks, loops
from labkit.guest import REBOOT_STATUS, Guest
from labkit.paths import Paths
from labkit.processes import Process


def supervise(guest: Guest) -> int:
    """Boot the guest until it powers off; returns systemd-nspawn's last status."""
    while True:
        status = _boot_once(guest)
        guest.clean()
        if status != REBOOT_STATUS:
            return status


def _boot_once(guest: Guest) -> int:
    loops.make(guest.index)
    disks.attach(guest.folder)
    label = guest.label
    with (guest.folder / "console.log").open("ab") as console:
        nspawn = subprocess.Popen(
            guest.command(),
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            env=guest.environment(),
            preexec_fn=lambda: cgroups.enter(label),
        )
        guest.record("nspawn", Process.of(nspawn.pid))
        while nspawn.poll() is None:
            leader = guest.find_leader(nspawn.pid)
            if leader:
                guest.record("leader", leader)
                break
            time.sleep(0.01)
        return nspawn.wait()


if __name__ == "__main__":
    sys.exit(supervise(Guest(Paths(), sys.argv[1])))
