"""The collector of logs: at most one host, and an IP address for each host while there is one. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from ipaddress import ip_address

from launchpad.fleet.reading.tree import Tree
from launchpad.fleet.words.mistakes import Mistake


def collector_mistakes(hosts: Mapping[str, Tree]) -> Iterator[Mistake]:
    """The mistakes of hosts.yaml about `collector: true`."""
    named = {name: tree.get("collector") for name, tree in hosts.items()}
    collectors = {name: said for name, said in named.items() if said is not None and said.value is True}
    first, *others = collectors or [""]
    for name in others:
        yield Mistake(
            collectors[name].place, f"{first} and {name} are both collectors", "one host with collector: true"
        )
    for name, tree in hosts.items() if collectors else ():
        address = tree.get("address")
        if address is None or not isinstance(address.value, str):
            continue  # the model has reported it
        with suppress(ValueError):
            ip_address(address.value)
            continue
        what = f"the collector's firewall needs the IP address of {name}, not {address.value}"
        yield Mistake(address.place, what, "an IP address such as 203.0.113.7")
