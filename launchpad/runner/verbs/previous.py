"""previous: return to the runner before the present one, whose files are still on the host. Signed, and confirmed like
an `install`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from launchpad.runner import paths
from launchpad.runner.caller import Caller
from launchpad.runner.hint import HERE, Next
from launchpad.runner.own_digest import digest_in
from launchpad.runner.protocol import Refused, canonical
from launchpad.runner.provision import reverts
from launchpad.runner.provision.unpack import version_in
from launchpad.runner.verbs import reply
from launchpad.runner.verbs.install import DOWNGRADE, SIGNERS, switch
from launchpad.runner.wire.body import body_from_json
from launchpad.runner.wire.host_bodies import Previous, Switched

FRESH_SECONDS = 600
"""The signature's largest age, by the host's clock: a recorded request is worthless later."""


def previous(host: Any, body: Mapping[str, Any], caller: Caller) -> Iterator[dict[str, Any]]:
    """Switched, which awaits a confirmation; body Previous."""
    given = body_from_json(Previous, body)
    signers = (host.read(SIGNERS) or b"").decode()
    message = canonical({"host": host.name(), "present": given.present, "earlier": given.earlier, "at": given.at})
    if not host.system.verified(
        message, signature=given.signature, signers=signers, signer=given.signer, namespace=DOWNGRADE
    ):
        raise Refused(
            f"the return to the earlier runner is not signed by {given.signer[:60]!r} as an allowed signer",
            code="return-signer",
            hint="sign with a key of the inventory's signers",
        )
    if abs(host.now() - given.at) > FRESH_SECONDS:
        raise Refused(
            "the signature is older than 10 minutes",
            code="signature-too-old",
            kind="state",
            hint="run the same command again",
        )
    with host.lock("host", {"kind": "install", "who": caller.operator, "operation": ""}, seconds=10):
        folder = (host.read(paths.PREVIOUS_RUNNER) or b"").decode()
        present = (host.target(paths.RUNNER) or "").rpartition("/")[0]
        version = version_in(folder)
        if folder == present or version is None:
            raise Refused(
                "the host keeps no earlier runner", code="no-earlier-runner", kind="state", hint=Next("provision", HERE)
            )
        if (digest_in(present), digest_in(folder)) != (given.present, given.earlier):
            raise Refused(
                "the host's runner changed meanwhile",
                code="runner-changed-meanwhile",
                kind="state",
                hint="run the same command again",
            )
        revert = switch(host, folder)
    yield reply(Switched(outcome="switched", nonce=revert.nonce, seconds=reverts.SECONDS, version=version.version))
