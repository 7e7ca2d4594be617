"""Bring a host's runner up to this installation's, signed; never to an older one."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from launchpad import __version__
from launchpad.errors import HostError, LaunchpadError, StateError, StepFailed
from launchpad.fleet.model.host import Host
from launchpad.operations.hosts.confirming import confirm_change
from launchpad.operations.hosts.host_settings import signer
from launchpad.operations.requests.reaching import hosts_of
from launchpad.ssh.archive import runner_archive, sign
from launchpad.workspace import Runner, Workspace


@dataclass(frozen=True)
class Installed:
    """What runs on the host."""

    version: str
    digest: str
    """The beginning of its archive's."""


def look_at(runner: Runner) -> Installed:
    """Which runner answers, whatever protocol it speaks."""
    own = runner.ask("hello", {})
    return Installed(str(own["runner"]), str(own.get("digest") or ""))


def settings_digest(runner: Runner) -> str:
    """The digest of the settings that the host has."""
    return str(runner.ask("observe", {"tenants": [], "probes": False})["host"]["settings_digest"])


def bring_runner_up_to_date(workspace: Workspace, host: Host, runner: Runner, now: Installed) -> bool:
    """Install this side's runner where the host's is another and not newer; whether it was replaced.

    The host puts the old one back unless a new connection is answered by the new one. Of the same version from other
    sources (somebody works on Launchpad) only who can sign replaces it."""
    archive = runner_archive()
    if now.digest and archive.digest.removeprefix("sha256:").startswith(now.digest):
        return False
    if _order(now.version) > _order(__version__):
        return False
    try:
        signature = sign(archive.data, key=workspace.settings.signing_key)
    except StateError:
        if now.version == __version__:
            return False
        raise
    body = {"archive": base64.b64encode(archive.data).decode(), "signature": signature, "signer": signer(workspace)}
    try:
        reply = runner.ask("install", body, seconds=120)
    except StepFailed:
        if now.version == __version__:  # the host does not know this signer; what it has will do
            return False
        raise
    if reply["outcome"] != "switched":
        return False
    try:
        confirm_change(hosts_of(workspace), host, str(reply["nonce"]), seconds=float(reply["seconds"]))
    except LaunchpadError as error:
        raise HostError(
            f"{host.name}: the new runner does not answer, so the host takes the old one back: {error.message}"
        ) from error
    return True


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdecimal())
