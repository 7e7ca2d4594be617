"""URLs of destinations come with settings, lie sealed, and go with them."""

from __future__ import annotations

from typing import Any

import pytest

from launchpad.runner.alerting import addresses
from launchpad.runner.protocol import Refused
from launchpad.runner.provision.settings_record import settings_from_json
from tests.runner.alerting.told import BEAT, MAIL, TEAM, telling
from tests.runner.provision.settings import settings
from tests.runner.verbs.view import MemoryView


def test_a_url_lies_nowhere_in_the_clear() -> None:
    host = telling(TEAM)
    (destination,) = settings_from_json(settings(alerts=[TEAM])).alerts
    assert addresses.url(host, destination) == MAIL
    assert [path for path, item in host.files.items() if b"the-password" in item.data] == []
    assert host.files["/etc/launchpad/alerts/team@1.cred"].mode == 0o600


@pytest.mark.parametrize(
    "brought",
    [
        {},
        {"alert:team": {"version": 2, "value": MAIL}},
        {"alert:team": {"version": 1, "value": MAIL}, "alert:other": {"version": 1, "value": MAIL}},
        {"alert:team": {"version": 1, "value": f"{MAIL}\njson://elsewhere"}},
        {"alert:team": {"version": 1, "value": ""}},
        {"alert:team": {"version": 1, "value": "x" * 5000}},
        {"alert:team": MAIL},
    ],
)
def test_what_the_settings_do_not_name_is_refused_and_nothing_is_sealed(brought: dict[str, Any]) -> None:
    host = MemoryView()
    with pytest.raises(Refused):
        addresses.seal(host, settings_from_json(settings(alerts=[TEAM])), brought)
    assert host.names(addresses.FOLDER) == []


def test_an_earlier_version_stays_until_its_settings_are_gone() -> None:
    host = telling(TEAM, BEAT)
    newer = settings_from_json(settings(alerts=[TEAM | {"version": 2}]))
    addresses.seal(host, newer, {"alert:team": {"version": 2, "value": MAIL}})
    assert host.names(addresses.FOLDER) == ["dead-man@3.cred", "team@1.cred", "team@2.cred"]
    assert addresses.missing(host, newer) == []


@pytest.mark.parametrize(
    "change",
    [
        {"name": "../etc"},
        {"version": 0},
        {"quiet": "22-7"},
        {"timezone": "../../etc/passwd"},
        {"grade": "ok"},
        {"kind": "shell"},
        {"tenants": ["Alice!"]},
        {"url": MAIL},
    ],
)
def test_settings_with_a_bad_destination_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        settings_from_json(settings(alerts=[TEAM | change]))
