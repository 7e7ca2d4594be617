"""The names and texts that a release may contain: one pattern for each; a pattern must match the whole text."""

from __future__ import annotations

import re

PART = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
"""A service, a volume, an app, an action: at most PART_LENGTH characters."""

PART_LENGTH = 32

VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")

SECRET = re.compile(r"[A-Z][A-Z0-9_]{0,63}")

IMAGE = re.compile(
    r"(?=.{1,400}\Z)"
    r"(?:localhost|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|[A-Za-z0-9-]+(?=:))(?::[0-9]{1,5})?"  # registry
    r"(?:/[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*)+"  # repository
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?"  # tag, for people
    r"@sha256:[0-9a-f]{64}"
)

FILE = re.compile(r"(?=.{1,200}\Z)[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*){0,3}")
"""A relative path without `..` and without leading dots, so no .env and no .git."""

DOMAIN = re.compile(r"(?=.{4,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
"""A full host name in lower case: no wildcard, no address, no port."""

URL_PATH = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@%/?-]{0,255}")

ENVIRONMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")

MOUNT_TARGET = re.compile(r"(?:/[A-Za-z0-9_.][A-Za-z0-9_.-]*)+")


def is_part(text: str) -> bool:
    """Whether the text can name a part of a release: a service, a volume, an app, an action."""
    return len(text) <= PART_LENGTH and PART.fullmatch(text) is not None
