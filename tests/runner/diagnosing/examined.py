"""The in-memory host, with the programs that look at it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from launchpad.runner import paths
from launchpad.runner.host import Failed
from launchpad.runner.view import ContainerLine
from tests.runner.verbs.view import MemoryView, deployed, stamp

HEALTHY = {
    "df": "1B-blocks Avail Inodes IFree\n80000000000 40000000000 5000000 4800000\n",
    "ps": "PID USER RSS ELAPSED COMMAND\n1 root 9000 100 systemd\n",
    "timedatectl": "NTPSynchronized=yes\n",
    "systemctl": "active\n",
    "chronyc": "CB00710A,203.0.113.10,3,1790000000.0,0.000012,0.0,0,0,0,0,0,0,64.0,Normal\n",
    "ip": json.dumps(
        [{"ifname": "eth0", "operstate": "UP", "addr_info": [{"local": "203.0.113.7", "scope": "global"}]}]
    ),
    "dpkg-query": "docker.io 26.1.5\n",
    "nft": "table inet launchpad {\n}\n",
}


@dataclass
class ExaminedHost(MemoryView):
    """`programs`: what each program writes, by its name."""

    programs: dict[str, str] = field(default_factory=lambda: dict(HEALTHY))
    servers: dict[str, bool] = field(default_factory=lambda: {"203.0.113.53": True})
    hanging: set[str] = field(default_factory=set)
    """Programs that do not end in time."""

    def looked(self, argv: Sequence[str], *, seconds: float) -> str:
        if argv[0] in self.hanging:
            raise Failed(f"{argv[0]} did not end within {seconds:g} s")
        return self.programs.get(argv[0], "")

    def name_servers(self) -> dict[str, bool]:
        return self.servers

    def images(self) -> dict[str, int]:
        self._docker()
        return super().images()


def examined(**more: Any) -> ExaminedHost:
    """A host with alice and bob, both well."""
    host = ExaminedHost()
    for tenant, slot in (("alice", 7), ("bob", 8)):
        deployed(tenant=tenant, slot=slot, host=host)
        host.quotas[paths.data(tenant)] = (10 << 20, 64 << 20)
        host.led[f"{tenant}.example.com"] = frozenset({"203.0.113.7"})
    for name, value in more.items():
        setattr(host, name, value)
    host.write(
        "/etc/launchpad/settings.json", json.dumps({"serial": 1, "settings": {"identity": {"host": "web-1"}}}).encode()
    )
    return host


def writes(host: ExaminedHost, tenant: str, *texts: str) -> None:
    """The tenant's app writes these lines."""
    name = next(name for name, box in host.boxes.items() if box.tenant == tenant)
    host.written.setdefault(name, []).extend(ContainerLine(stamp(host.now() - 5), text) for text in texts)
