"""previous: return to the runner before the present one, whose files are still on the host. Signed, and confirmed like
an `install`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from launchpad.runner import paths
from launchpad.runner.caller import Caller
from launchpad.runner.hint import HERE, Next
from launchpad.runner.protocol import Refused, canonical
from launchpad.runner.provision import reverts
from launchpad.runner.provision.unpack import version_in
from launchpad.runner.verbs import only, reply
from launchpad.runner.verbs.hello import digest_in
from launchpad.runner.verbs.install import DOWNGRADE, SIGNERS, switch

FRESH_SECONDS = 600
"""The signature's largest age, by the host's clock: a recorded request is worthless later."""


def previous(host: Any, body: Mapping[str, Any], caller: Caller) -> Iterator[dict[str, Any]]:
    """{"outcome": "switched", "nonce", "seconds", "version"}, which awaits a confirmation.

    body {"from", "to": the beginnings of both runners' digests, "at": the host's clock, "signature", "signer"}; signed:
    host's name, from, to, at."""
    given = only(body, **{"from": str, "to": str, "at": float, "signature": str, "signer": str})
    if None in given.values():
        raise Refused("previous: expected from, to, at, signature and signer")
    signers = (host.read(SIGNERS) or b"").decode()
    message = canonical({"host": host.name(), **{key: given[key] for key in ("from", "to", "at")}})
    if not host.system.verified(
        message, signature=given["signature"], signers=signers, signer=given["signer"], namespace=DOWNGRADE
    ):
        raise Refused(
            f"the return to the earlier runner is not signed by {given['signer'][:60]!r} as an allowed signer",
            code="return-signer",
            hint="sign with a key of the inventory's signers",
        )
    if abs(host.now() - given["at"]) > FRESH_SECONDS:
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
        if (digest_in(present), digest_in(folder)) != (given["from"], given["to"]):
            raise Refused(
                "the host's runner changed meanwhile",
                code="runner-changed-meanwhile",
                kind="state",
                hint="run the same command again",
            )
        revert = switch(host, folder)
    yield reply({"outcome": "switched", "nonce": revert.nonce, "seconds": reverts.SECONDS, "version": version.version})
