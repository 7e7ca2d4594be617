"""Hosts' disks: a bare host's is a copy; a snapshot's is the snapshot itself, shared, under a layer of the host's own.

A provisioned disk is 20 000 files: to copy them takes seconds and the page cache of a small machine, to lay an
overlay over them nothing. Where Docker keeps its own overlays, and where volume files lie, a host still has a real
folder: an overlay cannot carry another, and a loop file wants none below it.
"""

from pathlib import Path

from labkit.shell import run

_REAL = ("srv", "var/lib/docker", "var/lib/containerd", "var/lib/launchpad")


def copy(origin: Path, target: Path) -> None:
    """Copy a file system, with holes in place of zeros, and without copying at all where blocks can be shared."""
    run(["cp", "--archive", "--reflink=auto", "--sparse=always", str(origin), str(target)])


def lay_over(lower: Path, folder: Path) -> None:
    """Prepare `folder` for a disk over `lower`, which nobody may change from now on."""
    for name in ("root", "upper", "work", "real"):
        (folder / name).mkdir(parents=True)
    for inner in _REAL:
        if (lower / inner).is_dir():
            target = folder / "real" / inner
            target.parent.mkdir(parents=True, exist_ok=True)
            copy(lower / inner, target)
    (folder / "lower").symlink_to(lower)


def attach(folder: Path) -> None:
    """Have the disk at `folder`/root; nothing happens when it is there."""
    root = folder / "root"
    if not (folder / "lower").is_symlink() or root.is_mount():
        return
    lower = (folder / "lower").readlink()
    options = f"lowerdir={lower},upperdir={folder / 'upper'},workdir={folder / 'work'}"
    run(["mount", "-t", "overlay", "-o", options, "launchpad-lab", str(root)])
    for inner in _REAL:
        if (folder / "real" / inner).is_dir():
            run(["mount", "--bind", str(folder / "real" / inner), str(root / inner)])


def detach(folder: Path) -> None:
    """Take the disk away from `folder`/root; what is on it stays."""
    if (folder / "root").is_mount():
        run(["umount", "--recursive", "--lazy", str(folder / "root")])


def is_used(lower: Path) -> bool:
    """True while some host's disk lies over `lower`."""
    return f"lowerdir={lower}," in Path("/proc/self/mountinfo").read_text()
