"""signer: whether this host accepts a signature. Changes nothing; used to test the emergency kit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from launchpad.runner import paths
from launchpad.runner.protocol import Refused
from launchpad.runner.verbs import only, reply

if TYPE_CHECKING:
    from launchpad.runner.caller import Caller
    from launchpad.runner.system import ProvisionHost

PREFIX = "launchpad signer "
"""The signed text begins so, so that the signature is valid neither for settings nor for a runner."""
NAMESPACE = "launchpad-settings"
MOST_TEXT = 200


def signer(host: ProvisionHost, body: Mapping[str, Any], _caller: Caller) -> Iterator[dict[str, Any]]:
    """{"known": whether the signature of the text is by that allowed signer}. body {"text", "signature", "signer"}."""
    given = only(body, text=str, signature=str, signer=str)
    text = given["text"] or ""
    if not text.startswith(PREFIX) or len(text) > MOST_TEXT:
        raise Refused(
            f"signer: the text must begin with {PREFIX!r} and have at most {MOST_TEXT} characters",
            code="signer-text-begin-most-characters",
        )
    known = host.system.verified(
        text.encode(),
        signature=given["signature"] or "",
        signers=(host.read(f"{paths.ETC}/allowed_signers") or b"").decode(),
        signer=given["signer"] or "",
        namespace=NAMESPACE,
    )
    yield reply({"known": known})
