"""A container's memory as the kernel has it, with both versions of control groups; none where no file says."""

from __future__ import annotations

from pathlib import Path

import pytest

from launchpad.runner.machine.cgroups import memory

MB = 1 << 20
FIRST = {
    "proc/42/cgroup": "12:cpuacct,cpu:/docker/abc\n3:memory:/docker/abc\n0::/\n",
    "sys/fs/cgroup/memory/docker/abc/memory.usage_in_bytes": f"{100 * MB}\n",
    "sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes": f"{128 * MB}\n",
    "sys/fs/cgroup/memory/docker/abc/memory.stat": f"cache 1\ntotal_inactive_file {30 * MB}\n",
}
GROUP = "sys/fs/cgroup/system.slice/docker-abc.scope"
SECOND = {
    "proc/42/cgroup": "0::/system.slice/docker-abc.scope\n",
    f"{GROUP}/memory.current": f"{100 * MB}\n",
    f"{GROUP}/memory.max": f"{128 * MB}\n",
    f"{GROUP}/memory.stat": f"anon 1\ninactive_file {30 * MB}\n",
}


@pytest.mark.parametrize(
    ("files", "found"),
    [
        (FIRST, (70 * MB, 128 * MB)),
        (SECOND, (70 * MB, 128 * MB)),
        (SECOND | {f"{GROUP}/memory.max": "max\n"}, (70 * MB, 0)),
        (FIRST | {"sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes": "9223372036854771712"}, (70 * MB, 0)),
        ({"proc/42/cgroup": "0::/\n"}, None),
        ({"proc/42/cgroup": "0::/gone\n"}, None),
        ({}, None),
    ],
)
def test_what_the_kernel_says(tmp_path: Path, files: dict[str, str], found: tuple[int, int] | None) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert memory(42, root=str(tmp_path)) == found
