"""tell: send a test message to every alert destination of this host, to see that it arrives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from launchpad.runner.caller import Caller
from launchpad.runner.hint import HERE, Next
from launchpad.runner.protocol import Refused
from launchpad.runner.provision.settings_record import stored_settings
from launchpad.runner.verbs import reply
from launchpad.runner.view import View
from launchpad.runner.watching.alert_check import try_out
from launchpad.runner.wire.alert_bodies import Tell, TellReply
from launchpad.runner.wire.body import body_from_json


def tell(host: View, body: Mapping[str, Any], _caller: Caller) -> Iterator[dict[str, Any]]:
    """TellReply; body Tell. Refused without any destination."""
    body_from_json(Tell, body)
    settings = stored_settings(host).settings
    if settings is None or not settings.alerts:
        hint = "write alerts: into launchpad.yaml; " + Next("provision", HERE)
        raise Refused("this host has no alert destination", code="no-alert-destination", kind="state", hint=hint)
    yield reply(TellReply(destinations={item.destination: item.problem for item in try_out(host, settings)}))
