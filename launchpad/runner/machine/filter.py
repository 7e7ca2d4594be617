"""The kernel's packet filter (nftables), as whoever changes it tells it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from launchpad.runner.machine.command import succeed


def change_filter(commands: Sequence[dict[str, Any]]) -> None:
    """One transaction: all of it or nothing, and no packet sees anything between. Failed with nft's own words.

    The commands are those of nft's JSON (libnftables-json(5))."""
    succeed(["nft", "--json", "--file", "-"], stdin=json.dumps({"nftables": list(commands)}).encode())
