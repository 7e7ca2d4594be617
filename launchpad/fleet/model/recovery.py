"""Recovery: the public halves of what is in the emergency kit alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from launchpad.fleet.model.base import Model
from launchpad.fleet.words.references import PublicKey, Recipient

RECOVERY = "recovery"
"""What the kit's operator and signer are called on hosts."""
RECORD = "kit-tested.json"
"""What the last `kit test` found, in the workspace for Git; beside the inventory, so that no tenant's revision is
another for it."""


class Recovery(Model):
    """Written by `launchpad kit make`. The other halves are in the emergency kit, under its passphrase."""

    recipient: Recipient
    """Who can read everything that is sealed: secrets, the keys of backups, the workspace's backup."""
    ssh_key: PublicKey
    """The key by which every host lets the kit in, as the operator `recovery`."""
    signing_key: PublicKey
    """The key that signs a runner or a host's settings in the kit's name."""


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
