"""signer: whether this host accepts a signature. Changes nothing; used to test the emergency kit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from launchpad.runner import paths
from launchpad.runner.protocol import Refused
from launchpad.runner.verbs import reply
from launchpad.runner.wire.body import body_from_json
from launchpad.runner.wire.host_bodies import Signer, SignerReply

if TYPE_CHECKING:
    from launchpad.runner.caller import Caller
    from launchpad.runner.system import ProvisionHost

PREFIX = "launchpad signer "
"""The signed text begins so, so that the signature is valid neither for settings nor for a runner."""
NAMESPACE = "launchpad-settings"
MOST_TEXT = 200


def signer(host: ProvisionHost, body: Mapping[str, Any], _caller: Caller) -> Iterator[dict[str, Any]]:
    """SignerReply; body Signer."""
    given = body_from_json(Signer, body)
    text = given.text
    if not text.startswith(PREFIX) or len(text) > MOST_TEXT:
        raise Refused(
            f"signer: the text must begin with {PREFIX!r} and have at most {MOST_TEXT} characters",
            code="signer-text",
        )
    known = host.system.verified(
        text.encode(),
        signature=given.signature,
        signers=(host.read(f"{paths.ETC}/allowed_signers") or b"").decode(),
        signer=given.signer,
        namespace=NAMESPACE,
    )
    yield reply(SignerReply(known=known))
