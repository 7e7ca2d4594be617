"""Recovery: the public halves of the emergency kit's keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from launchpad.fleet.model.base import Model
from launchpad.fleet.words.references import PublicKey, Recipient

RECOVERY = "recovery"
"""The name of the kit's operator and signer on hosts."""
RECORD = "kit-tested.json"
"""The file with the result of the last `kit test`, in the workspace for Git. It is outside of the inventory, so that
tenants' revisions do not change."""


class Recovery(Model):
    """Written by `launchpad kit make`. The private halves are only in the emergency kit, encrypted with its
    passphrase."""

    recipient: Recipient
    """The age recipient of the kit, which can read everything that is sealed: secrets, backup keys, the workspace's
    backup."""
    ssh_key: PublicKey
    """The SSH key with which the kit logs in to every host, as the operator `recovery`."""
    signing_key: PublicKey
    """The key that signs runners and host settings for the kit."""


def last_test(root: Path) -> dict[str, Any]:
    """{"recipient", "at", "good"} of the last `kit test`; empty when there was none."""
    try:
        found: dict[str, Any] = json.loads((root / RECORD).read_text())
        return {"recipient": str(found["recipient"]), "at": float(found["at"]), "good": bool(found["good"])}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def kit_test(root: Path, recovery: Recovery, *, now: float) -> dict[str, Any]:
    """{"at", "good", "age_seconds"} of the last `kit test` of this kit; empty when there was none."""
    last = last_test(root)
    if last.get("recipient") != recovery.recipient:
        return {}
    return {"at": last["at"], "good": last["good"], "age_seconds": max(0.0, now - last["at"])}
