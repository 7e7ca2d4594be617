"""Causes that the kernel reports: failing disks, read-only file systems, lost packets."""

from __future__ import annotations

import re
from collections.abc import Iterator

from launchpad.runner.diagnosing.collected import Collected, Diagnosis, stamp
from launchpad.runner.hint import Next

RECENT_SECONDS = 24 * 3600.0
_READ_ONLY = re.compile(
    r"(?i)remounting filesystem read-only|forced readonly|aborted journal|transaction aborted|metadata i/o error"
    r"|filesystem has been shut down"
)
_FAILING = re.compile(
    r"(?i)\bI/O error, dev|critical (?:medium|target) error|unrecovered read error|disk failure|device offlined"
    r"|failed command: (?:READ|WRITE)|nvme\d*:? .*(?:timeout, (?:aborting|reset)|controller is down)"
    r"|bdev \S+ errs: wr [1-9]"
)
_APPS_READ_ONLY = re.compile(r"\bEROFS\b|(?i:read-only file system, (?:open|write|mkdir|rename))|SQLITE_READONLY\b")
_CONNECTIONS = re.compile(r"nf_conntrack: table full")
_CARD = re.compile(r"NETDEV WATCHDOG|transmit queue \d+ timed out|TX timeout on queue")


def read_only(collected: Collected) -> Iterator[Diagnosis]:
    """A file system became read-only after an error: nothing can be written."""
    said = _of_kernel(collected, _READ_ONLY)
    if said:
        yield Diagnosis(
            cause="read-only",
            message="a file system is read-only after an error of the disk or in the file system: nothing is written",
            hint=f"as root on {collected.host}: journalctl -k -b | grep -i -e error -e read; ask the provider of the "
            "VPS, then reboot the host",
            evidence=(*said[-2:], *_apps_lines(collected)[-2:]),
        )


def disk_failing(collected: Collected) -> Iterator[Diagnosis]:
    """The disk answers requests with errors."""
    said = _of_kernel(collected, _FAILING)
    if said and not any(True for _ in read_only(collected)):
        yield Diagnosis(
            cause="disk-failing",
            message="the disk fails: the kernel reports errors in reading or writing",
            hint=Next("backup", "--all") + "; then ask the provider of the VPS",
            evidence=tuple(said[-3:]),
        )


def connections_full(collected: Collected) -> Iterator[Diagnosis]:
    """The kernel's table of connections is full: new connections are dropped."""
    if said := _of_kernel(collected, _CONNECTIONS, seconds=3600.0):
        yield Diagnosis(
            cause="connections-full",
            message="the kernel's table of connections is full: new connections to and from tenants are dropped",
            hint=f"as root on {collected.host}: sysctl net.netfilter.nf_conntrack_max; find who opens so many: "
            + Next("usage", collected.host),
            evidence=tuple(said[-2:]),
        )


def network_card(collected: Collected) -> Iterator[Diagnosis]:
    """The network card hangs."""
    if said := _of_kernel(collected, _CARD, seconds=3600.0):
        yield Diagnosis(
            cause="network-card",
            message="the host's network card hangs: the kernel waited for packets to leave",
            hint=f"as root on {collected.host}: ip -s link; then ask the provider of the VPS",
            evidence=tuple(said[-2:]),
        )


def _of_kernel(collected: Collected, pattern: re.Pattern[str], *, seconds: float = RECENT_SECONDS) -> list[str]:
    lines = collected.get("kernel", otherwise=[])
    return [line for line in lines if pattern.search(line) and collected.at - seconds <= stamp(line)]


def _apps_lines(collected: Collected) -> list[str]:
    return [line for item in collected.tenants() for line in item.lines(seconds=3600.0) if _APPS_READ_ONLY.search(line)]
