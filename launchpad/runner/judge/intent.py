"""Whether the person who speaks has signed what a request would change.

An SSH key opens the door and says who speaks; it decides nothing. What changes a tenant, or hands out its inside, needs
a signature by the same person's signing key over an envelope (`protocol.Envelope`): this host, this verb, the digest of
the body, once, for some minutes. So a stolen SSH key reads, and does what cron does; and a signed request that
somebody copied is worth nothing for another tenant, another host, another body, or again.

Root of the host itself needs no signature.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from launchpad.runner import paths
from launchpad.runner.hint import HERE, Next
from launchpad.runner.host import Busy
from launchpad.runner.journal import Journal
from launchpad.runner.protocol import SIGNED_VERBS, Envelope, Refused, Request, canonical, digest_of, record_as_json
from launchpad.runner.provision.settings_record import stored_settings

if TYPE_CHECKING:
    from launchpad.runner.caller import Caller
    from launchpad.runner.system import ProvisionHost

NAMESPACE = "launchpad-intent"
"""Of `ssh-keygen -Y`: a signature over settings or over a runner is none over an intent."""
FLEET = "fleet"
"""The fleet's name in the settings of its hosts."""
MOST_SECONDS = 15 * 60
"""The longest time for which a signature may be valid, by the host's clock."""
UNSIGNED: Mapping[str, frozenset[str]] = {
    "start": frozenset({"tenant"}),
    "restart": frozenset({"tenant"}),
    "snapshot": frozenset({"tenant"}),
    "backup": frozenset({"tenant", "targets"}),
    "verify": frozenset({"tenant", "targets", "part"}),
    "drill": frozenset({"tenant", "targets", "snapshot"}),
    "prune": frozenset(),
    "provision": frozenset({"settings", "signature"}),
}
"""What cron does without a signing key, by kind, with the options that it may have: targets and recipients come from
the signed settings, the keys of repositories from the host itself. Any other option must be signed, also one of the
future. The settings of a provision have a signature of their own."""
KEPT_SECONDS = 24 * 3600
"""Used ids are kept so long after their time, in case the host's clock goes back."""
_NONCE = re.compile(r"[0-9a-f]{32}")
FAR = 1 << 53
WAIT_SECONDS = 10


def needs_signature(verb: str, body: Mapping[str, Any]) -> bool:
    """Whether a host wants a signature for the request. Of an operation that it does not know the kind: yes."""
    if verb != "submit":
        return verb in SIGNED_VERBS
    operation = body.get("operation")
    kind = operation.get("kind") if isinstance(operation, dict) else None
    if not isinstance(operation, dict) or not isinstance(kind, str) or kind not in UNSIGNED:
        return True
    return not operation.keys() - {"kind"} <= UNSIGNED[kind]


def signed_text(envelope: Envelope) -> bytes:
    return canonical(record_as_json(envelope))


def judge_intent(host: ProvisionHost, request: Request, caller: Caller) -> None:
    """Refused unless the request needs no signature, or has the caller's, which is used up by this: also one for an
    operation that is refused then, or has nothing to do, so that a copy does nothing later."""
    if caller.root or not needs_signature(request.verb, request.body) or _is_own(host, request, caller):
        return
    intent = request.intent
    if intent is None:
        raise Refused(
            f"this request is not signed: {_named(request)} needs {caller.operator}'s signing key, not the SSH key "
            "alone",
            code="not-signed",
            kind="state",
            hint=Next("key", "show") + " names your signing key",
        )
    envelope = intent.envelope
    try:
        _judge_envelope(host, request, envelope)
        text = signed_text(envelope)
        intent.signature.encode("ascii")
    except UnicodeEncodeError as error:
        raise Refused("the signed request has half characters, which are no text", code="no-text") from error
    signers = (host.read(f"{paths.ETC}/allowed_signers") or b"").decode()
    named = {"signature": intent.signature, "signers": signers, "signer": caller.operator}
    if not host.system.verified(text, namespace=NAMESPACE, **named):
        raise Refused(
            f"this request is not signed by {caller.operator} with a key that this host knows",
            code="signer-unknown",
            kind="state",
            hint=Next("operator", "list") + "; a new signing key counts after " + Next("provision", HERE),
        )
    _use_up(host, envelope, caller)


def _judge_envelope(host: ProvisionHost, request: Request, envelope: Envelope) -> None:
    settings = stored_settings(host).settings
    own = settings.identity if settings else None
    wanted = {
        "format": (envelope.format, 1),
        "fleet": (envelope.fleet, own.fleet if own else ""),
        "host": (envelope.host, own.host if own else ""),
        "verb": (envelope.verb, request.verb),
        "body": (envelope.body, digest_of(canonical(request.body))),
    }
    for name, (signed, true) in wanted.items():
        if signed != true:
            raise Refused(
                f"the signature is for another {name} than this request's", code="signed-for-another", kind="state"
            )
    if _NONCE.fullmatch(envelope.nonce) is None:
        raise Refused("the signature's nonce is not 32 of 0-9 and a-f", code="nonce-malformed")
    left = min(envelope.until, FAR) - host.now()
    if not 0 < left <= MOST_SECONDS:
        when = f"ended {-left:.0f} s ago" if left <= 0 else f"would hold for {left:.0f} s"
        raise Refused(
            f"the signature {when} by this host's clock; it may hold for at most {MOST_SECONDS} s",
            code="signature-not-now",
            kind="state",
            hint="compare the clocks: date -u on your machine, and " + Next("status", HERE, "--long"),
        )


def _is_own(host: ProvisionHost, request: Request, caller: Caller) -> bool:
    """Whether it cancels an operation of the caller's that needed no signature; not a provision, which may be the one
    that replaces a stolen key."""
    identifier = request.body.get("id")
    if request.verb != "cancel" or not isinstance(identifier, str):
        return False
    asked = Journal(host, identifier).asked()
    if asked is None or asked["who"] != caller.operator:
        return False
    return asked["operation"]["kind"] != "provision" and not needs_signature("submit", asked)


def _use_up(host: ProvisionHost, envelope: Envelope, caller: Caller) -> None:
    """Refused when the envelope was used before."""
    path = f"{paths.INTENTS}/{envelope.nonce}"
    owner = {"who": caller.operator, "kind": envelope.verb, "operation": "", "since": host.now()}
    try:
        with host.lock("intents", owner, seconds=WAIT_SECONDS):
            if host.read(path) is not None:
                raise Refused(
                    "this signed request was carried out before",
                    code="signature-used",
                    kind="state",
                    hint="run the command again",
                )
            for name in host.names(paths.INTENTS):
                if json.loads(host.read(f"{paths.INTENTS}/{name}") or b"0") + KEPT_SECONDS < host.now():
                    host.remove(f"{paths.INTENTS}/{name}")
            host.write(path, str(envelope.until).encode())
    except Busy as busy:
        raise Refused(
            "the used signatures are locked",
            code="signatures-locked",
            kind="locked",
            hint="run the same command again",
        ) from busy


def _named(request: Request) -> str:
    operation = request.body.get("operation")
    kind = operation.get("kind") if request.verb == "submit" and isinstance(operation, dict) else request.verb
    return str(kind)[:40]
