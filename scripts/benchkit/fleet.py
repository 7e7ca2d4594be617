"""Fifty hosts: `launchpad status` and `health` beside `true` through the same sshd, sudo and Python, and beside `true`
alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchkit import seclusion
from benchkit.figures import Figures, timed
from benchkit.ground import write_workspace
from benchkit.sshd import Server, make_key
from launchpad.ssh.archive import runner_archive

HOSTS = 50
RUNS = 5
BARE = Path(__file__).with_name("bare.py")
PROJECT = Path(__file__).resolve().parents[2]
RUNNER = "/usr/local/sbin/launchpad-runner"
SYSTEM_PYTHON = "/usr/bin/python3"
UNPACK = """
import sys
sys.path.insert(0, sys.argv[1])
from launchpad.runner.provision.unpack import unpack
print(unpack(sys.stdin.buffer.read()))
"""


@dataclass(frozen=True)
class Farm:
    """The sshds, and a key for each thing that they may be asked to do."""

    servers: tuple[Server, ...]
    folder: Path

    @property
    def ports(self) -> list[str]:
        return [str(server.port) for server in self.servers]

    def key(self, name: str) -> Path:
        return self.folder / name


def measure(figures: Figures, folder: Path) -> None:
    """Whole processes, as a shell starts them; the kinds take turns, so that a slow minute hits all of them."""
    if not seclusion.is_secluded():
        figures.note("fleet: left out, because its user, its sudo and its runner need root")
        return
    if not Path("/var/run/docker.sock").exists():
        figures.note(
            "fleet: there is no Docker here, so the runner finds nothing behind its questions to Docker and Caddy"
        )
    with planted(folder) as farm:
        ports = {f"web-{number}": (s.port, s.fingerprint) for number, s in enumerate(farm.servers, start=1)}
        environment = os.environ | write_workspace(folder / "fleet", ports)
        environment["LAUNCHPAD_SSH_KEY"] = str(farm.key("runner"))
        launchpad = str(Path(sys.executable).with_name("launchpad"))
        commands = {
            "status": [launchpad, "status", "--json"],
            "health": [launchpad, "health", "--all", "--json"],
            "python": bare(farm, "python"),
            "true": bare(farm, "true"),
        }
        for command in commands.values():
            run(command, environment)  # the first one warms the file cache for all
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(RUNS):
            for name, command in commands.items():
                times[name].append(timed(lambda c=command: run(c, environment)))
    _tell(figures, times)


def _tell(figures: Figures, times: dict[str, list[float]]) -> None:
    figures.add(f"true on {HOSTS} sshds, bare paramiko", times["true"], "s")
    figures.add(f"true on {HOSTS} through sudo and python3 -I, bare paramiko", times["python"], "s")
    figures.add(f"launchpad status of {HOSTS} hosts", times["status"], "s")
    pairs = list(zip(times["status"], times["python"], times["true"], strict=True))
    ratios = [status / python for status, python, _ in pairs]
    figures.add("  to true through sudo and python3 -I", ratios, "times", goal=2, evidence="status-50-to-true")
    figures.add("  to true, bare", [status / true for status, _, true in pairs], "times", evidence="status-50-to-bare")
    figures.add(f"launchpad health of {HOSTS} hosts", times["health"], "s")
    ratios = [health / status for health, status in zip(times["health"], times["status"], strict=True)]
    figures.add("  to launchpad status", ratios, "times", goal=1.3, evidence="ops-health-50-to-status")


@contextmanager
def planted(folder: Path, *, hosts: int = HOSTS) -> Iterator[Farm]:
    """That many sshds with the real runner behind them, in mounts of this process's own."""
    folder.mkdir(parents=True)
    seclusion.lay_over()
    _install_runner()
    commands = {
        "runner": f"sudo -n {RUNNER} operator=bench",
        "python": f"sudo -n {SYSTEM_PYTHON} -I -c pass",
        "true": "true",
        "shell": "",
    }
    for name in commands:
        make_key(folder / name)
    servers = []
    try:
        for number in range(hosts):
            server = Server(folder / f"host-{number}", options=("Subsystem sftp internal-sftp",))
            server.folder.mkdir()
            for name, command in commands.items():
                server.authorize(folder / name, command)
            server.start()
            servers.append(server)
        yield Farm(tuple(servers), folder)
    finally:
        for server in servers:
            server.stop()


def _install_runner() -> None:
    """Unpacked and compiled, as provisioning leaves it, for the Python that runs it."""
    unpack = [SYSTEM_PYTHON, "-I", "-c", UNPACK, str(PROJECT)]
    done = subprocess.run(unpack, input=runner_archive().data, check=True, capture_output=True)
    Path(RUNNER).unlink(missing_ok=True)
    Path(RUNNER).symlink_to(f"{done.stdout.decode().strip()}/start")


def bare(farm: Farm, key: str) -> list[str]:
    """The command that runs `true`, or what the key's forced command is, on every host."""
    return [sys.executable, str(BARE), str(farm.key(key)), seclusion.USER, *farm.ports]


def run(command: list[str], environment: dict[str, str]) -> None:
    """Run the command; SystemExit when it fails."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    graded = "health" in command and done.stdout.startswith('{\n  "grade"')  # these hosts are not well
    if done.returncode and not graded:
        raise SystemExit(f"error: {command[0]} exited with {done.returncode}: {(done.stderr or done.stdout)[-2000:]}")
