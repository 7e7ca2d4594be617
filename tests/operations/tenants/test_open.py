"""Letting somebody in: links that work from outside, devices that wait."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from launchpad.errors import StateError, StepFailed
from launchpad.operations.tenants.act import act
from launchpad.operations.tenants.open_tenant import (
    approve,
    at_domain,
    device_of,
    devices,
    listed,
    open_tenant,
    revoke,
)
from launchpad.workspace import Workspace
from tests.operations.places import behave, replies, requests
from tests.ssh.sshd import Sshd


def says(out: str, *, code: int = 0, err: str = "") -> dict[str, object]:
    return replies({"code": code, "out": out, "err": err})


@pytest.mark.parametrize(
    ("out", "link"),
    [
        ('{"browserUrl": "http://127.0.0.1:18789/?t=abc#x"}', "https://alice.example.com/?t=abc#x"),
        ('chatter\n{"ok": true, "dashboard": {"url": "http://10.200.0.18:80/t"}}', "https://alice.example.com/t"),
        ("Open http://localhost:8080 in a browser", "https://alice.example.com/"),
        ('{"url": "http://127.0.0.1/#token=lasting", "link": "http://127.0.0.1/ok"}', "https://alice.example.com/ok"),
        ('{"url": "https://elsewhere.example.net/x"}', "https://elsewhere.example.net/x"),
    ],
)
def test_a_link_is_found_in_what_the_app_says_and_works_from_outside(
    workspace: Workspace, sshd: Sshd, out: str, link: str
) -> None:
    behave(sshd, act=says(out))
    assert open_tenant(workspace, "alice") == link
    assert requests(sshd)[0]["body"] == {"tenant": "alice", "action": "open"}


def test_no_link_and_a_failure_are_errors_with_the_app_s_own_words(workspace: Workspace, sshd: Sshd) -> None:
    behave(sshd, act=says("nothing"))
    with pytest.raises(StepFailed, match="printed no link"):
        open_tenant(workspace, "alice")
    behave(sshd, act=says("", code=3, err="gateway is not ready\n"))
    with pytest.raises(StepFailed, match="open failed with 3: gateway is not ready"):
        open_tenant(workspace, "alice")


def test_an_app_without_such_links_is_opened_at_its_address(workspace: Workspace, sshd: Sshd) -> None:
    file = workspace.root / "inventory/apps/echo.yaml"
    file.write_text(file.read_text().replace("name: open", "name: unlock"))
    assert open_tenant(workspace, "alice") == "https://alice.example.com/"
    assert requests(sshd) == []


LISTED = {
    "pending": [
        {
            "requestId": "r-1",
            "deviceId": "d-9",
            "displayName": "Firefox",
            "remoteIp": "198.51.100.4",
            "role": "operator",
        },
        {"requestId": "r-2", "deviceId": "d-1", "role": "operator", "scopes": ["operator.read", "operator.admin"]},
        {"displayName": "nameless"},
    ],
    "paired": [{"deviceId": "d-1", "clientId": "cli", "role": "operator", "scopes": ["operator.read"]}],
}


def test_waiting_and_paired_devices_are_listed_with_what_they_are_granted() -> None:
    found = [(item.id, item.waits, item.about, item.grants, item.more) for item in listed(LISTED)]
    assert found == [
        ("r-1", True, "Firefox, 198.51.100.4", ("operator",), ()),
        ("r-2", True, "", ("operator", "operator.read", "operator.admin"), ("operator.admin",)),
        ("d-1", False, "cli", ("operator", "operator.read"), ()),
    ]
    for nothing in (None, [], {}, {"pending": {}}, {"pending": ["r-1"]}):
        assert listed(nothing) == []


def test_a_waiting_device_is_approved_and_a_paired_one_revoked(workspace: Workspace, sshd: Sshd) -> None:
    file = workspace.root / "inventory/apps/echo.yaml"
    file.write_text(
        file.read_text().replace(
            "  - {name: approve", "  - {name: revoke, service: web, argv: [x, '{0}']}\n  - {name: approve"
        )
    )
    behave(sshd, act=says(json.dumps(LISTED)))
    found = devices(workspace, "alice")
    approve(workspace, "alice", device_of(found, "r-2", waits=True))
    assert requests(sshd)[-1]["body"] == {"tenant": "alice", "action": "approve", "arguments": ["r-2"]}
    revoke(workspace, "alice", device_of(found, "d-1", waits=False))
    assert requests(sshd)[-1]["body"] == {"tenant": "alice", "action": "revoke", "arguments": ["d-1"]}
    long = replace(found, data={"paired": [{"deviceId": "5b103b350c2997c0"}, {"deviceId": "5b103b35ffff0000"}]})
    assert device_of(long, "5b103b350c29", waits=False).id == "5b103b350c2997c0"
    for unclear in ("5b103b35", "5b10"):
        with pytest.raises(StateError):
            device_of(long, unclear, waits=False)
    for identifier, waits in (("d-1", True), ("r-2", False), ("gone", True)):
        with pytest.raises(StateError):
            device_of(found, identifier, waits=waits)


def test_an_action_that_the_app_has_not_is_refused_here(workspace: Workspace, sshd: Sshd) -> None:
    with pytest.raises(StateError, match="has no action dance") as caught:
        act(workspace, "alice", "dance")
    assert "open, devices, approve" in caught.value.hint
    assert requests(sshd) == []


def test_only_an_inside_address_becomes_the_domain() -> None:
    assert at_domain("http://192.168.1.4:8080/a?b#c", "x.example.com") == "https://x.example.com/a?b#c"
    moved = at_domain("http://127.0.0.1:1/#bootstrapToken=a-_b&gatewayUrl=ws%3A%2F%2F127.0.0.1%3A1", "x.example.com")
    assert moved == "https://x.example.com/#bootstrapToken=a-_b&gatewayUrl=wss%3A%2F%2Fx.example.com"
    assert at_domain("https://real.example.net/a", "x.example.com") == "https://real.example.net/a"
