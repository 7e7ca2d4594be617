"""One host: `launchpad status` beside bare paramiko, which imports, connects and executes `true`, on the same sshd."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from benchkit import seclusion
from benchkit.figures import Figures, timed
from benchkit.fleet import bare, planted, run
from benchkit.ground import write_workspace

RUNS = 15


def measure(figures: Figures, folder: Path) -> None:
    """Whole processes, as a shell starts them; they take turns, so that a slow minute hits all of them."""
    if not seclusion.is_secluded():
        figures.note("one: left out, because its user, its sudo and its runner need root")
        return
    with planted(folder, hosts=1) as farm:
        (server,) = farm.servers
        environment = os.environ | write_workspace(folder / "fleet", {"web-1": (server.port, server.fingerprint)})
        environment["LAUNCHPAD_SSH_KEY"] = str(farm.key("runner"))
        commands = {
            "status": [str(Path(sys.executable).with_name("launchpad")), "status", "web-1"],
            "python": bare(farm, "python"),
            "true": bare(farm, "true"),
        }
        for command in commands.values():
            run(command, environment)  # the first one warms the file cache for all
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(RUNS):
            for name, command in commands.items():
                times[name].append(timed(lambda c=command: run(c, environment)))
    figures.add("true on one sshd, bare paramiko", times["true"], "s")
    figures.add("true on one sshd through sudo and python3 -I, bare paramiko", times["python"], "s")
    figures.add("launchpad status of one host", times["status"], "s")
    ratios = [status / true for status, true in zip(times["status"], times["true"], strict=True)]
    figures.add("  to true, bare", ratios, "times", goal=1.75, evidence="wire-status-one-to-bare")
