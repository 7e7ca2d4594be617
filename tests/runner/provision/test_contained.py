"""The filter that containers are started under: it refuses to make subvolumes, and nothing else."""

from __future__ import annotations

import errno
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

import launchpad

SCRIPT = Path(launchpad.__file__).parent / "runner/provision/files/usr/local/lib/launchpad/contained"
ASK = """
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall(int(sys.argv[1]), -1, ctypes.c_ulong(int(sys.argv[2], 16)), None)
print(ctypes.get_errno())
"""
IOCTL, READ = 16, 0
REFUSED, NOT_OPEN = errno.EPERM, errno.EBADF

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root sets a filter that leaves set-uid programs as they are"),
    pytest.mark.skipif(platform.machine() != "x86_64", reason="system calls are asked by their numbers on x86_64"),
]


@pytest.mark.parametrize(
    ("what", "call", "argument", "wanted"),
    [
        ("a subvolume", IOCTL, "5000940e", REFUSED),
        ("a subvolume, the newer way", IOCTL, "50009418", REFUSED),
        ("a snapshot", IOCTL, "50009417", REFUSED),
        ("one behind bits that the kernel ignores", IOCTL, "700000005000940e", REFUSED),
        ("a copy that shares its blocks", IOCTL, "40049409", NOT_OPEN),
        ("a terminal's size", IOCTL, "5413", NOT_OPEN),
        ("another call with such an argument", READ, "5000940e", NOT_OPEN),
    ],
)
def test_subvolumes_alone_are_refused(what: str, call: int, argument: str, wanted: int) -> None:
    words = [sys.executable, "-I", str(SCRIPT), sys.executable, "-c", ASK, str(call), argument]
    said = subprocess.run(words, capture_output=True, text=True, check=True)
    assert int(said.stdout) == wanted, what
