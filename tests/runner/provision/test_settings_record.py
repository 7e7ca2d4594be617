"""What a host lets itself be told: every field judged, nothing unknown, no key that is more than a key."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from launchpad.runner.protocol import Refused, canonical, digest_of
from launchpad.runner.provision.settings_record import (
    SETTINGS,
    settings_as_json,
    settings_from_json,
    stored_settings,
    stored_text,
)
from tests.memory.system import BareHost
from tests.runner.provision.settings import OFFSITE, key, settings


def changed(path: str, value: object) -> dict[str, Any]:
    """The good settings with one value, named by its dotted path, replaced."""
    whole: Any = copy.deepcopy(settings())
    *above, last = path.split(".")
    place = whole
    for part in above:
        place = place[int(part)] if isinstance(place, list) else place[part]
    place[int(last) if isinstance(place, list) else last] = value
    return dict(whole)


def changed_target(**changes: Any) -> dict[str, Any]:
    return {"target": {**OFFSITE["target"], **changes}, "credentials": {}}


BROKEN = {
    "an option before the key": ("operators.0.keys.0", f'command="sh" {key()}'),
    "a second line": ("operators.0.keys.0", f"{key()}\nssh-ed25519 AAAA"),
    "a carriage return": ("operators.0.keys.0", f"{key()}\r"),
    "a comment with a quote": ("operators.0.keys.0", f'{key()} "'),
    "another kind than it says": ("operators.0.keys.0", key().replace("ssh-ed25519", "ssh-rsa")),
    "not base64": ("operators.0.keys.0", "ssh-ed25519 AAAA="),
    "a certificate": ("operators.0.keys.0", "ssh-ed25519-cert-v01@openssh.com AAAA"),
    "no keys": ("operators.0.keys", []),
    "nobody": ("operators", []),
    "no signers": ("allowed_signers", []),
    "a name with a space": ("operators.0.name", "alice operator=root"),
    "a name with a quote": ("operators.0.name", 'a"'),
    "the same name twice": ("operators", settings()["operators"] * 2),
    "an image without digest": ("caddy.image", "docker.io/library/caddy:2.11.7"),
    "an image with a space": ("caddy.image", "docker.io/caddy@sha256:" + "0" * 64 + "\n  privileged: true"),
    "a NUL in the Caddyfile": ("caddy.caddyfile", "{\n}\0"),
    "a Caddyfile without end": ("caddy.caddyfile", "x" * 100_000),
    "no certificate": ("caddy.acme_root", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
    "no storage": ("storage.loop_mb", 0),
    "two storages": ("storage.device", "/dev/vdb"),
    "a tiny storage": ("storage.loop_mb", 1),
    "a negative storage": ("storage.loop_mb", -4096),
    "a number as text": ("storage.loop_mb", "4096"),
    "port 80 for ssh": ("ssh.port", 80),
    "port 0": ("ssh.port", 0),
    "a truth value as text": ("ssh.root_login", "no"),
    "another format": ("format", "2"),
    "a target within Launchpad": ("targets", [changed_target(kind="local", url="/srv/launchpad/tenants/bob")]),
    "a target with a password": ("targets", [changed_target(url="https://me:word@backup.example.com")]),
    "the same target twice": ("targets", [OFFSITE, OFFSITE]),
    "half of its credentials": ("targets", [OFFSITE | {"credentials": {"REST_USER": 1}}]),
    "a credential that it does not take": ("targets", [OFFSITE | {"credentials": {"SSH_KEY": 1}}]),
    "a version that is none": ("targets", [OFFSITE | {"credentials": {"REST_USER": 0, "REST_PASSWORD": 1}}]),
    "a fleet with a slash": ("identity.fleet", "../fleet"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_settings_are_refused(case: str) -> None:
    path, value = BROKEN[case]
    with pytest.raises(Refused) as refused:
        settings_from_json(changed(path, value))
    assert path.split(".")[0].removesuffix("s") in refused.value.message


@pytest.mark.parametrize("device", ["/dev/../etc/passwd", "/etc/passwd", "vdb", "/dev/vdb; reboot", "/dev/"])
def test_a_device_is_one(device: str) -> None:
    with pytest.raises(Refused, match="device"):
        settings_from_json(settings(storage={"loop_mb": 0, "device": device}))


def test_unknown_and_missing_keys_are_refused() -> None:
    with pytest.raises(Refused, match="shell"):
        settings_from_json(settings() | {"shell": "/bin/bash"})
    with pytest.raises(Refused, match="caddy"):
        settings_from_json({name: item for name, item in settings().items() if name != "caddy"})


def test_they_come_back_from_json_and_have_one_digest() -> None:
    value = settings(storage={"loop_mb": 0, "device": "/dev/disk/by-id/scsi-0HC_Volume_1"})
    parsed = settings_from_json(json.loads(json.dumps(value)))
    assert settings_as_json(parsed) == value
    assert parsed.digest == digest_of(canonical(value)), "both sides must name the same settings alike"


def test_what_stands_on_the_host() -> None:
    host = BareHost()
    assert stored_settings(host).serial == 0
    parsed = settings_from_json(settings())
    host.write(SETTINGS, stored_text(parsed, 7).encode())
    stored = stored_settings(host)
    assert (stored.serial, stored.settings) == (7, parsed)
    host.write(SETTINGS, stored_text(parsed, 8).encode())
    assert stored_settings(host).digest != stored.digest, "the same settings at another time are another state"
    host.write(SETTINGS, b"{")
    assert stored_settings(host).settings is None
