"""What the host remembers of its alerts: troubles, messages that wait, and what somebody silenced."""

from __future__ import annotations

import json
from typing import TypeVar

from launchpad.runner import paths
from launchpad.runner.alerting.routes import Waiting
from launchpad.runner.alerting.troubles import Trouble
from launchpad.runner.host import Host
from launchpad.runner.protocol import Refused, record_as_json, record_from_json
from launchpad.runner.record import Record
from launchpad.runner.wire.alert_bodies import Silence

Kept = TypeVar("Kept", bound=Record)


class AlertState(Record):
    """Written by the watch alone."""

    troubles: tuple[Trouble, ...] = ()
    waiting: tuple[Waiting, ...] = ()


class Silences(Record):
    """Written by `alerts` alone."""

    silences: tuple[Silence, ...] = ()


def alert_state(host: Host) -> AlertState:
    """A file that is damaged counts as none: what is wrong is told once more."""
    return _read(host, paths.ALERTS, AlertState())


def silences(host: Host) -> tuple[Silence, ...]:
    """Those that still hold. A file that is damaged silences nothing."""
    now = host.now()
    return tuple(item for item in _read(host, paths.SILENCES, Silences()).silences if item.until > now)


def keep(host: Host, path: str, record: Record) -> None:
    host.write(path, json.dumps(record_as_json(record)).encode(), mode=0o600)


def _read(host: Host, path: str, otherwise: Kept) -> Kept:
    data = host.read(path)
    if data is None:
        return otherwise
    try:
        return record_from_json(type(otherwise), json.loads(data), path)
    except (ValueError, Refused):
        return otherwise
