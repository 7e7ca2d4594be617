"""Whether an app that does not answer is to be restarted. Pure."""

from __future__ import annotations

from collections.abc import Sequence

LEAST_MISSES, LEAST_SECONDS = 4, 45.0
"""An app is restarted after so many misses in a row, and not before it was silent for so long."""
PAUSES = (120.0, 300.0, 900.0, 1800.0)
"""Seconds from each restart within the window to the next one; after as many restarts nobody tries any more."""
WINDOW_SECONDS = 3 * 3600.0


def is_to_restart(*, misses: int, seconds: float, restarts: Sequence[float], now: float) -> bool:
    """Whether to restart now: `misses` in a row for so many `seconds`, with those `restarts` before."""
    if misses < LEAST_MISSES or seconds < LEAST_SECONDS:
        return False
    recent = [at for at in restarts if at > now - WINDOW_SECONDS]
    if len(recent) > len(PAUSES):
        return False
    return not recent or now - recent[-1] >= PAUSES[len(recent) - 1]
