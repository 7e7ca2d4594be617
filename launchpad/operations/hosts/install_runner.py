"""Update a host's runner to this installation's runner, signed; never to an older one."""

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
    """The runner on the host."""

    version: str
    digest: str
    """The beginning of the digest of its archive."""
    clock: float = 0.0
    """The host's; 0 where the runner does not say."""


def look_at(runner: Runner) -> Installed:
    """Ask which runner answers, for every protocol version."""
    own = runner.ask("hello", {})
    return Installed(str(own["runner"]), str(own.get("digest") or ""), float(own.get("clock") or 0))


def settings_digest(runner: Runner) -> str:
    """The digest of the settings that the host has."""
    return str(runner.ask("observe", {"tenants": [], "probes": False})["host"]["settings_digest"])


def bring_runner_up_to_date(workspace: Workspace, host: Host, runner: Runner, now: Installed) -> bool:
    """Install this installation's runner when the host's runner differs and is not newer; return whether it was
    replaced.

    The host restores the old runner unless the new runner answers a new connection. A runner of the same version but
    from other sources (during development of Launchpad) is replaced only by a signer.
    """
    archive = runner_archive()
    if now.digest and archive.digest.removeprefix("sha256:").startswith(now.digest):
        return False
    if is_newer(now.version, __version__):
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
        if now.version == __version__:  # the host does not know this signer, and its present runner suffices
            return False
        raise
    if reply["outcome"] != "switched":
        return False
    try:
        confirm_change(hosts_of(workspace), host, str(reply["nonce"]), seconds=float(reply["seconds"]))
    except LaunchpadError as error:
        raise HostError(
            f"{host.name}: the new runner does not answer, so the host restores the old runner: {error.message}"
        ) from error
    return True


def is_newer(version: str, other: str) -> bool:
    """Whether the version comes after the other one."""
    return _order(version) > _order(other)


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdecimal())
