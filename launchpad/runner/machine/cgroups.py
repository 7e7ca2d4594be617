"""What the kernel's control groups say of a container: a few small files, where Docker's API writes everything down."""

from __future__ import annotations

_GROUPS = "/sys/fs/cgroup"
_NO_LIMIT = 1 << 60


def memory(process: int, *, root: str = "") -> tuple[int, int] | None:
    """The memory of the process's group in bytes, without what the kernel can reclaim at once, and its limit (0 for
    none); None where the files do not say."""
    try:
        folder, version = _folder(process, root)
        names = ("memory.current", "memory.max", "inactive_file")
        if version == 1:
            names = ("memory.usage_in_bytes", "memory.limit_in_bytes", "total_inactive_file")
        used, limit = _read(f"{folder}/{names[0]}").strip(), _read(f"{folder}/{names[1]}").strip()
        lines = (line.split() for line in _read(f"{folder}/memory.stat").splitlines())
        cache = next((int(words[1]) for words in lines if words[0] == names[2]), 0)
        most = int(limit) if limit.isdigit() else 0
        return max(0, int(used) - cache), most if most < _NO_LIMIT else 0
    except (OSError, ValueError, LookupError):
        return None


def _folder(process: int, root: str) -> tuple[str, int]:
    """The group's folder, and the version of control groups. LookupError for a process without a group of its own."""
    for line in _read(f"{root}/proc/{process}/cgroup").splitlines():
        number, controllers, path = line.split(":", 2)
        if path == "/":
            continue
        if "memory" in controllers.split(","):
            return f"{root}{_GROUPS}/memory{path}", 1
        if number == "0" and not controllers:
            return f"{root}{_GROUPS}{path}", 2
    raise LookupError(process)


def _read(path: str) -> str:
    with open(path) as file:  # noqa: PTH123  pathlib costs an import
        return file.read()
