"""Output or a file that takes no more text, as on a full disk. Fast to import, because every command imports this
module."""

from __future__ import annotations

import errno

from launchpad.errors import LaunchpadError

UNWRITABLE = 74
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF, errno.EROFS})
"""The numbers of errors that a write has, and that no retry mends."""


class Unwritable(LaunchpadError):
    """The output or a file could not be written."""

    code = "output-not-writable"

    exit_code = UNWRITABLE

    @classmethod
    def of(cls, error: OSError) -> Unwritable:
        """The error of a write; `error` names the file, if the write was no output."""
        what = f"{error.filename}: cannot write" if error.filename else "cannot write"
        return cls(f"{what}: {error.strerror}", hint="df -h" if error.errno == errno.ENOSPC else "")
