"""Signing, with the operator's signing key, what a host carries out only for a person."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from launchpad.runner.judge.intent import FLEET, NAMESPACE, needs_signature, signed_text
from launchpad.runner.protocol import Envelope, canonical, digest_of, record_as_json

VALID_SECONDS = 10 * 60
"""Less than a host allows, because clocks differ."""
Sign = Callable[[bytes], str]
"""Gives the armoured signature over an intent's text."""


def signs_with(key: Path) -> Sign | None:
    """Signs with the key's file; None where there is no such key. A host then refuses what must be signed."""
    if not key.exists() and not key.with_name(f"{key.name}.pub").exists():
        return None

    def sign_intent(data: bytes) -> str:
        from launchpad.ssh.archive import sign

        return sign(data, key=key, namespace=NAMESPACE)

    return sign_intent


def intent_for(host: str, verb: str, body: Mapping[str, Any], sign: Sign | None) -> dict[str, Any]:
    """What stands beside the body of a request: {"intent": …}, or nothing for what needs no signature. Made anew for
    each try: it holds for minutes, and for one try."""
    if sign is None or not needs_signature(verb, body):
        return {}
    operation = body["operation"] if verb == "submit" else {}
    envelope = Envelope(
        fleet=FLEET,
        host=host,
        verb=verb,
        nonce=secrets.token_hex(16),
        body=digest_of(canonical(body)),
        revision=operation.get("inventory", {}).get("revision", ""),
        until=int(time.time()) + VALID_SECONDS,
    )
    return {"intent": {"envelope": record_as_json(envelope), "signature": sign(signed_text(envelope))}}
