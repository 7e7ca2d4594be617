"""confirm: keep a change of access, over a connection that was opened after the change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from launchpad.runner.caller import Caller
from launchpad.runner.protocol import Refused
from launchpad.runner.provision import reverts
from launchpad.runner.system import ProvisionHost


def confirm(host: ProvisionHost, body: Mapping[str, Any], _caller: Caller) -> Iterator[dict[str, Any]]:
    """{"nonce", "outcome": "confirmed"}; body {"nonce"}."""
    if set(body) != {"nonce"} or not isinstance(body["nonce"], str):
        raise Refused("confirm: expected only the nonce")
    reverts.confirm(host, body["nonce"])
    yield {"type": "reply", "body": {"nonce": body["nonce"], "outcome": "confirmed"}}
