"""The kernel's counters: control groups of both versions, as recorded on hosts, and bridges."""

from __future__ import annotations

import pytest

from launchpad.runner.metering.counters import bridge_bytes, cpu_seconds
from tests.runner.metering.metered import CPU_STAT, Metered


@pytest.mark.parametrize(
    ("groups", "where", "text"),
    [
        (
            "0::/system.slice/docker-c0ffee.scope\n",
            "system.slice/docker-c0ffee.scope/cpu.stat",
            CPU_STAT.format(5378321),
        ),
        ("8:cpu,cpuacct:/docker/c\n0::/docker/c\n", "cpu,cpuacct/docker/c/cpuacct.usage", "5378321000\n"),
        ("4:cpuacct:/docker/c\n3:cpu:/docker/c\n", "cpuacct/docker/c/cpuacct.usage", "5378321000\n"),
    ],
    ids=["v2", "v1 beside v2", "v1 apart"],
)
def test_the_cpu_time_of_either_version_of_control_groups(groups: str, where: str, text: str) -> None:
    lab = Metered()
    lab.put("/proc/77/cgroup", groups)
    assert cpu_seconds(lab.host, 77) is None, "its group is gone"
    lab.put(f"/sys/fs/cgroup/{where}", text)
    assert cpu_seconds(lab.host, 77) == pytest.approx(5.378321)
    assert cpu_seconds(lab.host, 78) is None


def test_a_bridge_that_is_not_there_has_no_counters() -> None:
    assert bridge_bytes(Metered().host, "lp-7") is None
