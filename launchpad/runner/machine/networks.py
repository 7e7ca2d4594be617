"""Tenants' bridge networks, through Docker's API."""

from __future__ import annotations

import os
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from launchpad.runner.host import Failed, HalfNetwork
from launchpad.runner.machine import docker
from launchpad.runner.machine.http import quote

_BRIDGE_NAME = "com.docker.network.bridge.name"
_TAKEN = "networks have same bridge name"
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
        if found is not None and not _has_bridge(found):
            _take_away(found)
            found = None
        if found is None:
            try:
                docker.call("POST", "/networks/create", {**wanted, "CheckDuplicate": True, "Labels": _LABELS})
            except Failed as failed:
                if _TAKEN in failed.message and bridge not in _bridges():
                    raise HalfNetwork(failed.message) from failed
                raise
            return
        for what, is_now, is_wanted in _differences(found, wanted):
            raise Failed(
                f"network {name} exists with {what} {is_now}, not {is_wanted}; remove it: docker network rm {name}",
                code="network-differs",
            )

    def has_network(self, name: str) -> bool:
        found = _inspect(name)
        return found is not None and _has_bridge(found)

    def network_names(self) -> frozenset[str]:
        """The names of Docker's networks that have their bridges."""
        return frozenset(item["Name"] for item in docker.call("GET", "/networks") if _has_bridge(item))

    def remove_network(self, name: str) -> None:
        if (found := _inspect(name)) is not None:
            _take_away(found)


def _inspect(name: str) -> dict[str, Any] | None:
    found = docker.call("GET", f"/networks/{quote(name)}", fine=(404,))
    # Docker also finds networks by the beginning of their id, and a tenant's name may look like an id.
    return found if found and found["Name"] == name else None


def _has_bridge(found: dict[str, Any]) -> bool:
    """Whether the kernel has the bridge of the network: a power cut can leave Docker half of what it knew of one, and a
    hand can remove the bridge."""
    bridge = (found["Options"] or {}).get(_BRIDGE_NAME)
    return bridge is None or os.path.exists(f"/sys/class/net/{bridge}")  # noqa: PTH110  pathlib costs an import


def _bridges() -> list[object]:
    """Those of the networks that Docker lists."""
    return [(item["Options"] or {}).get(_BRIDGE_NAME) for item in docker.call("GET", "/networks")]


def _take_away(found: dict[str, Any]) -> None:
    """Remove it, and what hangs on a bridge that is not there any more from it."""
    for container in found.get("Containers") or () if not _has_bridge(found) else ():
        words = {"Container": container, "Force": True}
        docker.call("POST", f"/networks/{found['Id']}/disconnect", words, fine=(403, 404, 500))
    docker.call("DELETE", f"/networks/{found['Id']}", fine=(404,))


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
