"""Update a host's runner to this installation's runner, signed; never to an older one."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from launchpad import __version__
from launchpad.errors import HostError, LaunchpadError, StateError, StepFailed
from launchpad.fleet.model.host import Host
from launchpad.operations.hosts.confirming import confirm_change
from launchpad.operations.hosts.host_settings import signer
from launchpad.operations.requests.asking import ask
from launchpad.operations.requests.reaching import hosts_of
from launchpad.runner.hint import Next
from launchpad.runner.protocol import canonical
from launchpad.runner.wire.host_bodies import Hello, Install, Previous
from launchpad.ssh.archive import DOWNGRADE, runner_archive, sign
from launchpad.workspace import Runner, Workspace


@dataclass(frozen=True)
class Installed:
    """The runner on the host."""

    version: str
    digest: str
    """The beginning of the digest of its archive."""
    clock: float = 0.0
    """The host's; 0 where the runner does not say."""
    previous: str = ""
    """The beginning of the digest of the runner to which the host can return; empty for none."""
    name: str = ""
    """The host's own name."""


def look_at(runner: Runner) -> Installed:
    """Ask which runner answers, for every protocol version."""
    own = ask(runner, Hello())
    return Installed(own.runner, own.digest, own.clock, own.previous, own.name)


def is_ours(now: Installed) -> bool:
    """Whether the host's runner is this installation's runner."""
    return bool(now.digest) and runner_archive().digest.removeprefix("sha256:").startswith(now.digest)


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
    if is_ours(now):
        return False
    if is_newer(now.version, __version__):
        return False
    try:
        signature = sign(archive.data, key=workspace.settings.signing_key)
    except StateError:
        if now.version == __version__:
            return False
        raise
    data = base64.b64encode(archive.data).decode()
    try:
        reply = ask(runner, Install(archive=data, signature=signature, signer=signer(workspace)), seconds=120)
    except StepFailed:
        if now.version == __version__:  # the host does not know this signer, and its present runner suffices
            return False
        raise
    if reply.outcome != "switched":
        return False
    try:
        confirm_change(hosts_of(workspace), host, reply.nonce, seconds=reply.seconds)
    except LaunchpadError as error:
        raise HostError(
            f"{host.name}: the new runner does not answer, so the host restores the old runner: {error.message}",
            code="new-runner-was-returned",
        ) from error
    return True


def return_to_previous(workspace: Workspace, host: Host, now: Installed) -> None:
    """Have the host return from its present runner to the runner before it. StateError when the host keeps none;
    HostError when the earlier runner does not answer either, so that the present runner stays."""
    if not now.previous:
        raise StateError(
            f"{host.name}: the host keeps no earlier runner",
            code="host-keeps-no-earlier-runner",
            hint=Next("provision", host.name),
        )
    asked = {"host": now.name, "present": now.digest, "earlier": now.previous, "at": now.clock}
    signature = sign(canonical(asked), key=workspace.settings.signing_key, namespace=DOWNGRADE)
    hosts = hosts_of(workspace)
    with hosts.reach(host) as runner:
        previous = Previous(
            present=now.digest,
            earlier=now.previous,
            at=now.clock,
            signature=signature,
            signer=signer(workspace),
        )
        reply = ask(runner, previous, seconds=120)
    try:
        confirm_change(hosts, host, reply.nonce, seconds=reply.seconds)
    except LaunchpadError as error:
        message = f"{host.name}: the earlier runner does not answer, so the present one stays: {error.message}"
        raise HostError(message, code="earlier-runner-does-not-answer") from error


def is_newer(version: str, other: str) -> bool:
    """Whether the version comes after the other one."""
    return _order(version) > _order(other)


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdecimal())
