"""Letting somebody in: links that work from outside, devices that wait."""

from __future__ import annotations

import json

import pytest

from launchpad.errors import StateError, StepFailed
from launchpad.operations.open_tenant import act, approve, at_domain, devices, open_tenant, waiting
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
    assert requests(sshd)[0]["body"] == {"tenant": "alice", "action": "open", "arguments": []}


def test_no_link_and_a_failure_are_errors_with_the_app_s_own_words(workspace: Workspace, sshd: Sshd) -> None:
    behave(sshd, act=says("nothing"))
    with pytest.raises(StepFailed, match="gave no link"):
        open_tenant(workspace, "alice")
    behave(sshd, act=says("", code=3, err="gateway is not ready\n"))
    with pytest.raises(StepFailed, match="open failed with 3: gateway is not ready"):
        open_tenant(workspace, "alice")


def test_an_app_without_such_links_is_opened_at_its_address(workspace: Workspace, sshd: Sshd) -> None:
    file = workspace.root / "inventory/apps/echo.yaml"
    file.write_text(file.read_text().replace("name: open", "name: unlock"))
    assert open_tenant(workspace, "alice") == "https://alice.example.com/"
    assert requests(sshd) == []


def test_a_waiting_device_is_listed_and_approved(workspace: Workspace, sshd: Sshd) -> None:
    listed = {"pending": [{"requestId": "r-1", "displayName": "Firefox", "remoteIp": "198.51.100.4"}], "paired": []}
    behave(sshd, act=says(json.dumps(listed)))
    assert waiting(devices(workspace, "alice").data) == [{"id": "r-1", "about": "Firefox, 198.51.100.4"}]
    approve(workspace, "alice", "r-1")
    assert requests(sshd)[-1]["body"] == {"tenant": "alice", "action": "approve", "arguments": ["r-1"]}


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
