"""confirm: keep a change of access, over a connection that was opened after the change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from launchpad.runner.caller import Caller
from launchpad.runner.provision import reverts
from launchpad.runner.system import ProvisionHost
from launchpad.runner.verbs import reply
from launchpad.runner.wire.body import Empty, body_from_json
from launchpad.runner.wire.host_bodies import Confirm


def confirm(host: ProvisionHost, body: Mapping[str, Any], _caller: Caller) -> Iterator[dict[str, Any]]:
    """Empty, after the change is kept; body Confirm."""
    reverts.confirm(host, body_from_json(Confirm, body).nonce)
    yield reply(Empty())
