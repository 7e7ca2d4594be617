"""A change that could lock everybody out is reverted automatically, unless a later connection confirms it.

    reverts/<nonce>/revert.json   the state before, and the progress of the change
                    runner        the runner that made the change, and reverts it

The record is on disk, and the timer runs, before anything changes. The first of these reverts the change: the waiting
operation, the timer (if the operation was killed), or the unit at boot, which runs before ssh and the firewall. States:
armed → waiting → confirmed | reverted. Every transition happens under one lock.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from launchpad.runner import paths
from launchpad.runner.protocol import Refused, canonical, record_as_json, record_from_json
from launchpad.runner.record import Record
from launchpad.runner.system import ProvisionHost

SECONDS = 20
"""Seconds to wait for a confirmation; the unit's timer fires 5 s later, so that a revert ends within 30 s."""
NONCE = re.compile(r"[0-9a-f]{16}")
LOCK_SECONDS = 10
FIREWALL_UNIT = "launchpad-firewall.service"
FIREWALL = f"{paths.ETC}/firewall.nft"
CONFIRMED = f"{paths.STATE}/firewall.nft"
"""The firewall's file as it was confirmed by a login: the watch restores it after manual changes."""

State = Literal["armed", "waiting", "confirmed", "reverted"]


class File(Record):
    """A file before the change; None as `text`: the file did not exist."""

    text: str | None
    mode: int = 0o644


class Revert(Record):
    """One change with its state."""

    nonce: str
    operation: str
    kind: Literal["access", "runner"]
    files: Mapping[str, Any] = MappingProxyType({})
    """Path → File as JSON."""
    links: Mapping[str, str] = MappingProxyType({})
    """Path → the link's target; empty: the link did not exist."""
    state: State = "armed"
    since: float = 0.0
    """When the change took effect, in seconds since the boot: an older connection cannot confirm it."""


def arm(host: ProvisionHost, operation: str, kind: Literal["access", "runner"], **before: Any) -> Revert:
    """Write the state before the change to disk; nothing has changed yet. `start_timer` comes next."""
    for name in host.names(paths.REVERTS):
        old = load(host, name)
        if old is None or old.state in ("confirmed", "reverted"):
            host.remove(folder(name))
    revert = Revert(nonce=secrets.token_hex(8), operation=operation, kind=kind, **before)
    host.folder(folder(revert.nonce), mode=0o700)
    host.write(f"{folder(revert.nonce)}/runner", host.system.runner().encode() + b"\n", mode=0o600)
    _write(host, revert)
    return revert


def start_timer(host: ProvisionHost, revert: Revert) -> None:
    """Start the timer: from now on the change is reverted even if this process dies. Nothing may change before."""
    host.system.act(timer(revert.nonce), "start")


def in_force(host: ProvisionHost, revert: Revert) -> Revert:
    """Record that the change has taken effect: from now on a new connection may confirm it."""
    with _locked(host):
        found = load(host, revert.nonce) or revert
        if found.state == "armed":
            found = found.but(state="waiting", since=host.system.uptime())
            _write(host, found)
        return found


def confirm(host: ProvisionHost, nonce: str) -> None:
    """Keep the change. Refused when the change was already reverted, or this connection is older than the change."""
    with _locked(host):
        revert = load(host, nonce) if NONCE.fullmatch(nonce) else None
        if revert is None or revert.state in ("armed", "reverted"):
            raise Refused(
                "there is no such change to confirm: the change may have been reverted",
                code="no-change-to-confirm",
                kind="state",
            )
        connected = host.system.connected_at()
        if revert.state == "waiting":
            if connected is None or connected < revert.since:
                raise Refused(
                    "this connection is older than the change, so it cannot confirm the change",
                    code="connection-older-than-change",
                    kind="state",
                )
            _write(host, revert.but(state="confirmed"))
    host.system.act(timer(nonce), "stop")


