"""The host's certificate comes with settings, lies sealed, and goes with them."""

from __future__ import annotations

from typing import Any

import pytest

from launchpad.runner.protocol import Refused
from launchpad.runner.provision.settings_record import settings_from_json
from launchpad.runner.shipping import host_certificate
from launchpad.runner.shipping.log_collector import rules
from tests.runner.provision.settings import CERTIFICATE, collector, settings
from tests.runner.verbs.view import MemoryView

SENDS = settings_from_json(settings(logs=collector("web-2")))


def test_the_key_lies_nowhere_in_the_clear() -> None:
    host = MemoryView()
    assert host_certificate.missing(host, SENDS)
    host_certificate.seal(host, SENDS, CERTIFICATE)
    assert SENDS.logs and host_certificate.certificate(host, SENDS.logs) == b"the-private-key-of-web-1"
    assert [path for path, item in host.files.items() if b"the-private-key" in item.data] == []
    assert host_certificate.missing(host, SENDS) == []


@pytest.mark.parametrize("item", [{"version": 2, "value": "x"}, {"version": 1, "value": ""}, "x"])
def test_another_is_refused(item: Any) -> None:
    for wanted in (SENDS, settings_from_json(settings())):
        host = MemoryView()
        with pytest.raises(Refused):
            host_certificate.seal(host, wanted, {"logs:CERTIFICATE": item})
        assert host.names(host_certificate.FOLDER) == []


def test_settings_with_a_collector_need_it() -> None:
    with pytest.raises(Refused, match="did not come"):
        host_certificate.seal(MemoryView(), SENDS, {})


@pytest.mark.parametrize(
    "change",
    [
        {"host": "../etc"},
        {"address": "web-2.example.com"},
        {"authority": "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n"},
        {"version": 0},
        {"senders": ["203.0.113.7"]},
        {"senders": ["0.0.0.0/0"], "host": "web-1"},
        {"senders": [], "host": "web-1"},
    ],
)
def test_a_collector_that_is_none_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(Refused, match=r"settings\.logs"):
        settings_from_json(settings(logs=collector("web-2") | change))


def test_the_firewall_lets_in_the_senders_alone() -> None:
    collects = settings_from_json(settings(logs=collector())).logs
    assert rules(collects).splitlines()[1:] == [
        "        ip saddr { 203.0.113.7, 203.0.113.8 } tcp dport 19532 accept",
        "        ip6 saddr { 2001:db8::9 } tcp dport 19532 accept",
    ]
    assert rules(SENDS.logs) == rules(None) == ""
