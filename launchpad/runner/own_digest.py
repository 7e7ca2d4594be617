"""Which archive this code came from. Light to import: `observe` reads it."""

from __future__ import annotations

import launchpad

_FOLDER = "runner-"


def digest() -> str:
    """The beginning of the digest of the archive that this code was unpacked from; empty in a checkout.

    Not the digest of the linked runner: after a switch the old runner may still answer."""
    return digest_in(str(launchpad.__file__).rsplit("/", 2)[0])


def digest_in(path: str) -> str:
    """The beginning of the digest in the name of a runner's folder; empty for another folder."""
    folder = path.rpartition("/")[2]
    return folder.removeprefix(_FOLDER) if folder.startswith(_FOLDER) else ""
