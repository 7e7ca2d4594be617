"""alerts: what is wrong on this host, what of it was told, which messages wait, and what is silenced. Reads only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from launchpad.runner.alerting.state import alert_state, silences
from launchpad.runner.caller import Caller
from launchpad.runner.hint import Hint
from launchpad.runner.protocol import record_as_json
from launchpad.runner.provision.settings_record import stored_settings
from launchpad.runner.record import Record
from launchpad.runner.verbs import only, reply
from launchpad.runner.view import View


class KnownAlert(Record):
    """Something that is wrong, as the host's alerts know it."""

    tenant: str
    """Empty for the host itself."""
    layer: str
    grade: str
    message: str
    hint: Hint | str
    since: float
    """When it was seen first, by the host's clock."""
    told: float
    """When somebody was told last; 0 for never."""
    ends: bool
    """Whether it is well again, and has not been for long enough to be called over."""


def alerts(host: View, body: Mapping[str, Any], _caller: Caller) -> Iterator[dict[str, Any]]:
    """{"clock", "destinations": [{"name", "kind", "grade", "tenants", "quiet", "timezone", "version"}], "alerts":
    [KnownAlert], "silences": [{"tenant", "until", "who", "why", "host"}], "waiting": [{"destination", "count", "tries",
    "problem"}]}.

    body {}."""
    only(body)
    settings = stored_settings(host).settings
    state = alert_state(host)
    known = [
        KnownAlert(
            tenant=item.fact.tenant, layer=item.fact.layer, grade=item.fact.grade, message=item.fact.message,
            hint=item.fact.hint, since=item.since, told=item.told, ends=bool(item.well),
        )
        for item in state.troubles
    ]  # fmt: skip
    waiting = [
        {"destination": item.destination, "count": len(item.notices), "tries": item.tries, "problem": item.problem}
        for item in state.waiting
    ]
    yield reply(
        {
            "clock": host.now(),
            "destinations": [record_as_json(item) for item in (settings.alerts if settings else ())],
            "alerts": [record_as_json(item) for item in known],
            "silences": [record_as_json(item) for item in silences(host)],
            "waiting": waiting,
        }
    )
