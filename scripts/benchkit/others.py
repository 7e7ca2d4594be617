"""The same work by others, in the same run: six small files and a command on one host, and `true` on fifty.

Each tool does it as its own documentation says is quickest: Ansible with pipelining, a persistent connection and as
many forks as Launchpad has threads, `raw` where no module is needed; pyinfra with as many hosts at a time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchkit import seclusion
from benchkit.figures import Figures, timed
from benchkit.fleet import BARE, HOSTS, Farm, planted
from benchkit.proxy import Proxy
from benchkit.sshd import make_key

PACKAGES = ("ansible-core==2.19.14", "pyinfra==3.10.0")
RUNS = 3
FORKS = 32
FILES = 6
ROUND_TRIP = 0.05
PRETENDER = Path(__file__).with_name("pretender.py")
OWN_JOB = Path(__file__).with_name("own_job.py")


@dataclass(frozen=True)
class Tools:
    """Ansible and pyinfra, and what they are told, in a folder of their own."""

    binaries: Path
    folder: Path
    farm: Farm

    def job(self, tool: str, port: int) -> list[str]:
        """The command that puts the files on the host behind the port and runs a command there."""
        if tool == "launchpad":
            words = (port, seclusion.USER, self.farm.key("push"), self.farm.servers[0].fingerprint, self.folder)
            return [sys.executable, str(OWN_JOB), *map(str, words)]
        if tool == "ansible":
            return [*self._ansible("ansible-playbook", self._inventory([port])), str(self.folder / "job.yaml")]
        return [*self._pyinfra([port]), str(self.folder / "job.py")]

    def true(self, tool: str) -> list[str]:
        """The command that runs `true` on every host."""
        ports = [server.port for server in self.farm.servers]
        if tool == "ansible":
            return [*self._ansible("ansible", self._inventory(ports)), "all", "-m", "raw", "-a", "true"]
        return [*self._pyinfra(ports), "exec", "--", "true"]

    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "HOME": str(self.folder),
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_HOST_KEY_CHECKING": "false",
            "ANSIBLE_PIPELINING": "true",
            "ANSIBLE_FORKS": str(FORKS),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3",
        }

    def write(self) -> None:
        """The files to be copied, and the job in each tool's language."""
        for number in range(FILES):
            (self.folder / f"file-{number}").write_text(f"{number}\n" * 400)
        target = f"{seclusion.HOME}/job"
        copies = [
            {"ansible.builtin.copy": {"src": f"{self.folder}/file-{n}", "dest": f"{target}/file-{n}"}}
            for n in range(FILES)
        ]
        folder = {"ansible.builtin.file": {"path": target, "state": "directory"}}
        command = {"ansible.builtin.command": "true"}
        play = [{"hosts": "all", "gather_facts": False, "tasks": [folder, *copies, command]}]
        (self.folder / "job.yaml").write_text(json.dumps(play))
        lines = ["from pyinfra.operations import files, server"]
        lines += [f"files.put(src='{self.folder}/file-{n}', dest='{target}-pyinfra/file-{n}')" for n in range(FILES)]
        (self.folder / "job.py").write_text("\n".join([*lines, "server.shell(commands=['true'])", ""]))

    def forget(self) -> None:
        """Close Ansible's persistent connections, so that the next run is a first one."""
        for socket in (self.folder / ".ansible" / "cp").glob("*"):
            subprocess.run(["ssh", "-O", "exit", "-o", f"ControlPath={socket}", "x"], capture_output=True, check=False)

    def _ansible(self, program: str, inventory: Path) -> list[str]:
        key = str(self.farm.key("shell"))
        return [str(self.binaries / program), "-i", str(inventory), "-u", seclusion.USER, "--private-key", key]

    def _inventory(self, ports: list[int]) -> Path:
        path = self.folder / f"inventory-{len(ports)}"
        path.write_text("".join(f"h{port} ansible_host=127.0.0.1 ansible_port={port}\n" for port in ports))
        return path

    def _pyinfra(self, ports: list[int]) -> list[str]:
        data = {"ssh_user": seclusion.USER, "ssh_key": str(self.farm.key("shell"))}
        data |= {"ssh_strict_host_key_checking": "no", "ssh_known_hosts_file": "/dev/null"}
        hosts = [(f"@ssh/h{port}", data | {"ssh_hostname": "127.0.0.1", "ssh_port": port}) for port in ports]
        path = self.folder / f"inventory_{len(ports)}.py"
        path.write_text(f"hosts = {hosts!r}\n")
        return [str(self.binaries / "pyinfra"), "-y", "--parallel", str(FORKS), str(path)]


def measure(figures: Figures, folder: Path) -> None:
    """The jobs on loopback and over a link of 50 ms; fifty hosts on loopback."""
    if not seclusion.is_secluded():
        figures.note("others: left out, because the hosts' user needs root")
        return
    binaries = _installed(figures)
    if binaries is None:
        return
    with planted(folder) as farm:
        tools = Tools(binaries, folder / "tools", farm)
        tools.folder.mkdir()
        tools.write()
        state = folder / "state"
        state.mkdir()
        farm.servers[0].authorize(make_key(farm.key("push")), f"sudo -n /usr/bin/python3 -I {PRETENDER} {state}")
        for delay in (0.0, ROUND_TRIP):
            _jobs(figures, tools, delay)
        _trues(figures, tools)


def _jobs(figures: Figures, tools: Tools, delay: float) -> None:
    where = f"at {delay * 1000:.0f} ms" if delay else "on loopback"
    text = f"six files and a command {where}"
    with Proxy(tools.farm.servers[0].port, delay=delay / 2) as link:
        for tool in ("launchpad", "ansible", "pyinfra"):
            figures.add(f"{text}: {tool}", _timed_runs(tools, tools.job(tool, link.port)), "s")


def _trues(figures: Figures, tools: Tools) -> None:
    bare = [sys.executable, str(BARE), str(tools.farm.key("true")), seclusion.USER, *tools.farm.ports]
    figures.add(f"true on {HOSTS} hosts: bare paramiko", _timed_runs(tools, bare), "s")
    for tool in ("ansible", "pyinfra"):
        figures.add(f"true on {HOSTS} hosts: {tool}", _timed_runs(tools, tools.true(tool)), "s")


def _timed_runs(tools: Tools, command: list[str]) -> list[float]:
    times = []
    for _ in range(RUNS):
        times.append(timed(lambda: _run(command, tools.environment())))
        tools.forget()
    return times


def _run(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        raise SystemExit(f"error: {command[0]} exited with {done.returncode}: {(done.stdout + done.stderr)[-2000:]}")


def _installed(figures: Figures) -> Path | None:
    """Their own virtual environment in the cache; None, and a note, where they cannot be installed."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "launchpad-bench"
    binaries, stamp = cache / "venv" / "bin", cache / "packages"
    if stamp.exists() and stamp.read_text() == "\n".join(PACKAGES):
        return binaries
    figures.say(f"bench: installing {', '.join(PACKAGES)} into {cache}")
    try:
        subprocess.run([sys.executable, "-m", "venv", cache / "venv"], check=True, capture_output=True)
        subprocess.run([binaries / "pip", "install", "-q", *PACKAGES], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        figures.note(f"others: left out, {', '.join(PACKAGES)} could not be installed: {error}")
        return None
    stamp.write_text("\n".join(PACKAGES))
    return binaries
