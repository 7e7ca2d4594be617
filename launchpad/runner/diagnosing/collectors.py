"""Reads a host for a diagnosis: one function a section, each in a thread of its own and within its own time.

A collector that fails or takes too long is a line in the manifest. It never ends the bundle, and it changes nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from launchpad.runner import paths
from launchpad.runner.diagnosing import host_sections, tenant_sections
from launchpad.runner.diagnosing.desk import Collect, Desk
from launchpad.runner.record import Record
from launchpad.runner.slots import is_tenant_name
from launchpad.runner.view import View


class Missing(Record):
    """A section that is not in the bundle."""

    section: str
    why: str


def collect(desk: Desk, wanted: Mapping[str, tuple[Collect, float]]) -> tuple[dict[str, Any], list[Missing]]:
    """The sections, and those that are missing. Takes as long as the slowest collector may."""
    found: dict[str, Any] = {}
    failed: dict[str, str] = {}

    def run(name: str, collector: Collect) -> None:
        from launchpad.runner.engine import reason

        try:
            value = collector(desk)
        except Exception as error:
            failed[name] = reason(error)
        else:
            found[name] = value

    begun = desk.host.elapsed()
    threads = {}
    for name, (collector, _) in wanted.items():
        threads[name] = threading.Thread(target=run, args=(name, collector), daemon=True)
        threads[name].start()
    missing = []
    for name, (_, seconds) in wanted.items():
        threads[name].join(max(0.0, begun + seconds - desk.host.elapsed()))
        if name not in found:
            missing.append(Missing(section=name, why=failed.get(name, f"took more than {seconds:g} s")))
    return _assembled({name: found[name] for name in wanted if name in found}), missing


def _assembled(found: dict[str, Any]) -> dict[str, Any]:
    """The parts of tenants that other collectors read, where analysers look for them."""
    for part in OF_TENANTS:
        for tenant, own in (found.pop(part, None) or {}).items():
            found.setdefault("tenants", {}).setdefault(tenant, {})[part] = own
    return found


OF_TENANTS = ("files", "log", "leads", "certificates", "operations")
"""Sections that are parts of tenants'."""
COLLECTORS: Mapping[str, tuple[Collect, float]] = {
    "versions": (host_sections.versions, 4),
    "settings": (host_sections.settings, 2),
    "machine": (host_sections.machine, 5),
    "clock": (host_sections.clock, 5),
    "resolver": (host_sections.resolver, 5),
    "docker": (host_sections.docker, 8),
    "caddy": (host_sections.caddy, 8),
    "account": (host_sections.account, 2),
    "network": (host_sections.network, 6),
    "units": (host_sections.units, 5),
    "updates": (host_sections.updates, 2),
    "journal": (host_sections.journal, 8),
    "kernel": (host_sections.kernel, 5),
    "history": (host_sections.history, 2),
    "tenants": (tenant_sections.tenants, 9),
    "files": (tenant_sections.files, 5),
    "log": (tenant_sections.log, 9),
    "leads": (tenant_sections.leads, 5),
    "certificates": (tenant_sections.certificates, 2),
    "operations": (tenant_sections.operations, 6),
}
"""Section → what reads it, and for how many seconds at most."""
AT_ONCE: Mapping[str, tuple[Collect, float]] = {
    name: (collector, min(seconds, 3.0))
    for name, (collector, seconds) in COLLECTORS.items()
    if name
    in ("machine", "docker", "caddy", "account", "updates", "tenants", "log", "certificates", "operations", "clock")
}
"""What a failed operation is judged by, within a few seconds."""


def known_tenants(host: View) -> tuple[str, ...]:
    """Every tenant that the host has a folder of."""
    return tuple(name for name in host.names(paths.TENANTS) if is_tenant_name(name))
