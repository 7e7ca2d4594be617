"""shown: record for `history` that an operator is about to read the value of a tenant's secret."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from launchpad.runner.account import note_of
from launchpad.runner.caller import Caller
from launchpad.runner.host import Host
from launchpad.runner.protocol import Refused
from launchpad.runner.slots import is_tenant_name
from launchpad.runner.verbs import reply
from launchpad.runner.wire.body import Empty, body_from_json
from launchpad.runner.wire.tenant_bodies import SecretShown

_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,63}")


def shown(host: Host, body: Mapping[str, Any], caller: Caller) -> Iterator[dict[str, Any]]:
    """Empty, after the write to disk; body SecretShown."""
    given = body_from_json(SecretShown, body)
    tenant, secret = given.tenant, given.secret
    if not is_tenant_name(tenant) or _NAME.fullmatch(secret) is None:
        raise Refused("shown: expected a tenant's name and a secret's")
    note_of(host, caller.operator, "secret", f"{secret} was shown", tenant=tenant)
    yield reply(Empty())
