"""Settings of a host for tests, as the operator's side sends them."""

from __future__ import annotations

import base64
from typing import Any

from launchpad.runner import paths

IMAGE = "registry.example.com/caddy:2.11.7@sha256:" + "c" * 64
CADDYFILE = f"""{{
\tadmin unix/{paths.CADDY_SOCKET}
\tpersist_config off
\tstorage file_system {paths.CADDY}/data
}}

import {paths.SITES}/*.caddy
"""


def key(number: int = 0) -> str:
    """A well-formed ed25519 public key."""
    parts = [b"ssh-ed25519", bytes([number]) * 32]
    wire = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return f"ssh-ed25519 {base64.b64encode(wire).decode()}"


OFFSITE = {
    "target": {"name": "offsite", "kind": "rest", "url": "https://backup.example.com", "host_keys": []},
    "credentials": {"REST_USER": 1, "REST_PASSWORD": 2},
}
OFFSITE_SECRETS = {
    "offsite.REST_USER": {"version": 1, "value": "hosts"},
    "offsite.REST_PASSWORD": {"version": 2, "value": "the-password-of-offsite"},
}


AUTHORITY = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
CERTIFICATE = {"logs:CERTIFICATE": {"version": 1, "value": "the-private-key-of-web-1"}}


def collector(host: str = "web-1") -> dict[str, Any]:
    """A collector of logs for web-1: the host itself, or another one."""
    senders = ["203.0.113.7", "203.0.113.8", "2001:db8::9"] if host == "web-1" else []
    return {"host": host, "address": "203.0.113.7", "authority": AUTHORITY, "version": 1, "senders": senders}


def settings(**changes: Any) -> dict[str, Any]:
    return {
        "format": "1",
        "identity": {"host": "web-1", "fleet": "fleet"},
        "operators": [{"name": "alice", "keys": [key(1)]}],
        "allowed_signers": [{"name": "fleet", "keys": [key(9)]}],
        "intent_signers": [],
        "caddy": {"image": IMAGE, "caddyfile": CADDYFILE, "acme_root": ""},
        "storage": {"loop_mb": 4096, "device": ""},
        "ssh": {"port": 22, "root_login": False},
        "admins": [],
        "recipients": [],
        "targets": [],
        "alerts": [],
        "exporter": False,
        "peer": None,
        "logs": None,
    } | changes
