"""Change who can log in (sshd, sudo, operators' keys, firewall): check, apply, then confirm or revert.

The only proof that a change locks nobody out is a login after the change. So the operation waits for a connection that
was opened after the change, through the new firewall, sshd, keys and sudo.
"""

from __future__ import annotations

from collections.abc import Mapping

from launchpad.runner import paths
from launchpad.runner.context import Cancelled, Context
from launchpad.runner.host import Failed
from launchpad.runner.protocol import record_as_json
from launchpad.runner.provision import reverts
from launchpad.runner.provision.file_text import text
from launchpad.runner.provision.reverts import SECONDS, File, look_at, restore
from launchpad.runner.provision.steps import ChangeAccess
from launchpad.runner.system import Check, ProvisionHost, provisioned

POLL_SECONDS = 0.2
CHECKS: Mapping[str, Check] = {
    paths.SUDOERS: "sudoers",
    paths.SSHD: "sshd",
    "/etc/launchpad/firewall.nft": "firewall",
}
SSHD_CONFIG = "/etc/ssh/sshd_config"
"""Launchpad replaces the whole file when it, or a file that it includes, overrides Launchpad's settings."""


def change(step: ChangeAccess, context: Context) -> None:
    """Apply the change and wait for the confirmation. Failed, with everything reverted, without one."""
    host = provisioned(context)
    found = reverts.of_operation(host, context.identifier)
    if found is None:
        for path, kind in CHECKS.items():
            host.system.check(kind, step.files[path])
        reverts.settle(host, "access")
        files = {path: record_as_json(look_at(host, path)) for path in (*step.files, SSHD_CONFIG)}
        found = reverts.arm(host, context.identifier, "access", files=files)
    if found.state == "armed":
        reverts.start_timer(host, found)
        _make(step, host, found)
        found = reverts.in_force(host, found)
    if found.state == "waiting":
        context.emit("confirm-needed", nonce=found.nonce, seconds=SECONDS)
    for _ in range(int(SECONDS / POLL_SECONDS)):
        state = reverts.state_of(host, found.nonce)
        if state == "confirmed":
            return _keep(step, host)
        if state == "reverted":
            break
        if context.cancelled():
            reverts.take_back(host, found.nonce)
            raise Cancelled
        host.wait(POLL_SECONDS)
    if reverts.take_back(host, found.nonce) == "confirmed":
        return _keep(step, host)
    raise Failed(
        f"no new connection confirmed the change of access within {SECONDS} s, so the change was reverted",
        code="access-change-reverted",
    )


def undo(before: Mapping[str, File], context: Context) -> None:
    """Restore the state before; it needs no confirmation, because people could log in with it."""
    host = provisioned(context)
    found = reverts.of_operation(host, context.identifier)
    if found is not None and found.state in ("armed", "waiting"):
        reverts.take_back(host, found.nonce)
    restore(host, reverts.CONFIRMED, before[reverts.FIREWALL])  # first, because the watch compares with this file
    if all(look_at(host, path) == file for path, file in before.items()):
        return
    for path, file in before.items():
        restore(host, path, file)
    reverts.bring_into_force(host)


def _keep(step: ChangeAccess, host: ProvisionHost) -> None:
    host.write(reverts.CONFIRMED, step.files[reverts.FIREWALL].encode())


def _make(step: ChangeAccess, host: ProvisionHost, found: reverts.Revert) -> None:
    heard = False
    try:
        for path, content in step.files.items():
            host.write(path, content.encode(), mode=step.modes.get(path, 0o644))
        _hold(host)
        heard = True
        reverts.bring_into_force(host)
    except Failed:
        reverts.take_back(host, found.nonce, tell=heard)
        raise


def _hold(host: ProvisionHost) -> None:
    """Make sure that sshd applies Launchpad's part of its configuration."""
    ours = text(SSHD_CONFIG)
    if host.system.sshd_strays(ours):
        host.write(SSHD_CONFIG, ours.encode())
    if strays := host.system.sshd_strays(ours):
        raise Failed(
            "sshd would not apply Launchpad's part of its configuration",
            code="sshd-would-not-apply-launchpad",
            lines=strays,
        )
