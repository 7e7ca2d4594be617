"""Submitting a host's settings as an operator with the signing key would, with the command line's own care left out."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from launchpad.operations.hosts.host_settings import host_settings
from launchpad.operations.hosts.install_runner import settings_digest
from launchpad.operations.requests.identifiers import new_identifier
from launchpad.runner.protocol import canonical, digest_of
from launchpad.settings import Settings
from launchpad.ssh.archive import sign
from launchpad.ssh.connection import Connection
from launchpad.ssh.hosts import SshHosts
from launchpad.workspace import Workspace
from tests.lab.world import World

SIGNER = str(Settings.of(dict(os.environ), home=Path("/")).operator)
"""Whose signing key the world's workspace has."""
Hear = Callable[[Mapping[str, Any]], None]


def open_workspace(world: World) -> Workspace:
    environment = world.environment
    settings = Settings.of(environment, home=world.root)
    hosts = SshHosts(settings, state=world.root / ".launchpad")
    return Workspace.open(world.root, settings=settings, environment=environment, hosts=hosts)


def connection(workspace: Workspace) -> Connection:
    """A new connection of the operator to web-1, not open yet."""
    hosts = workspace.hosts
    assert isinstance(hosts, SshHosts)
    return hosts.connection(hosts.endpoint(workspace.fleet.load().host("web-1")))


def wanted(workspace: Workspace, **changes: Any) -> dict[str, Any]:
    """What the inventory says of web-1, with some of it changed."""
    fleet = workspace.fleet.load()
    return host_settings(workspace, fleet, fleet.host("web-1")) | changes


def signed(workspace: Workspace, settings: Mapping[str, Any], *, replaces: str) -> dict[str, str]:
    message = canonical({"replaces": replaces, "settings": digest_of(canonical(settings))})
    signature = sign(message, key=workspace.settings.signing_key, namespace="launchpad-settings")
    return {"signer": SIGNER, "replaces": replaces, "signature": signature}


def submit(workspace: Workspace, settings: Mapping[str, Any], hear: Hear) -> dict[str, Any]:
    """Submit the settings, signed, over one connection; `hear` gets every event, the operation's id beside it."""
    with connection(workspace) as reached:
        replaces = settings_digest(reached)
        operation = {
            "kind": "provision",
            "settings": settings,
            "signature": signed(workspace, settings, replaces=replaces),
        }
        identifier = new_identifier(workspace.clock.now())
        for line in reached.exchange("submit", {"id": identifier, "operation": operation}, seconds=150):
            if line["type"] == "reply":
                return dict(line["body"])
            if line["type"] == "event":
                hear(line | {"operation": identifier})
    raise AssertionError("no reply")
