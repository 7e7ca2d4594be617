"""What comes as certificates: those of the tenant's own domains, as Caddy keeps them, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from launchpad.runner.moving import certificates
from launchpad.runner.protocol import Refused
from launchpad.runner.provision.wanted import CADDY_UID
from tests.memory.host import MemoryHost
from tests.operations.moving import CERTIFICATE, KEY

DOMAIN = "alice.example.com"
GOOD: dict[str, Any] = {
    "authority": "acme.example.com-directory",
    "crt": CERTIFICATE,
    "key": KEY,
    "json": json.dumps({"sans": [DOMAIN]}),
}
BAD: dict[str, Any] = {
    "another's domain": {"bob.example.com": GOOD | {"json": json.dumps({"sans": ["bob.example.com"]})}},
    "a domain that climbs": {"../../sites/x": GOOD},
    "an authority that climbs": {DOMAIN: GOOD | {"authority": "../.."}},
    "no certificate": {DOMAIN: GOOD | {"crt": "#!/bin/sh"}},
    "no key": {DOMAIN: GOOD | {"key": "-----BEGIN CERTIFICATE-----"}},
    "about another domain": {DOMAIN: GOOD | {"json": json.dumps({"sans": ["bob.example.com"]})}},
    "not all of it": {DOMAIN: {"crt": CERTIFICATE}},
    "more than all of it": {DOMAIN: GOOD | {"site": "x"}},
    "no text": {DOMAIN: GOOD | {"key": 1}},
    "a list": [],
}


def test_what_caddy_keeps_is_taken() -> None:
    assert certificates.judged(json.dumps({DOMAIN: GOOD}), [DOMAIN]) == {DOMAIN: GOOD}


@pytest.mark.parametrize("name", BAD)
def test_anything_else_is_refused(name: str) -> None:
    with pytest.raises(Refused):
        certificates.judged(json.dumps(BAD[name]), [DOMAIN])


def test_they_are_sealed_until_they_lie_where_caddy_looks() -> None:
    host = MemoryHost()
    certificates.keep(host, "alice", {DOMAIN: GOOD})
    assert not [path for path, item in host.files.items() if KEY.encode() in item.data]
    certificates.place(host, "alice", [DOMAIN])
    folder = f"{certificates.FOLDER}/{GOOD['authority']}/{DOMAIN}"
    for part in certificates.PARTS:
        item = host.files[f"{folder}/{DOMAIN}.{part}"]
        assert (item.data.decode(), item.mode, item.uid) == (GOOD[part], 0o600, CADDY_UID)
    assert not [path for path in host.files if path.endswith(".cred")]
    certificates.place(host, "alice", [DOMAIN])


def test_one_that_caddy_has_stays() -> None:
    host = MemoryHost()
    host.write(f"{certificates.FOLDER}/{GOOD['authority']}/{DOMAIN}/{DOMAIN}.json", b"newer")
    certificates.keep(host, "alice", {DOMAIN: GOOD})
    certificates.place(host, "alice", [DOMAIN])
    assert host.read(f"{certificates.FOLDER}/{GOOD['authority']}/{DOMAIN}/{DOMAIN}.json") == b"newer"
