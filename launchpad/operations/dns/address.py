"""The IP address of a host: hosts pass requests on to it, and tenants' names are to lead to it."""

from __future__ import annotations

import socket
from ipaddress import ip_address

from launchpad.errors import StateError
from launchpad.fleet.model.host import Host


def ip_of(host: Host) -> str:
    """The host's address in the inventory; where that is a name, the one that this machine's resolver tells, IPv4 when
    there is one. StateError when it tells none, or several: which of them the host is cannot be known."""
    text = str(host.address)
    try:
        return str(ip_address(text))
    except ValueError:
        pass
    hint = f"write its IP address into inventory/hosts.yaml: {host.name}: {{address: …}}"
    try:
        told = {ip_address(str(item[4][0])) for item in socket.getaddrinfo(text, host.port, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError, ValueError) as error:
        raise StateError(f"{host.name}: {text} leads to no address from here: {error}", hint=hint) from error
    best = min(item.version for item in told)
    found = sorted(str(item) for item in told if item.version == best)
    if len(found) != 1:
        raise StateError(f"{host.name}: {text} leads to {' and '.join(found)}: which one it is is not known", hint=hint)
    return found[0]
