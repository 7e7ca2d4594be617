"""Changes of the kernel's packet filter (nftables)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from launchpad.runner.machine.command import succeed


def change_filter(commands: Sequence[dict[str, Any]]) -> None:
    """Apply the commands in one transaction. Failed with nft's message.

    The commands are those of nft's JSON (libnftables-json(5))."""
    succeed(["nft", "--json", "--file", "-"], stdin=json.dumps({"nftables": list(commands)}).encode())
