"""Tenants' bridge networks, through Docker's API."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Any

from launchpad.runner.host import Failed
from launchpad.runner.machine import docker
from launchpad.runner.machine.http import quote

_BRIDGE_NAME = "com.docker.network.bridge.name"
_LABELS = {"launchpad.network": "tenant"}


class DockerNetworks:
    """The networks part of Containers."""

    def make_network(
        self, name: str, *, bridge: str, subnet: IPv4Network, gateway: IPv4Address, internal: bool = False
    ) -> None:
        wanted = {
            "Name": name,
            "Driver": "bridge",
            "Internal": internal,
            "EnableIPv6": False,
            "Options": {_BRIDGE_NAME: bridge},
            "IPAM": {"Driver": "default", "Config": [{"Subnet": str(subnet), "Gateway": str(gateway)}]},
        }
        found = _inspect(name)
        if found is None:
            docker.call("POST", "/networks/create", {**wanted, "CheckDuplicate": True, "Labels": _LABELS})
            return
        for what, is_now, is_wanted in _differences(found, wanted):
            raise Failed(
                f"network {name} exists with {what} {is_now}, not {is_wanted}; remove it: docker network rm {name}"
            )

    def has_network(self, name: str) -> bool:
        return _inspect(name) is not None

    def network_names(self) -> frozenset[str]:
        """The names of Docker's networks."""
        return frozenset(item["Name"] for item in docker.call("GET", "/networks"))

    def remove_network(self, name: str) -> None:
        if self.has_network(name):
            docker.call("DELETE", f"/networks/{quote(name)}", fine=(404,))


def _inspect(name: str) -> dict[str, Any] | None:
    found = docker.call("GET", f"/networks/{quote(name)}", fine=(404,))
    # Docker also finds networks by the beginning of their id, and a tenant's name may look like an id.
    return found if found and found["Name"] == name else None


def _differences(found: dict[str, Any], wanted: dict[str, Any]) -> list[tuple[str, object, object]]:
    def facts(network: dict[str, Any]) -> dict[str, object]:
        ranges = [(item.get("Subnet"), item.get("Gateway")) for item in network["IPAM"]["Config"] or ()]
        return {
            "driver": network["Driver"],
            "internal": network["Internal"],
            "IPv6": network["EnableIPv6"],
            "bridge": (network["Options"] or {}).get(_BRIDGE_NAME),
            "range": ranges,
        }

    now, then = facts(found), facts(wanted)
    return [(what, now[what], then[what]) for what in now if now[what] != then[what]]
