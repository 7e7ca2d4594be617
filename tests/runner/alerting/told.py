"""A host whose settings name destinations, with their URLs sealed."""

from __future__ import annotations

import json
from typing import Any

from launchpad.runner.alerting import addresses
from launchpad.runner.provision.settings_record import SETTINGS, settings_from_json
from tests.memory.data import File
from tests.runner.provision.settings import settings
from tests.runner.verbs.view import MemoryView, deployed

MAIL = "mailto://ops:the-password@mail.example.com?to=team@example.com"
PING = "https://ping.example.com/a-long-token"
TEAM: dict[str, Any] = {"name": "team", "version": 1}
BEAT: dict[str, Any] = {"name": "dead-man", "version": 3, "kind": "heartbeat"}
URLS = {
    "alert:team": {"version": 1, "value": MAIL},
    "alert:dead-man": {"version": 3, "value": PING},
}


def telling(*alerts: dict[str, Any]) -> MemoryView:
    """With alice deployed on it."""
    host = deployed()
    given = settings(alerts=list(alerts))
    secrets = {
        name: value for name, value in URLS.items() if name.removeprefix("alert:") in {a["name"] for a in alerts}
    }
    addresses.seal(host, settings_from_json(given), secrets)
    host.files[SETTINGS] = File(json.dumps({"serial": 1, "settings": given}).encode())
    return host
