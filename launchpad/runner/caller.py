"""Who asks. A module of its own, so that a reading verb imports nothing of operations for it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Caller:
    """Who asks, as sshd and sudo know it; never as the request says."""

    operator: str
    source: str = ""
