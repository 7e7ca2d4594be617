"""What follows from a tenant's slot: uid, subnet, addresses, bridge. Pure; the same on the host and the operator's
side.

A slot is a tenant's number in the fleet, 1 to 4095. It is given again only when every host has deleted its tenant, with
a higher epoch (see `moving`). Each slot owns a /28 of
10.200.0.0/16: .1 is the bridge's gateway (the host, where Caddy dials from), .2 to .7 are the services of side a,
.8 to .13 those of side b.
Two sides exist so that a new release can start beside the old one.
"""

from __future__ import annotations

import re
from functools import cache
from ipaddress import IPv4Address, IPv4Network
from typing import Literal

Side = Literal["a", "b"]
Clone = Literal["clone"]
"""Instead of a side: a rehearsal's containers, which never serve."""

FIRST_SLOT = 1
LAST_SLOT = 4095
FIRST_EPOCH = 1
"""The epoch of a slot's first tenant until the tenant moves."""
LATEST_EPOCH = 1 << 53
"""Above every epoch; a fence uses the time in seconds as the epoch, which is far lower."""
MOST_SERVICES = 6
NETWORK = IPv4Network("10.200.0.0/16")
CLONES = IPv4Network("10.201.0.0/16")
"""The network of rehearsals' clones: each slot has the same /28 as in the tenants' network, for one side."""
FIRST_UID = 10_000
"""The inner uid of slot 0; below Docker's remapped range of 65,536."""
REMAP_BASE = 1_000_000
"""The host's uid of the containers' uid 0 (userns-remap of the whole daemon)."""

TENANT_NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
"""Safe as a path, a shell word, a subdomain and a Compose project; at most 32 characters."""


def is_tenant_name(text: str) -> bool:
    """Whether the text is a tenant's name: 1 to 32 of a-z, 0-9 and single inner hyphens, beginning with a letter."""
    return len(text) <= 32 and TENANT_NAME.fullmatch(text) is not None


def inner_uid(slot: int) -> int:
    """The uid inside the tenant's containers."""
    return FIRST_UID + slot


def host_uid(slot: int) -> int:
    """The uid of the tenant's files on the host."""
    return REMAP_BASE + inner_uid(slot)


def bridge(slot: int) -> str:
    """The name of the tenant's bridge on the host; at most 15 characters, the kernel's limit."""
    return f"lp-{slot}"


@cache
def subnet(slot: int) -> IPv4Network:
    """The tenant's /28."""
    return IPv4Network((int(NETWORK.network_address) + slot * 16, 28))


def gateway(slot: int) -> IPv4Address:
    """The host's address on the tenant's bridge, which an app trusts as its proxy."""
    return subnet(slot).network_address + 1


@cache
def address(slot: int, service_index: int, side: Side | Clone = "a") -> IPv4Address:
    """The fixed address of a tenant's nth service (0 to 5, in the release's order) on one side, or in its clone."""
    if not 0 <= service_index < MOST_SERVICES:
        raise ValueError(f"a tenant has at most {MOST_SERVICES} services")
    if side == "clone":
        return clone_subnet(slot).network_address + 2 + service_index
    return subnet(slot).network_address + (2 if side == "a" else 8) + service_index


def clone_bridge(slot: int) -> str:
    """The name of the bridge of the tenant's clone."""
    return f"lp-c{slot}"


@cache
def clone_subnet(slot: int) -> IPv4Network:
    """The /28 of the tenant's clone."""
    return IPv4Network((int(CLONES.network_address) + slot * 16, 28))


def clone_gateway(slot: int) -> IPv4Address:
    """The host's address on the clone's bridge."""
    return clone_subnet(slot).network_address + 1
