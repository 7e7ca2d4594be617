"""This machine: whether the lab can run on it, and the Debian packages that it needs from it."""

import os
import platform
import re
import shutil
from pathlib import Path

from labkit.errors import LabError
from labkit.paths import Paths
from labkit.shell import attempt, progress, run

# What is installed: programs without a service of their own.
_PACKAGES = {
    "mmdebstrap": "mmdebstrap",
    "systemd-nspawn": "systemd-container",
    "nft": "nftables",
    "dnsmasq": "dnsmasq-base",
    "skopeo": "skopeo",
    "ip": "iproute2",
    "openssl": "openssl",
    "ssh": "openssh-client",
    "gpgv": "gpgv",
}
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# What is only unpacked: these packages start a server when they are installed, which is not wanted here.
_UNPACKED = {"docker-registry": "usr/bin/docker-registry", "pebble": "usr/bin/pebble"}
_LEAST_FREE = 6 * 1024**3


def obstacle(paths: Paths) -> str:
    """One sentence on why the lab cannot run here; empty when it can."""
    if platform.system() != "Linux":
        return "The lab needs Linux with systemd-nspawn, and this machine has another system."
    if platform.machine() != "x86_64":
        return f"The lab's images are built for x86_64, and this is {platform.machine()}."
    if os.geteuid() != 0:
        return "The lab needs root: it makes a bridge, boots containers and attaches loop devices."
    if not shutil.which("apt-get"):
        return "The lab installs Debian packages, and there is no apt-get here."
    if not Path("/dev/loop-control").exists():
        return "There is no /dev/loop-control: the hosts' Btrfs volumes are loop files."
    if attempt(["unshare", "--mount", "--pid", "--net", "--uts", "--ipc", "--fork", "true"]).status != 0:
        return "The kernel refuses new namespaces: this is probably an unprivileged container."
    if _kernel() < (6, 7):
        return (
            f"The hosts' Btrfs volumes have simple quotas, which Linux knows since 6.7; this is {platform.release()}."
        )
    if not {"overlay", "btrfs"} <= _file_systems():
        return "The kernel has no overlay or no Btrfs file system."
    if not paths.cache.exists() and _free(paths.cache) < _LEAST_FREE:
        return f"Less than {_LEAST_FREE // 1024**3} GB are free for {paths.cache}."
    return ""


def require(paths: Paths) -> None:
    """Raise LabError with the obstacle, if there is one."""
    sentence = obstacle(paths)
    if sentence:
        raise LabError(sentence, hint="after a change, check again: scripts/lab doctor", exit_code=3)


def install(paths: Paths) -> None:
    """Install the packages that are missing on this machine, and unpack the servers into the cache."""
    with paths.lock("packages"):
        missing = [package for program, package in _PACKAGES.items() if not shutil.which(program)]
        missing += [] if shutil.which("mkfs.btrfs") else ["btrfs-progs"]
        missing += [] if _KEYRING.exists() else ["debian-archive-keyring"]
        unpacked = [package for package, program in _UNPACKED.items() if not (_tools(paths) / program).exists()]
        if not missing and not unpacked:
            return
        progress(f"installing on this machine: {' '.join(missing + unpacked)}")
        run(["apt-get", "update", "-q"])
        if missing:
            quiet = {"DEBIAN_FRONTEND": "noninteractive"}
            run(["apt-get", "install", "-qy", "--no-install-recommends", *missing], env=quiet, timeout=1200)
        for package in unpacked:
            _unpack(paths, package)


def tool(paths: Paths, package: str) -> Path:
    """The program of a package that was unpacked into the cache."""
    return _tools(paths) / _UNPACKED[package]


def _tools(paths: Paths) -> Path:
    return paths.cache / "tools"


def _unpack(paths: Paths, package: str) -> None:
    folder = _tools(paths) / "packages"
    folder.mkdir(parents=True, exist_ok=True)
    # apt's download user may not write here, and says so; nothing else is wrong then.
    run(["sh", "-c", 'cd "$1" && apt-get download -q "$2"', "sh", str(folder), package])
    newest = max(folder.glob(f"{package}_*.deb"), key=lambda path: path.stat().st_mtime)
    run(["dpkg-deb", "-x", str(newest), str(_tools(paths))])


def _kernel() -> tuple[int, ...]:
    return tuple(int(word) for word in re.findall(r"\d+", platform.release())[:2])


def _file_systems() -> set[str]:
    attempt(["modprobe", "-a", "overlay", "btrfs", "loop"]) if shutil.which("modprobe") else None
    return {line.split()[-1] for line in Path("/proc/filesystems").read_text().splitlines() if line.strip()}


def _free(path: Path) -> int:
    existing = next(parent for parent in (path, *path.parents) if parent.exists())
    return shutil.disk_usage(existing).free


def debian_archives() -> dict[str, str]:
    """Where Debian comes from here: the folders `debian` and `debian-security`, each with its upstream URL."""
    chosen = os.environ.get("LAUNCHPAD_LAB_MIRROR", "").rstrip("/")
    if chosen:
        return {"debian": chosen, "debian-security": f"{chosen}-security"}
    found: dict[str, str] = {}
    for url in run(["apt-get", "indextargets", "--format", "$(REPO_URI)"]).split():
        name = url.rstrip("/").rpartition("/")[2]
        if name in ("debian", "debian-security"):
            found.setdefault(name, url.rstrip("/"))
    if "debian" not in found:
        hint = "set LAUNCHPAD_LAB_MIRROR to a Debian mirror's address, ending in /debian"
        raise LabError("this machine's apt sources name no Debian archive", hint=hint)
    found.setdefault("debian-security", found["debian"] + "-security")
    return found
