"""A host's IP address, also where the inventory has a name."""

from __future__ import annotations

import pytest

from launchpad.errors import StateError
from launchpad.fleet.model.host import Host
from launchpad.operations.dns.address import ip_of


def host(address: str) -> Host:
    return Host.model_validate(
        {"name": "web-1", "address": address, "resources": {"cpus": 2, "memory": "4GiB", "disk": "20GiB"}}
    )


@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8::7"])
def test_an_address_is_taken_as_it_is(address: str) -> None:
    assert ip_of(host(address)) == address


def test_a_name_is_looked_up() -> None:
    assert ip_of(host("localhost")) == "127.0.0.1"


def test_a_name_that_leads_nowhere_is_told() -> None:
    with pytest.raises(StateError, match=r"web-1: cannot resolve gone\.invalid") as caught:
        ip_of(host("gone.invalid"))
    assert caught.value.hint == "write the host's IP address into inventory/hosts.yaml: web-1: {address: …}"
