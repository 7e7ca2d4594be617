"""The host's clock and boot."""

from __future__ import annotations

import time

from launchpad.runner.machine.kernel import told


class SystemClock:
    """Clock, by the kernel."""

    def now(self) -> float:
        return time.time()

    def elapsed(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)

    def boot_id(self) -> str:
        return told("/proc/sys/kernel/random/boot_id").strip()
