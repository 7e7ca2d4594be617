"""The host that this host looks at from outside: a part of a host's settings, decided from the inventory."""

from __future__ import annotations

import re

from launchpad.runner.protocol import Refused
from launchpad.runner.record import Record
from launchpad.runner.slots import is_tenant_name

ADDRESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:-]{0,252}")


class Peer(Record):
    """Another host of the fleet."""

    host: str
    address: str
    """An IP address, or a name, as in the inventory."""
    witness: str = ""
    """The address of a third host: where it answers, this host's own network works."""


def judge_peer(peer: Peer, *, own: str) -> None:
    """Refuse a peer that is this host, or is no host."""
    if not is_tenant_name(peer.host) or peer.host == own:
        raise Refused(f"settings.peer.host: {peer.host[:60]!r} is not another host's name", code="peer-name")
    for address in filter(None, (peer.address, peer.witness)):
        if ADDRESS.fullmatch(address) is None:
            raise Refused(f"settings.peer: {address[:60]!r} is not an address", code="peer-address")
    if not peer.address:
        raise Refused("settings.peer.address: is empty", code="peer-address-missing")
