"""certificates: Caddy's certificates for a tenant, encrypted for the recipients in the signed settings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from launchpad.runner import slots
from launchpad.runner.backups import keeping, work
from launchpad.runner.caller import Caller
from launchpad.runner.hint import Next
from launchpad.runner.host import Confined, Failed, Host
from launchpad.runner.moving import sealed_certificates as kept
from launchpad.runner.plan import read_record
from launchpad.runner.protocol import Refused
from launchpad.runner.verbs import reply
from launchpad.runner.verbs.send import passed_on
from launchpad.runner.wire.body import body_from_json
from launchpad.runner.wire.streams import CertificatesReply, SendCertificates

SECONDS = 60


def certificates(host: Host, body: Mapping[str, Any], _caller: Caller) -> Iterator[dict[str, Any]]:
    """DataLines, which together are one age file with a JSON bundle; then CertificatesReply; body SendCertificates.

    Refused unless the tenant is on this host or has left it."""
    tenant = body_from_json(SendCertificates, body).tenant
    record = read_record(host, tenant) if slots.is_tenant_name(tenant) else None
    if record is None or record["retired"]:
        raise Refused(
            f"{tenant[:60]} is not deployed on this host", code="not-deployed", kind="state", hint=Next("status")
        )
    sealed_for = keeping.recipients(host)
    bundle = kept.found(host, record["domains"])
    task = {"do": "encrypt", "uid": slots.host_uid(0), "recipients": sealed_for, "text": json.dumps(bundle)}
    unit = work.unit(tenant, f"send-{round(host.now() * 1000)}")
    try:
        sent = yield from passed_on(host, Confined(unit=unit, task=task, seconds=SECONDS))
    except Failed as failed:
        raise Refused(f"{tenant}: {failed.message}", code=failed.code, kind="step") from failed
    yield reply(CertificatesReply(domains=tuple(sorted(bundle)), pieces=sent["pieces"]))
