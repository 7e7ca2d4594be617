"""A group of its own for each guest, so that what it limits inside counts against nobody else."""

import os
import shutil
import time
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_PARENT = "launchpad-lab"


def is_legacy() -> bool:
    """True on a machine whose controllers are cgroup v1."""
    return not (_ROOT / "cgroup.controllers").exists()


def booted_with_systemd() -> bool:
    """True when systemd runs this machine, and hands out groups itself."""
    return Path("/run/systemd/system").exists()


def enter(name: str) -> None:
    """Move the calling process into the group of this guest, in every hierarchy."""
    for hierarchy in _hierarchies():
        group = hierarchy / _PARENT / name
        group.mkdir(parents=True, exist_ok=True)
        if hierarchy.name == "cpuset":
            # A new cpuset group has no processors and no memory, and takes no process until it does.
            for folder in (group.parent, group):
                for file in ("cpuset.cpus", "cpuset.mems"):
                    (folder / file).write_text((hierarchy / file).read_text())
        (group / "cgroup.procs").write_text(f"{os.getpid()}\n")


def processes_in(name: str) -> list[int]:
    """The numbers of all processes of this guest; none where systemd hands out the groups."""
    hierarchies = _hierarchies()
    if not hierarchies:
        return []
    found: list[int] = []
    for folder, _, files in os.walk(hierarchies[0] / _PARENT / name):
        if "cgroup.procs" in files:
            found += [int(word) for word in (Path(folder) / "cgroup.procs").read_text().split()]
    return found


def remove(name: str) -> None:
    """Remove the groups of a guest that has ended, deepest first."""
    for hierarchy in _hierarchies():
        group = hierarchy / _PARENT / name
        for folder, _, _ in os.walk(group, topdown=False):
            _rmdir(Path(folder))


def remove_parent() -> None:
    """Remove the groups above all guests, when they are empty."""
    for hierarchy in _hierarchies():
        _rmdir(hierarchy / _PARENT)


def _hierarchies() -> list[Path]:
    if not is_legacy():
        return [] if booted_with_systemd() else [_ROOT]
    found = [folder for folder in _ROOT.iterdir() if folder.is_dir() and not folder.is_symlink()]
    return [folder for folder in found if (folder / "cgroup.procs").exists()]


def _rmdir(folder: Path) -> None:
    for _ in range(20):
        try:
            folder.rmdir()
            return
        except FileNotFoundError:
            return
        except OSError:
            # Processes that were killed this instant still count for a moment.
            time.sleep(0.02)


def scope_command(name: str) -> list[str]:
    """What to put before a guest's command where systemd hands out the groups; nothing elsewhere."""
    if is_legacy() or not booted_with_systemd() or not shutil.which("systemd-run"):
        return []
    return ["systemd-run", "--scope", "--quiet", "--collect", f"--unit={_PARENT}-{name}", "--property=Delegate=yes"]
