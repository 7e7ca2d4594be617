"""The ids of operations: chosen on the operator's side, so that a repeated request is the same operation."""

from __future__ import annotations

import secrets

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
RANDOM_DIGITS = 5
TIME_DIGITS = 9


def new_identifier(now: float) -> str:
    """A new id: nine base-36 digits of the time in milliseconds, so that ids sort by time until the year 5188, then a
    hyphen and five random digits."""
    moment = int(now * 1000)
    digits = ""
    for _ in range(TIME_DIGITS):
        moment, digit = divmod(moment, len(DIGITS))
        digits = DIGITS[digit] + digits
    return f"{digits}-" + "".join(secrets.choice(DIGITS) for _ in range(RANDOM_DIGITS))