def take_back(host: ProvisionHost, nonce: str, *, tell: bool = True, booting: bool = False) -> State:
    """Revert the change unless it was confirmed; returns the resulting state.

    `tell`: reload sshd and the firewall, because they may use the change; at a boot they have not started yet."""
    with _locked(host):
        found = load(host, nonce)
        if found is None or found.state in ("confirmed", "reverted"):
            return found.state if found else "reverted"
        for path, item in found.files.items():
            restore(host, path, record_from_json(File, item, "revert.files"))
        for path, target in found.links.items():
            if found.operation == of_runner(host.target(path) or ""):  # else it is a later change's, and stays
                host.link(path, target) if target else host.remove(path)
        if found.kind == "access" and tell and not booting:
            bring_into_force(host)
        _write(host, found.but(state="reverted"))
    if not booting:
        host.system.act(timer(nonce), "stop")
    return "reverted"


def revert(host: ProvisionHost, nonce: str) -> int:
    """The units' entry: revert one nonce, or with `boot` every change that was not confirmed before the boot."""
    if nonce == "boot":
        booting = not host.system.unit("ssh.service").active  # tried again, it finds sshd with the files of the change
        done = [_tried(host, item.nonce, booting=booting) for item in pending(host)]
        return 0 if all(done) else 1
    if not NONCE.fullmatch(nonce):
        return 2
    return 0 if _tried(host, nonce) else 1


def settle(host: ProvisionHost, kind: Literal["access", "runner"]) -> None:
    """Take back what nobody confirmed, before another change of the kind is made: also what was taken back already
    where a full disk or a kill kept that from being written down. It would be taken back again at a later boot, over
    all that came since."""
    for item in pending(host):
        if item.kind == kind and item.state in ("armed", "waiting"):
            take_back(host, item.nonce)


def of_runner(start: str) -> str:
    """The operation that switches to the runner with this start."""
    return f"install-{start.rpartition('/')[0].rpartition('/')[2]}"


def _tried(host: ProvisionHost, nonce: str, *, booting: bool = False) -> bool:
    try:
        take_back(host, nonce, booting=booting)
    except Exception:  # one failure must not stop the other reverts
        return False
    return True


def bring_into_force(host: ProvisionHost) -> None:
    """Reload sshd and the firewall from their files."""
    if host.read(FIREWALL) is None:
        host.system.act(FIREWALL_UNIT, "stop")
    else:
        host.system.act(FIREWALL_UNIT, "reload" if host.system.unit(FIREWALL_UNIT).active else "start")
    host.system.act("ssh.service", "reload")


def look_at(host: ProvisionHost, path: str) -> File:
    """The file as it is now."""
    data = host.read(path)
    owned = host.system.owned(path)
    return File(text=None if data is None else data.decode(errors="surrogateescape"), mode=owned.mode if owned else 0)


def restore(host: ProvisionHost, path: str, before: File) -> None:
    if before.text is None:
        host.remove(path)
    else:
        host.write(path, before.text.encode(errors="surrogateescape"), mode=before.mode)


def pending(host: ProvisionHost) -> list[Revert]:
    """Every recorded change, in any state."""
    return [found for name in host.names(paths.REVERTS) if (found := load(host, name))]


def of_operation(host: ProvisionHost, operation: str) -> Revert | None:
    """The change that this operation made before its process was killed; None without one."""
    return next((item for item in pending(host) if item.operation == operation), None)


def load(host: ProvisionHost, nonce: str) -> Revert | None:
    data = host.read(f"{folder(nonce)}/revert.json")
    try:
        return None if data is None else record_from_json(Revert, json.loads(data), "revert")
    except (ValueError, Refused):
        return None  # written by hand or by another runner version: ignored


def state_of(host: ProvisionHost, nonce: str) -> str:
    """The state of the change; `reverted` when it is not recorded. Cheap, because it is polled."""
    data = host.read(f"{folder(nonce)}/revert.json")
    return "reverted" if data is None else str(json.loads(data)["state"])


def folder(nonce: str) -> str:
    return f"{paths.REVERTS}/{nonce}"


def timer(nonce: str) -> str:
    return f"launchpad-revert@{nonce}.timer"


def _write(host: ProvisionHost, value: Revert) -> None:
    host.write(f"{folder(value.nonce)}/revert.json", canonical(record_as_json(value)), mode=0o600)


def _locked(host: ProvisionHost) -> Any:
    return host.lock("reverts", {"operation": "revert"}, seconds=LOCK_SECONDS)
