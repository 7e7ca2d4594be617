"""install: install a newer runner after verifying an allowed signer's signature.

The link to the runner is switched, and switched back within 30 s unless a connection that was opened after the switch
sends `hello` and `confirm`, both answered by the new runner. A running operation is ended by the runner that began it.
"""

from __future__ import annotations

import base64
import binascii
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

from launchpad.runner import paths
from launchpad.runner.caller import Caller
from launchpad.runner.host import Failed
from launchpad.runner.protocol import PROTOCOL, Refused
from launchpad.runner.provision import reverts
from launchpad.runner.provision.unpack import MOST_BYTES, START, folder_of, unpack, version_in, version_of
from launchpad.runner.system import ProvisionHost
from launchpad.runner.verbs import reply
from launchpad.runner.wire.body import body_from_json
from launchpad.runner.wire.host_bodies import Install, Switched

SIGNERS = f"{paths.ETC}/allowed_signers"
NAMESPACE = "launchpad-runner"
DOWNGRADE = "launchpad-runner-downgrade"
"""The signature's namespace for an older runner: an old runner's normal signature cannot be replayed for a
downgrade."""
TRIAL_SECONDS = 15


def install(host: ProvisionHost, body: Mapping[str, Any], caller: Caller) -> Iterator[dict[str, Any]]:
    """Switched, which awaits a confirmation unless nothing changed; body Install."""
    given = body_from_json(Install, body)
    archive = _archive(given)
    with host.lock("host", {"kind": "install", "who": caller.operator, "operation": ""}, seconds=10):
        target = f"{folder_of(archive)}/{START}"
        if host.target(paths.RUNNER) == target:
            yield reply(Switched(outcome="unchanged", version=version_of(archive).version))
            return
        _verify(host, archive, given)
        revert = switch(host, unpack(archive))
    version = version_of(archive).version
    yield reply(Switched(outcome="switched", nonce=revert.nonce, seconds=reverts.SECONDS, version=version))


def switch(host: ProvisionHost, folder: str) -> reverts.Revert:
    """Start the runner in this folder from now on, until the revert's time is over without a confirmation. The runner
    before it stays on disk. Failed when the new runner does not answer. The caller holds the host's lock."""
    _try_out(folder)
    reverts.settle(host, "runner")
    target, before = f"{folder}/{START}", host.target(paths.RUNNER) or ""
    revert = reverts.arm(host, reverts.of_runner(target), "runner", links={paths.RUNNER: before})
    reverts.start_timer(host, revert)
    host.link(paths.RUNNER, target)
    revert = reverts.in_force(host, revert)
    host.write(paths.PREVIOUS_RUNNER, before.rpartition("/")[0].encode(), mode=0o600)
    _forget_old(host, keep={folder, before.rpartition("/")[0]})
    return revert


def _archive(given: Install) -> bytes:
    try:
        archive = base64.b64decode(given.archive, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused("install: the archive is not base64") from error
    if len(archive) > MOST_BYTES:
        raise Refused(f"install: the archive is larger than {MOST_BYTES} bytes")
    return archive


def _verify(host: ProvisionHost, archive: bytes, given: Install) -> None:
    """Refused without a valid signature; nothing of the archive is opened before."""
    signers = (host.read(SIGNERS) or b"").decode()

    def signed(namespace: str) -> bool:
        return host.system.verified(
            archive, signature=given.signature, signers=signers, signer=given.signer, namespace=namespace
        )

    downgrade = signed(DOWNGRADE)
    if not downgrade and not signed(NAMESPACE):
        raise Refused(
            f"the runner is not signed by {given.signer[:60]!r} as an allowed signer of this host",
            code="runner-signer",
            hint="sign the runner with a key of the inventory's signers",
        )
    now, new = version_in(host.system.runner()), version_of(archive)
    if now is not None and new.order < now.order and not downgrade:
        raise Refused(
            f"runner {new.version} is older than {now.version}, which is installed",
            code="runner-older",
            kind="state",
            hint="update Launchpad",
        )


def _try_out(folder: str) -> None:
    """Failed when the new runner does not answer `hello`: then the link is not switched."""
    request = b'{"protocol":%d,"client":"install","verb":"hello","body":{}}\n' % PROTOCOL
    words = [f"{folder}/{START}", "operator=install"]
    try:
        done = subprocess.run(words, input=request, capture_output=True, timeout=TRIAL_SECONDS, check=False, cwd="/")
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed("the new runner does not start", code="new-runner-does-not-start") from error
    if done.returncode != 0 or b'"type":"reply"' not in done.stdout:
        lines = (done.stderr or done.stdout).decode(errors="replace").splitlines()[-10:]
        raise Failed("the new runner does not answer", code="new-runner-does-not-answer", lines=lines)


def _forget_old(host: ProvisionHost, keep: set[str]) -> None:
    """Remove runners that neither an open operation nor a pending change needs."""
    for name in host.names(paths.OPERATIONS):
        folder = paths.operation(name)
        if host.read(f"{folder}/outcome.json") is None:
            keep.add((host.read(f"{folder}/runner") or b"").decode().strip())
    for revert in reverts.pending(host):
        keep.add((host.read(f"{reverts.folder(revert.nonce)}/runner") or b"").decode().strip())
    for name in host.names(paths.LIBRARY):
        path = f"{paths.LIBRARY}/{name}"
        if name.startswith(("runner-", ".runner-")) and path not in keep and os.path.isdir(path):  # noqa: PTH112
            shutil.rmtree(path, ignore_errors=True)
