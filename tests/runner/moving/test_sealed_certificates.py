"""What comes as certificates: those of the tenant's own domains, as Caddy keeps them, and nothing else."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from launchpad.runner.moving import sealed_certificates
from launchpad.runner.protocol import Refused
from launchpad.runner.provision.wanted_steps import CADDY_UID
from tests.memory.host import MemoryHost
from tests.operations.two_hosts import CERTIFICATE, KEY

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
    assert sealed_certificates.judged(json.dumps({DOMAIN: GOOD}), [DOMAIN]) == {DOMAIN: GOOD}


@pytest.mark.parametrize("name", BAD)
def test_anything_else_is_refused(name: str) -> None:
    with pytest.raises(Refused):
        sealed_certificates.judged(json.dumps(BAD[name]), [DOMAIN])


def test_they_are_sealed_until_they_lie_where_caddy_looks() -> None:
    host = MemoryHost()
    sealed_certificates.keep(host, "alice", {DOMAIN: GOOD})
    assert not [path for path, item in host.files.items() if KEY.encode() in item.data]
    sealed_certificates.place(host, "alice", [DOMAIN])
    folder = f"{sealed_certificates.FOLDER}/{GOOD['authority']}/{DOMAIN}"
    for part in sealed_certificates.PARTS:
        item = host.files[f"{folder}/{DOMAIN}.{part}"]
        assert (item.data.decode(), item.mode, item.uid) == (GOOD[part], 0o600, CADDY_UID)
    assert not [path for path in host.files if path.endswith(".cred")]
    sealed_certificates.place(host, "alice", [DOMAIN])


def certificate(since: datetime) -> str:
    """One of the domain that is valid from then on, and its issuer's behind it."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1 << 100)
        .not_valid_before(since)
        .not_valid_after(since + timedelta(days=90))
        .sign(key, SHA256())
    )
    return made.public_bytes(Encoding.PEM).decode() + CERTIFICATE


@pytest.mark.parametrize(
    ("year", "text"), [(1999, "19990203040506Z"), (2026, "20260203040506Z"), (2051, "20510203040506Z")]
)
def test_when_one_was_issued_is_read_from_itself(year: int, text: str) -> None:
    assert sealed_certificates.issued(certificate(datetime(year, 2, 3, 4, 5, 6, tzinfo=UTC))) == text


@pytest.mark.parametrize("text", ["", "x", CERTIFICATE, "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"])
def test_of_what_is_none_nothing_is_read(text: str) -> None:
    assert sealed_certificates.issued(text) == ""


@pytest.mark.parametrize(("came", "stays"), [(2026, False), (2024, True), (2025, True)])
def test_the_one_that_was_issued_last_stays(came: int, stays: bool) -> None:
    host = MemoryHost()
    old, new = (certificate(datetime(year, 1, 1, tzinfo=UTC)) for year in (2025, came))
    for crt in (old, new):
        sealed_certificates.keep(host, "alice", {DOMAIN: GOOD | {"crt": crt}})
        sealed_certificates.place(host, "alice", [DOMAIN])
    found = host.read(f"{sealed_certificates.FOLDER}/{GOOD['authority']}/{DOMAIN}/{DOMAIN}.crt")
    assert found == (old if stays else new).encode()


def test_one_that_caddy_has_stays() -> None:
    host = MemoryHost()
    host.write(f"{sealed_certificates.FOLDER}/{GOOD['authority']}/{DOMAIN}/{DOMAIN}.json", b"newer")
    sealed_certificates.keep(host, "alice", {DOMAIN: GOOD})
    sealed_certificates.place(host, "alice", [DOMAIN])
    assert host.read(f"{sealed_certificates.FOLDER}/{GOOD['authority']}/{DOMAIN}/{DOMAIN}.json") == b"newer"
