"""alerts: what is wrong on this host, what of it was told, which messages wait, and what is silenced. Reads only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from launchpad.runner.alerting.state import alert_state, silences
from launchpad.runner.caller import Caller
from launchpad.runner.provision.settings_record import stored_settings
from launchpad.runner.verbs import reply
from launchpad.runner.view import View
from launchpad.runner.wire.alert_bodies import Alerts, AlertsReply, KnownAlert, WaitingMessages
from launchpad.runner.wire.body import body_from_json


def alerts(host: View, body: Mapping[str, Any], _caller: Caller) -> Iterator[dict[str, Any]]:
    """AlertsReply; body Alerts."""
    body_from_json(Alerts, body)
    settings = stored_settings(host).settings
    state = alert_state(host)
    known = tuple(
        KnownAlert(
            tenant=item.fact.tenant, layer=item.fact.layer, grade=item.fact.grade, message=item.fact.message,
            hint=item.fact.hint, since=item.since, told=item.told, ends=bool(item.well),
        )
        for item in state.troubles
    )  # fmt: skip
    waiting = tuple(
        WaitingMessages(
            destination=item.destination, count=len(item.notices), tries=item.tries, problem=item.problem
        )
        for item in state.waiting
    )  # fmt: skip
    yield reply(
        AlertsReply(
            clock=host.now(),
            destinations=settings.alerts if settings else (),
            alerts=known,
            silences=silences(host),
            waiting=waiting,
        )
    )
