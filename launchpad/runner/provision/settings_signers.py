"""Who may change a host's settings. An operator's key may use the runner, but may not decide who else may.

So new settings need the signature of an allowed signer, like a new runner. The signature names the settings that it
replaces, by the digest of a file whose serial rises with every change: an old signature never works again. Root's own
login needs no signature, and neither does a provision with the host's present settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from launchpad.runner import paths
from launchpad.runner.hint import Next
from launchpad.runner.protocol import Refused, canonical, digest_of
from launchpad.runner.provision.settings_record import HostSettings, settings_from_json, stored_settings
from launchpad.runner.system import ProvisionHost

NAMESPACE = "launchpad-settings"
SIGNERS = f"{paths.ETC}/allowed_signers"


def message(settings: HostSettings, replaces: str, secrets: Mapping[str, Any] = MappingProxyType({})) -> bytes:
    """The signed text: the settings, the digest of the replaced settings, and the new credentials."""
    signed = {"replaces": replaces, "settings": settings.digest}
    return canonical(signed | ({"secrets": digest_of(canonical(dict(secrets)))} if secrets else {}))


def judge_trust(host: ProvisionHost, operation: Mapping[str, Any], secrets: Mapping[str, Any]) -> HostSettings | None:
    """Refused unless the caller may request this provision. Returns the settings when the secrets in the request may be
    stored too; None when neither root nor a signature covers the secrets."""
    settings = settings_from_json(operation["settings"])
    stored = stored_settings(host)
    if host.system.asked_by_root():
        return settings
    if settings == stored.settings and operation.get("signature") is None:
        return None
    if stored.settings is not None and stored.settings.identity != settings.identity:
        name = stored.settings.identity
        raise Refused(
            f"this host is {name.host} of {name.fleet}, not {settings.identity.host}", code="other-host", kind="state"
        )
    signature = operation.get("signature")
    if signature is None:
        raise Refused(
            "these settings differ from the host's and are not signed",
            code="settings-unsigned",
            hint=Next("provision") + " signs",
        )
    keys = {"signer", "replaces", "signature"}
    if (
        not isinstance(signature, dict)
        or set(signature) != keys
        or not all(isinstance(i, str) for i in signature.values())
    ):
        raise Refused("provision.signature: expected a signer, the digest of the replaced settings, and a signature")
    if signature["replaces"] != stored.digest:
        raise Refused(
            "the host's settings have changed since these were signed",
            code="settings-changed-meanwhile",
            kind="state",
            hint="provision again",
        )
    valid = host.system.verified(
        message(settings, stored.digest, secrets),
        signature=signature["signature"],
        signers=(host.read(SIGNERS) or b"").decode(),
        signer=signature["signer"],
        namespace=NAMESPACE,
    )
    if not valid:
        raise Refused(
            f"the settings are not signed by {signature['signer'][:60]!r} as an allowed signer of this host",
            code="settings-signer",
        )
    return settings
