"""diagnose: what is wrong with a tenant or the host, and a bundle of what was looked at, without secrets and names."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any

from launchpad.runner.caller import Caller
from launchpad.runner.diagnosing.bundle import likely_causes, make_bundle
from launchpad.runner.diagnosing.collectors import known_tenants
from launchpad.runner.diagnosing.desk import Desk, Examined
from launchpad.runner.hint import Next
from launchpad.runner.journal import IDENTIFIER
from launchpad.runner.protocol import Refused, digest_of
from launchpad.runner.verbs import reply
from launchpad.runner.wire.body import body_from_json
from launchpad.runner.wire.streams import DataLine, Diagnose, DiagnoseReply

_PIECE = 256 * 1024
_LINES_AT_ONCE = 400
_CASE_BYTES = 32


def diagnose(host: Examined, body: Mapping[str, Any], _caller: Caller) -> Iterator[dict[str, Any]]:
    """DataLines, which together are the bundle; then DiagnoseReply; body Diagnose. Refused when a secret that the host
    holds stands in the bundle."""
    given = body_from_json(Diagnose, body)
    tenant = given.tenant
    there = known_tenants(host)
    if tenant and tenant not in there:
        raise Refused(
            f"{tenant[:60]} is not on this host", code="no-such-tenant-on-host", kind="state", hint=Next("status")
        )
    identifier = given.operation
    if identifier and IDENTIFIER.fullmatch(identifier) is None:
        raise Refused("not an operation's id")
    meant = (tenant,) if tenant else there
    addresses = tuple(item[:64] for item in given.addresses)[:8]
    if given.quick:
        desk = Desk(host=host, tenants=meant, addresses=addresses, lines=_LINES_AT_ONCE, operation=identifier)
        yield reply(DiagnoseReply(diagnoses=tuple(likely_causes(desk, tenant=tenant))))
        return
    made = make_bundle(Desk(host=host, tenants=meant, addresses=addresses), tenant=tenant, case=_key(given.case))
    if not given.preview:
        for begin in range(0, len(made.data), _PIECE):
            yield DataLine(data=base64.b64encode(made.data[begin : begin + _PIECE]).decode()).as_line()
    yield reply(
        DiagnoseReply(
            diagnoses=tuple(made.diagnoses),
            manifest=made.manifest,
            bytes=len(made.data),
            digest=digest_of(made.data),
        )
    )


def _key(text: str) -> bytes:
    try:
        key = binascii.unhexlify(text)
    except ValueError:
        key = b"?"
    if key and len(key) != _CASE_BYTES:
        raise Refused(f"case: expected {_CASE_BYTES} bytes in hex")
    return key
