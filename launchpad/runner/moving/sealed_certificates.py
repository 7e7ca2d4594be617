"""Caddy's certificates for a tenant's domains: read from Caddy's storage, sealed, and written to Caddy's storage.

Received certificates are sealed like secrets until their operation places them. A tenant without a certificate gets a
new one from the authority, which takes seconds and counts against the authority's limits.
"""

from __future__ import annotations

import base64
import calendar
import json
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from launchpad.runner import paths
from launchpad.runner.host import Failed, Host
from launchpad.runner.protocol import Refused
from launchpad.runner.provision.wanted_steps import CADDY_UID

CARRIED_AS = "CADDY_CERTIFICATES"
"""Their name among a request's secrets; a release cannot use this name."""
FOLDER = f"{paths.CADDY}/data/certificates"
PARTS = ("crt", "key", "json")
MOST_BYTES = 256 * 1024
_AUTHORITY = re.compile(r"[a-z0-9][a-z0-9.-]{0,200}")
_CERTIFICATE = re.compile(r"(?:-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+-----END CERTIFICATE-----\n?\n?)+")
_KEY = re.compile(
    r"-----BEGIN (?:EC |RSA )?PRIVATE KEY-----\n[A-Za-z0-9+/=\n]+-----END (?:EC |RSA )?PRIVATE KEY-----\n?"
)


def found(host: Host, domains: Sequence[str]) -> dict[str, dict[str, str]]:
    """Domain → {"authority", "crt", "key", "json"}, for the domains for which Caddy has all of these."""
    bundle = {}
    for authority in host.names(FOLDER):
        for domain in domains:
            parts = {part: host.read(f"{FOLDER}/{authority}/{domain}/{domain}.{part}") for part in PARTS}
            if all(parts.values()):
                bundle[domain] = {"authority": authority} | {
                    part: (data or b"").decode(errors="replace") for part, data in parts.items()
                }
    return bundle


def valid(host: Host, domain: str) -> tuple[float, float] | None:
    """The validity (begin and end, seconds since 1970) of Caddy's certificate for the domain, the longest of several;
    None without a certificate."""
    paths_of_it = (f"{FOLDER}/{authority}/{domain}/{domain}.crt" for authority in host.names(FOLDER))
    found = (validity((host.read(path) or b"").decode(errors="replace")) for path in paths_of_it)
    known = [(_seconds(begins), _seconds(ends)) for begins, ends in found if ends]
    return max(known, key=lambda item: item[1], default=None)


def _seconds(moment: str) -> float:
    return float(calendar.timegm(time.strptime(moment, "%Y%m%d%H%M%SZ")))


def judged(value: str, domains: Sequence[str]) -> dict[str, dict[str, str]]:
    """The bundle in a request; Refused unless it has only certificates of these domains."""
    try:
        bundle = json.loads(value) if len(value) <= MOST_BYTES else None
    except (ValueError, RecursionError):
        bundle = None
    if not isinstance(bundle, dict):
        raise Refused("certificates: expected a bundle of certificates")
    for domain, parts in bundle.items():
        if domain not in domains or not isinstance(parts, dict) or set(parts) != {"authority", *PARTS}:
            raise Refused(f"certificates: {domain[:80]!r} is not a domain of the tenant, or its entry is incomplete")
        if not all(isinstance(item, str) for item in parts.values()):
            raise Refused(f"certificates of {domain}: not text")
        fits = _AUTHORITY.fullmatch(parts["authority"]) and _CERTIFICATE.fullmatch(parts["crt"])
        if not fits or not _KEY.fullmatch(parts["key"]) or not _is_about(parts["json"], domain):
            raise Refused(f"certificates of {domain}: not in the form that Caddy stores")
    return bundle


def _is_about(text: str, domain: str) -> bool:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and value.get("sans") == [domain]


def wanting(host: Host, bundle: Mapping[str, Mapping[str, str]]) -> dict[str, Mapping[str, str]]:
    """The certificates of the bundle that Caddy lacks on this host, or has with an earlier issue date."""
    return {domain: parts for domain, parts in bundle.items() if _is_wanted(host, domain, parts)}


def _is_wanted(host: Host, domain: str, parts: Mapping[str, str]) -> bool:
    path = f"{FOLDER}/{parts['authority']}/{domain}/{domain}"
    if host.read(f"{path}.json") is None:
        return True
    return issued(parts["crt"]) > issued((host.read(f"{path}.crt") or b"").decode(errors="replace"))


def issued(text: str) -> str:
    """When the first certificate's validity begins, as YYYYMMDDHHMMSSZ; empty when unreadable."""
    return validity(text)[0]


def validity(text: str) -> tuple[str, str]:
    """When the first certificate's validity begins and ends, each as YYYYMMDDHHMMSSZ; both empty when unreadable."""
    try:
        der = base64.b64decode(text.partition("-----BEGIN CERTIFICATE-----")[2].partition("-----END")[0])
        _, certificate, _ = _element(der, 0)
        _, at, _ = _element(der, certificate)
        tag, _, end = _element(der, at)
        at = end if tag == _VERSION else at
        for _ in ("serial number", "signature", "issuer"):
            _, _, at = _element(der, at)
        _, at, _ = _element(der, at)
        begins, at = _moment(der, at)
        return begins, _moment(der, at)[0]
    except (ValueError, IndexError):
        return "", ""


def _moment(der: bytes, at: int) -> tuple[str, int]:
    """The time at this position, and the position of the next element."""
    tag, at, end = _element(der, at)
    moment = der[at:end].decode("ascii")
    return moment if tag == _LONG_TIME else f"{'19' if moment[:2] >= '50' else '20'}{moment}", end


_VERSION, _LONG_TIME = 0xA0, 0x18


def _element(der: bytes, at: int) -> tuple[int, int, int]:
    """The element's tag, and where its content begins and ends."""
    tag, size, at = der[at], der[at + 1], at + 2
    if size & 0x80:
        length = size & 0x7F
        size, at = int.from_bytes(der[at : at + length], "big"), at + length
    return tag, at, at + size


def keep(host: Host, tenant: str, bundle: Mapping[str, Any]) -> None:
    """Seal the received certificates until they are placed."""
    host.folder(paths.vault(tenant), mode=0o700)
    host.remove(_sealed(tenant))
    host.seal(_sealed(tenant), _sealed_as(tenant), json.dumps(bundle).encode())


def place(host: Host, tenant: str, domains: Sequence[str]) -> None:
    """Write the sealed certificates that Caddy lacks to Caddy's storage, then remove the sealed file."""
    if host.read(_sealed(tenant)) is None:
        return
    try:
        bundle = judged(host.unseal(_sealed(tenant), _sealed_as(tenant)).decode(), domains)
    except Refused as refused:
        raise Failed(refused.message, code=refused.code) from refused
    for domain, parts in wanting(host, bundle).items():
        folder = f"{FOLDER}/{parts['authority']}/{domain}"
        for path in (FOLDER, f"{FOLDER}/{parts['authority']}", folder):
            host.folder(path, mode=0o700, uid=CADDY_UID)
        for part in PARTS:
            host.write(f"{folder}/{domain}.{part}", parts[part].encode(), mode=0o600, uid=CADDY_UID)
    host.remove(_sealed(tenant))


def _sealed(tenant: str) -> str:
    return f"{paths.vault(tenant)}/{CARRIED_AS}.cred"


def _sealed_as(tenant: str) -> str:
    return f"{tenant}.{CARRIED_AS}"
