"""silence: tell nobody of a tenant's problems, or of the host's and all of its tenants', until a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from launchpad.runner import paths
from launchpad.runner.account import note_of
from launchpad.runner.alerting.state import Silences, keep, silences
from launchpad.runner.caller import Caller
from launchpad.runner.hint import HERE, Next
from launchpad.runner.protocol import Refused
from launchpad.runner.slots import is_tenant_name
from launchpad.runner.verbs import reply
from launchpad.runner.view import View
from launchpad.runner.wire.alert_bodies import Silence, Silenced, SilenceReply
from launchpad.runner.wire.body import body_from_json

LONGEST_SECONDS = 7 * 86400
LONGEST_WHY = 200


def silence(host: View, body: Mapping[str, Any], caller: Caller) -> Iterator[dict[str, Any]]:
    """SilenceReply; body Silenced. `history` shows who silenced what."""
    given = body_from_json(Silenced, body)
    tenant, seconds, why, other = given.tenant, given.seconds, given.why, given.host
    for name in filter(None, (tenant, other)):
        if not is_tenant_name(name):
            raise Refused(f"{name[:60]!r} is not a name", code="silence-name", hint=Next("status"))
    if not 0 <= seconds <= LONGEST_SECONDS:
        raise Refused(
            "a silence lasts at most 7 days",
            code="silence-too-long",
            hint=Next("alerts silence", HERE, "--for", "168h"),
        )
    if len(why) > LONGEST_WHY or not why.isprintable():
        raise Refused(f"the reason is over {LONGEST_WHY} characters, or has more than one line", code="silence-reason")
    with host.lock("silences", {"who": caller.operator, "kind": "silence"}, seconds=10):
        left = [item for item in silences(host) if (item.tenant, item.host) != (tenant, other)]
        if seconds:
            left.append(Silence(tenant=tenant, until=host.now() + seconds, who=caller.operator, why=why, host=other))
        keep(host, paths.SILENCES, Silences(silences=tuple(left)))
    about = f"alerts about host {other}" if other else "alerts"
    minutes = f"{about} are silent for {seconds // 60} minutes" + (f": {why}" if why else "")
    note_of(host, caller.operator, "alerts", minutes if seconds else f"{about} are not silent any more", tenant=tenant)
    yield reply(SilenceReply(silences=tuple(left)))
