"""The facts of the host's watch that are not well, and that no analyser explains. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from launchpad.runner.diagnosing.collected import Collected, Diagnosis

_BY_LAYER: Mapping[str, tuple[str, ...]] = {
    "disk": ("disk-full", "slow-disk", "read-only", "disk-failing"),
    "inodes": ("inodes",),
    "memory": ("host-memory",),
    "load": ("slow-disk", "host-memory", "crash-loop", "read-only", "disk-failing"),
    "clock": ("clock", "time-server"),
    "resolver": ("resolver",),
    "dns": ("resolver",),
    "units": ("docker-down", "caddy-down", "port-taken"),
    "apps": ("docker-down",),
    "firewall": ("firewall",),
    "gate": ("firewall",),
    "settings": ("settings-changed",),
    "reboot": ("update-pending",),
    "updates": ("update-pending",),
    "targets": ("target-full", "target-gone", "target-key", "target-locked", "target-damaged", "target-failed"),
    "docker": ("docker-down",),
    "caddy": ("caddy-down", "docker-down", "port-taken", "open-files"),
}
"""The layer or subject of a host's fact → the causes that explain it."""


def unexplained(collected: Collected, causes: Iterable[Diagnosis]) -> Iterator[Mapping[str, Any]]:
    """Each fact that is not well and that no cause explains. Who asked about a tenant is told of the host's critical
    facts only."""
    known = list(causes)
    for fact in collected.get("account", "findings", otherwise=[]):
        minor = not fact.get("tenant") and fact.get("grade", "critical") != "critical"
        if not (minor and collected.tenant) and not any(_explains(cause, fact) for cause in known):
            yield fact


def _explains(cause: Diagnosis, fact: Mapping[str, Any]) -> bool:
    if any(str(fact.get("message", "")) in text for text in (cause.message, *cause.evidence)):
        return True
    if tenant := fact.get("tenant"):
        return cause.tenant in ("", tenant)
    return cause.cause in _BY_LAYER.get(str(fact.get("subject")), ())
