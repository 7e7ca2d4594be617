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
from launchpad.runner.verbs import only, reply

_PIECE = 256 * 1024
_LINES_AT_ONCE = 400
_CASE_BYTES = 32


def diagnose(host: Examined, body: Mapping[str, Any], _caller: Caller) -> Iterator[dict[str, Any]]:
    """{"type": "data", "data": base64} lines, which together are the bundle; then {"manifest", "diagnoses": [{"cause",
    "tenant", "message", "hint", "evidence"}], "bytes", "digest"}. The diagnoses have names and addresses, the bundle
    has none. Refused when a secret that the host holds stands in the bundle.

    body {"tenant": its name, or none for the whole host, "case": the key of a case in hex, "addresses": where the host
    is reached, "preview": no data lines, "quick": only the diagnoses, within a few seconds, "operation": the one that
    has just failed}."""
    given = only(body, tenant=str, case=str, addresses=list, preview=bool, quick=bool, operation=str)
    tenant = given["tenant"] or ""
    there = known_tenants(host)
    if tenant and tenant not in there:
        raise Refused(
            f"{tenant[:60]} is not on this host", code="no-such-tenant-on-host", kind="state", hint=Next("status")
        )
    identifier = given["operation"] or ""
    if identifier and IDENTIFIER.fullmatch(identifier) is None:
        raise Refused("not an operation's id")
    meant = (tenant,) if tenant else there
    addresses = tuple(item[:64] for item in given["addresses"] or () if isinstance(item, str))[:8]
    if given["quick"]:
        desk = Desk(host=host, tenants=meant, addresses=addresses, lines=_LINES_AT_ONCE, operation=identifier)
        yield reply({"diagnoses": [item.as_json() for item in likely_causes(desk, tenant=tenant)]})
        return
    made = make_bundle(Desk(host=host, tenants=meant, addresses=addresses), tenant=tenant, case=_key(given["case"]))
    if not given["preview"]:
        for begin in range(0, len(made.data), _PIECE):
            yield {"type": "data", "data": base64.b64encode(made.data[begin : begin + _PIECE]).decode()}
    told = {"manifest": dict(made.manifest), "diagnoses": [item.as_json() for item in made.diagnoses]}
    yield reply(told | {"bytes": len(made.data), "digest": digest_of(made.data)})


def _key(text: str | None) -> bytes:
    try:
        key = binascii.unhexlify(text or "")
    except ValueError:
        key = b"?"
    if key and len(key) != _CASE_BYTES:
        raise Refused(f"case: expected {_CASE_BYTES} bytes in hex")
    return key
