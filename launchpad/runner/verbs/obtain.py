"""obtain: have Caddy request a tenant's missing certificates now instead of at its next try."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from launchpad.runner.caller import Caller
from launchpad.runner.hint import HERE, Next
from launchpad.runner.host import Busy, Failed
from launchpad.runner.moving.sealed_certificates import valid
from launchpad.runner.plan import read_record
from launchpad.runner.protocol import Refused
from launchpad.runner.slots import is_tenant_name
from launchpad.runner.verbs import reply
from launchpad.runner.view import View
from launchpad.runner.watching.certificate_check import reasons, wrong
from launchpad.runner.wire.body import body_from_json
from launchpad.runner.wire.tenant_bodies import Obtain, ObtainedName, ObtainReply

MOST_SECONDS, POLL_SECONDS = 60.0, 0.5
AGAIN_SECONDS = 20.0
"""If Caddy logs nothing about a name for so many seconds, the request is repeated: the old try ended just when the new
one began."""


def obtain(host: View, body: Mapping[str, Any], caller: Caller) -> Iterator[dict[str, Any]]:
    """ObtainReply, as soon as each name has its certificate or a reason for its absence; at the latest after a minute;
    body Obtain.

    Caddy reloads its configuration for this, so other tenants' WebSockets live on only for their
    stream_close_delay."""
    tenant = body_from_json(Obtain, body).tenant
    record = read_record(host, tenant) if is_tenant_name(tenant) else None
    if record is None or record["retired"]:
        raise Refused(
            f"{tenant[:60]} is not deployed on this host", code="not-deployed", kind="state", hint=Next("status")
        )
    lacking = [domain for domain in record["domains"] if wrong(valid(host, domain), host.now())]
    why: dict[str, str] = {}
    try:
        for seconds in (AGAIN_SECONDS, MOST_SECONDS - AGAIN_SECONDS) if lacking else ():
            begun, end = host.now(), host.elapsed() + seconds
            with host.lock("edge", {"who": caller.operator, "kind": "obtain", "tenant": tenant}, seconds=60):
                host.load_sites(again=True)
            while lacking and host.elapsed() < end:
                host.wait(POLL_SECONDS)
                lacking = [domain for domain in lacking if wrong(valid(host, domain), host.now())]
                why = {domain: said for domain, said in reasons(host, begun).items() if domain in lacking}
                if set(lacking) == set(why):
                    break
            if set(lacking) == set(why):
                break
    except Busy as busy:
        message = f"{tenant}: {busy.owner.get('tenant', 'another operation')} changes Caddy's sites"
        raise Refused(
            message, code="sites-locked", kind="locked", hint=Next("certificates", tenant, "--retry")
        ) from busy
    except Failed as failed:
        raise Refused(
            f"{tenant}: {failed.message}", code="sites-not-loaded", kind="step", hint=Next("provision", HERE)
        ) from failed
    names = {domain: ObtainedName(until=_until(host, domain), why=why.get(domain, "")) for domain in record["domains"]}
    yield reply(ObtainReply(names=names))


def _until(host: View, domain: str) -> float | None:
    found = valid(host, domain)
    return found[1] if found else None
