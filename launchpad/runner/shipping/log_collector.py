"""The host that collects the logs of the fleet's tenants: a part of a host's settings, decided from the inventory."""

from __future__ import annotations

import re
from ipaddress import ip_address

from launchpad.runner.protocol import Refused
from launchpad.runner.record import Record
from launchpad.runner.slots import is_tenant_name

PORT = 19532
"""The collector's port."""
LOOPBACK = "127.0.0.1"
MOST_SENDERS = 1000
MOST_AUTHORITY = 8192
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+\n-----END CERTIFICATE-----\n")


class LogCollector(Record):
    """Where a host sends its tenants' logs."""

    host: str
    address: str
    """An IP address."""
    authority: str
    """PEM of the authority that signed the certificate of each host of the fleet."""
    version: int
    """Of the authority."""
    senders: tuple[str, ...] = ()
    """The IP addresses that the collector accepts; empty on every other host."""


def judge_collector(logs: LogCollector, *, own: str) -> None:
    """Refuse a collector that is no host, addresses that are none, and senders to another host."""
    if not is_tenant_name(logs.host):
        raise Refused(f"settings.logs.host: {logs.host[:60]!r} is not a host's name", code="log-host-name")
    if len(logs.senders) > MOST_SENDERS or bool(logs.senders) != (logs.host == own):
        raise Refused(
            f"settings.logs.senders: expected 1 to {MOST_SENDERS} on {logs.host}, and none elsewhere",
            code="log-senders",
        )
    for address in (logs.address, *logs.senders):
        try:
            ip_address(address)
        except ValueError as error:
            raise Refused(f"settings.logs: {address[:60]!r} is not an IP address", code="log-address") from error
    if len(logs.authority) > MOST_AUTHORITY or _PEM.fullmatch(logs.authority) is None or logs.version < 1:
        raise Refused(
            "settings.logs.authority: not one certificate in PEM form, or without a version", code="log-authority"
        )


def rules(logs: LogCollector | None) -> str:
    """The firewall's lines that let the senders in; empty where nobody sends."""
    lines = []
    for family, version in (("ip", 4), ("ip6", 6)):
        mine = [address for address in (logs.senders if logs else ()) if ip_address(address).version == version]
        if mine:
            lines.append(f"\n        {family} saddr {{ {', '.join(mine)} }} tcp dport {PORT} accept")
    return "".join(lines)
