"""The ids of operations: chosen on the operator's side, so that a repeated request is the same operation."""

from __future__ import annotations

import secrets

from launchpad.runner.protocol import digest_of

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
RANDOM_DIGITS = 5
TIME_DIGITS = 9
WHOLE_DIGITS, PART_DIGITS = 8, 16
"""A part's id begins with a digest of the whole's id, so that a list of ids shows what belongs together, and nobody who
reads one part's id can compute another's."""


def new_identifier(now: float) -> str:
    """A new id: nine base-36 digits of the time in milliseconds, so that ids sort by time until the year 5188, then a
    hyphen and five random digits."""
    moment = int(now * 1000)
    digits = ""
    for _ in range(TIME_DIGITS):
        moment, digit = divmod(moment, len(DIGITS))
        digits = DIGITS[digit] + digits
    return f"{digits}-" + "".join(secrets.choice(DIGITS) for _ in range(RANDOM_DIGITS))


def part_of(identifier: str, *names: str) -> str:
    """The id of a part of the operation with that id. The same names give the same id, so that another process with the
    operation's id attaches to the parts that exist already. Empty when the caller chose no id: each part then gets a
    new id."""
    if not identifier:
        return ""
    whole = digest_of(f"whole {identifier}".encode()).removeprefix("sha256:")[:WHOLE_DIGITS]
    own = digest_of("\n".join((identifier, *names)).encode()).removeprefix("sha256:")[:PART_DIGITS]
    return f"{whole}-{own}"
