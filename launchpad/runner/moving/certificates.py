"""Caddy's certificates for a tenant's domains: read where Caddy keeps them, sealed on the way, put where it looks.

What came is sealed like a secret until the operation that it came with places it. Whoever has none gets a new one from
the authority, which takes seconds and counts against its limits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from launchpad.runner import paths
from launchpad.runner.host import Failed, Host
from launchpad.runner.protocol import Refused
from launchpad.runner.provision.wanted import CADDY_UID

CARRIED_AS = "CADDY_CERTIFICATES"
"""What they are called among a request's secrets: none of a release's."""
FOLDER = f"{paths.CADDY}/data/certificates"
PARTS = ("crt", "key", "json")
MOST_BYTES = 256 * 1024
_AUTHORITY = re.compile(r"[a-z0-9][a-z0-9.-]{0,200}")
_CERTIFICATE = re.compile(r"(?:-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+-----END CERTIFICATE-----\n?\n?)+")
_KEY = re.compile(
    r"-----BEGIN (?:EC |RSA )?PRIVATE KEY-----\n[A-Za-z0-9+/=\n]+-----END (?:EC |RSA )?PRIVATE KEY-----\n?"
)


def found(host: Host, domains: Sequence[str]) -> dict[str, dict[str, str]]:
    """Domain → {"authority", "crt", "key", "json"}, of those for which Caddy has all of it."""
    bundle = {}
    for authority in host.names(FOLDER):
        for domain in domains:
            parts = {part: host.read(f"{FOLDER}/{authority}/{domain}/{domain}.{part}") for part in PARTS}
            if all(parts.values()):
                bundle[domain] = {"authority": authority} | {
                    part: (data or b"").decode(errors="replace") for part, data in parts.items()
                }
    return bundle


def judged(value: str, domains: Sequence[str]) -> dict[str, dict[str, str]]:
    """The bundle in a request; Refused unless it is certificates of these domains and nothing else."""
    try:
        bundle = json.loads(value) if len(value) <= MOST_BYTES else None
    except (ValueError, RecursionError):
        bundle = None
    if not isinstance(bundle, dict):
        raise Refused("the certificates are not a bundle of them")
    for domain, parts in bundle.items():
        if domain not in domains or not isinstance(parts, dict) or set(parts) != {"authority", *PARTS}:
            raise Refused(f"certificates: {domain[:80]!r} is not one of its domains, or not all of one")
        if not all(isinstance(item, str) for item in parts.values()):
            raise Refused(f"certificates of {domain}: not text")
        fits = _AUTHORITY.fullmatch(parts["authority"]) and _CERTIFICATE.fullmatch(parts["crt"])
        if not fits or not _KEY.fullmatch(parts["key"]) or not _is_about(parts["json"], domain):
            raise Refused(f"certificates of {domain}: not as Caddy keeps them")
    return bundle


def _is_about(text: str, domain: str) -> bool:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and value.get("sans") == [domain]


def keep(host: Host, tenant: str, bundle: Mapping[str, Any]) -> None:
    """Seal what came until it is placed."""
    host.folder(paths.vault(tenant), mode=0o700)
    host.remove(_sealed(tenant))
    host.seal(_sealed(tenant), _sealed_as(tenant), json.dumps(bundle).encode())


def place(host: Host, tenant: str, domains: Sequence[str]) -> None:
    """Put those of the sealed ones where Caddy looks that it has none of; then there is nothing sealed any more."""
    if host.read(_sealed(tenant)) is None:
        return
    try:
        bundle = judged(host.unseal(_sealed(tenant), _sealed_as(tenant)).decode(), domains)
    except Refused as refused:
        raise Failed(refused.message) from refused
    for domain, parts in bundle.items():
        folder = f"{FOLDER}/{parts['authority']}/{domain}"
        if host.read(f"{folder}/{domain}.json") is not None:
            continue
        for path in (FOLDER, f"{FOLDER}/{parts['authority']}", folder):
            host.folder(path, mode=0o700, uid=CADDY_UID)
        for part in PARTS:
            host.write(f"{folder}/{domain}.{part}", parts[part].encode(), mode=0o600, uid=CADDY_UID)
    host.remove(_sealed(tenant))


def _sealed(tenant: str) -> str:
    return f"{paths.vault(tenant)}/{CARRIED_AS}.cred"


def _sealed_as(tenant: str) -> str:
    return f"{tenant}.{CARRIED_AS}"
