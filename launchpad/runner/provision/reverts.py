"""A change that could lock everybody out is taken back by itself, unless a connection made after it confirms it.

    reverts/<nonce>/revert.json   what was there before, and how far the change has come
                    runner        the runner that made the change, and takes it back

The record is on disk, and the timer runs, before anything changes. Who takes it back is whoever comes first: the
operation that waits, the timer (the operation was killed), or the unit at boot, which runs before ssh and the firewall.
States: armed → waiting → confirmed | reverted. Every move is made under one lock.
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
"""How long a confirmation is waited for; the timer of the unit fires 5 s later, so that all is over within 30."""
NONCE = re.compile(r"[0-9a-f]{16}")
LOCK_SECONDS = 10
FIREWALL_UNIT = "launchpad-firewall.service"
FIREWALL = f"{paths.ETC}/firewall.nft"
CONFIRMED = f"{paths.STATE}/firewall.nft"
"""The firewall's file as it was when somebody came in through it: the watch puts back what a hand makes of the file."""

State = Literal["armed", "waiting", "confirmed", "reverted"]


class File(Record):
    """A file as it was: absent when `text` is None."""

    text: str | None
    mode: int = 0o644


class Revert(Record):
    """One change that waits to be confirmed, or waited."""

    nonce: str
    operation: str
    kind: Literal["access", "runner"]
    files: Mapping[str, Any] = MappingProxyType({})
    """Path → File as JSON."""
    links: Mapping[str, str] = MappingProxyType({})
    """Path → what it pointed at; empty: it was not there."""
    state: State = "armed"
    since: float = 0.0
    """Seconds since the boot when the change was in force: a connection that is older proves nothing."""


def arm(host: ProvisionHost, operation: str, kind: Literal["access", "runner"], **before: Any) -> Revert:
    """Put the way back on disk; nothing has changed yet. `start_timer` comes next."""
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
    """From now on the change is taken back even if this process dies; before this, nothing may change."""
    host.system.act(timer(revert.nonce), "start")


def in_force(host: ProvisionHost, revert: Revert) -> Revert:
    """The change is made: from now on a new connection may confirm it."""
    with _locked(host):
        found = load(host, revert.nonce) or revert
        if found.state == "armed":
            found = found.but(state="waiting", since=host.system.uptime())
            _write(host, found)
        return found


def confirm(host: ProvisionHost, nonce: str) -> None:
    """Keep the change. Refused when it was taken back already, or when this connection is older than the change."""
    with _locked(host):
        revert = load(host, nonce) if NONCE.fullmatch(nonce) else None
        if revert is None or revert.state in ("armed", "reverted"):
            raise Refused("there is no such change to confirm: the change may have been reverted", kind="state")
        connected = host.system.connected_at()
        if revert.state == "waiting":
            if connected is None or connected < revert.since:
                raise Refused("this connection is older than the change, so it cannot confirm the change", kind="state")
            _write(host, revert.but(state="confirmed"))
    host.system.act(timer(nonce), "stop")


def take_back(host: ProvisionHost, nonce: str, *, tell: bool = True, booting: bool = False) -> State:
    """Bring back what was there before, unless the change was confirmed; the state that it is in then.

    `tell` sshd and the firewall, unless they cannot have heard of the change; at a boot they have not started yet."""
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
    """What the units run: one nonce, or `boot` for every change that was not confirmed before the boot."""
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
    except Exception:  # whatever is wrong with one, the others are taken back
        return False
    return True


def bring_into_force(host: ProvisionHost) -> None:
    """Have sshd and the firewall run what their files say now."""
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
    """Every change on record, in whatever state."""
    return [found for name in host.names(paths.REVERTS) if (found := load(host, name))]


def of_operation(host: ProvisionHost, operation: str) -> Revert | None:
    """The change that this operation made before its process was killed; None when it made none."""
    return next((item for item in pending(host) if item.operation == operation), None)


def load(host: ProvisionHost, nonce: str) -> Revert | None:
    data = host.read(f"{folder(nonce)}/revert.json")
    try:
        return None if data is None else record_from_json(Revert, json.loads(data), "revert")
    except (ValueError, Refused):
        return None  # written by hand, or by a runner that is gone; it decides nothing


def state_of(host: ProvisionHost, nonce: str) -> str:
    """How far the change has come; `reverted` where nothing is known of it. Cheap: it is asked again and again."""
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
