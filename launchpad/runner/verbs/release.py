"""release: the files of the release that a tenant runs. Reads only.

A plan shows its differences from these files. A release's files contain no secrets; known values are removed anyway, in
case one got in.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from launchpad.runner import paths
from launchpad.runner.caller import Caller
from launchpad.runner.cell import read_release
from launchpad.runner.host import Failed, Host
from launchpad.runner.log_redaction import known_secrets
from launchpad.runner.plan import read_record
from launchpad.runner.protocol import Refused, release_as_json, release_from_json
from launchpad.runner.slots import is_tenant_name
from launchpad.runner.verbs import reply
from launchpad.runner.wire.body import body_from_json
from launchpad.runner.wire.tenant_bodies import ReadRelease, ReleaseReply


def release(host: Host, body: Mapping[str, Any], _caller: Caller) -> Iterator[dict[str, Any]]:
    """ReleaseReply; body ReadRelease."""
    tenant = body_from_json(ReadRelease, body).tenant
    if not is_tenant_name(tenant):
        raise Refused(f"not a tenant's name: {tenant[:60]!r}")
    record = read_record(host, tenant)
    try:
        found = read_release(host, tenant, record["release"]) if record else None
    except Failed:
        found = None
    if found is None:
        yield reply(ReleaseReply(release=None, files=None))
        return
    black = known_secrets(host, tenant)
    folder = paths.release(tenant, found.short)
    files = {path: (host.read(f"{folder}/{path}") or b"").decode(errors="replace") for path in found.files}
    manifest = release_from_json(json.loads(black.text(json.dumps(release_as_json(found)))))
    yield reply(ReleaseReply(release=manifest, files={path: black.text(text) for path, text in files.items()}))
