"""The site of a tenant that left, as Caddy has it: its names, one address, and a certificate of that very name."""

from __future__ import annotations

from typing import Any

import pytest

from launchpad.runner.moving.forward import forward
from launchpad.runner.provision.fleet_caddyfile import ACME_ROOT
from tests.memory.host import MemoryHost
from tests.render.tools import adapt

DOMAINS = ("alice.example.com", "a.example.org")


@pytest.mark.parametrize(("address", "dialled"), [("192.0.2.7", "192.0.2.7:443"), ("2001:db8::7", "[2001:db8::7]:443")])
@pytest.mark.parametrize("own_authority", [False, True])
def test_only_its_names_are_passed_on_and_only_to_who_proves_them(
    address: str, dialled: str, own_authority: bool
) -> None:
    host = MemoryHost()
    if own_authority:
        host.write(ACME_ROOT, b"a certificate")
    (server,) = adapt(forward(host, DOMAINS, address))["apps"]["http"]["servers"].values()
    assert server["listen"] == [":443"]
    assert "'Retry-After': ['5']" in str(server["errors"]), "who finds neither host is not told to come back"
    assert sorted(route["match"][0]["host"][0] for route in server["routes"]) == sorted(DOMAINS)
    for route in server["routes"]:
        (domain,) = route["match"][0]["host"]
        (proxy,) = [item for item in handlers(route) if item["handler"] == "reverse_proxy"]
        assert proxy["upstreams"] == [{"dial": dialled}]
        assert proxy["headers"]["request"]["set"] == {"Host": [domain]}
        tls = proxy["transport"]["tls"]
        assert tls["server_name"] == domain and "insecure_skip_verify" not in tls
        assert tls.get("ca") == ({"provider": "file", "pem_files": [ACME_ROOT]} if own_authority else None)


def handlers(route: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for item in route["handle"]:
        found += (
            [item] if item["handler"] != "subroute" else [each for inner in item["routes"] for each in handlers(inner)]
        )
    return found
