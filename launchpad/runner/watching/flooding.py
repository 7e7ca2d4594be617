"""How far a container that floods its log is limited. Pure.

Docker's daemon takes CPU time for each line. A container that floods is limited until less arrives than LIMIT; it is
free again when it would write little without the limit, too.
"""

from __future__ import annotations

from launchpad.runner.record import Record

LIMIT = 256 << 10
"""Bytes of log a second. Docker needs some hundredths of a core for as many."""
LOUD_SECONDS = 15.0
"""A container is limited (further) after so long above LIMIT."""
CALM_SECONDS, MOST_CALM_SECONDS = 60.0, 1800.0
"""A container is free again after so long far below LIMIT; twice as long for each flood of the same hour."""
FORGOTTEN_SECONDS = 3600.0
STEP, LEAST = 4, 1 / 64


class Flood(Record):
    """What is known of one container's log."""

    share: float = 1.0
    """Of its CPUs, which the container may use now."""
    loud: float = 0.0
    """Seconds above LIMIT, in a row."""
    calm: float = 0.0
    """Seconds far below LIMIT, in a row."""
    times: int = 0
    """How many floods there were within the last hour."""


def judged(flood: Flood, *, rate: float, seconds: float) -> Flood:
    """What is known after so many seconds in which the log grew by `rate` bytes a second."""
    loud = flood.loud + seconds if rate >= LIMIT else 0.0
    # What a limited container writes is what its share of the CPUs lets it write.
    calm = flood.calm + seconds if rate / flood.share < LIMIT / 2 else 0.0
    if loud >= LOUD_SECONDS and flood.share > LEAST:
        return Flood(max(LEAST, flood.share / STEP), times=flood.times + (flood.share == 1.0))
    if flood.share < 1.0 and calm >= min(CALM_SECONDS * 2 ** (flood.times - 1), MOST_CALM_SECONDS):
        return Flood(times=flood.times)
    return Flood(flood.share, loud, calm, 0 if calm >= FORGOTTEN_SECONDS else flood.times)
