"""The IP address of a host: other hosts forward requests to the address, and tenants' names must point to it."""

from __future__ import annotations

import socket
from ipaddress import ip_address

from launchpad.errors import StateError
from launchpad.fleet.model.host import Host


def ip_of(host: Host) -> str:
    """The host's address in the inventory. For a host name: the address from this machine's resolver, IPv4 if there is
    one. StateError when the resolver returns no address, or several addresses, because the right one is unknown."""
    text = str(host.address)
    try:
        return str(ip_address(text))
    except ValueError:
        pass
    hint = f"write the host's IP address into inventory/hosts.yaml: {host.name}: {{address: …}}"
    try:
        told = {ip_address(str(item[4][0])) for item in socket.getaddrinfo(text, host.port, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError, ValueError) as error:
        raise StateError(f"{host.name}: cannot resolve {text}: {error}", code="cannot-resolve", hint=hint) from error
    best = min(item.version for item in told)
    found = sorted(str(item) for item in told if item.version == best)
    if len(found) != 1:
        raise StateError(
            f"{host.name}: {text} has several addresses: {' and '.join(found)}", code="several-addresses", hint=hint
        )
    return found[0]
