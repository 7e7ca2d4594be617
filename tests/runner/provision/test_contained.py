"""The filter that containers are started under: it refuses subvolumes and two families of sockets, and nothing else."""

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


SOCKET = """
import socket, sys
try:
    socket.socket(int(sys.argv[1]), int(sys.argv[2]))
    print(0)
except OSError as error:
    print(error.errno)
"""
OF_32_BITS = """
import ctypes, mmap, struct, sys
call, first = int(sys.argv[1]), int(sys.argv[2])
low = 0x40000000
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
assert libc.mmap(low, 4096, 3, 0x32, -1, 0) == low
ctypes.memmove(low, struct.pack("=3I", 1, 1, 0), 12)  # of socketcall: AF_UNIX, SOCK_STREAM
second = struct.pack("=I", low if call == 102 else 1)
code = bytes.fromhex("53b8") + struct.pack("=I", call) + bytes.fromhex("bb") + struct.pack("=I", first)
code += bytes.fromhex("b9") + second + bytes.fromhex("31d2cd805bc3")  # int 0x80: a call of 32 bits
page = mmap.mmap(-1, 4096, prot=7)
page.write(code)
ask = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
print(max(0, -ask()))
"""
DATAGRAM, STREAM, SEQUENTIAL = 2, 1, 5


@pytest.mark.parametrize(
    ("what", "family", "kind", "refused"),
    [
        ("AF_ALG", 38, SEQUENTIAL, True),
        ("AF_VSOCK", 40, STREAM, True),
        ("AF_UNIX", 1, STREAM, False),
        ("AF_INET", 2, DATAGRAM, False),
        ("AF_INET6", 10, STREAM, False),
        ("AF_NETLINK", 16, DATAGRAM, False),
    ],
)
def test_two_families_of_sockets_are_refused(what: str, family: int, kind: int, refused: bool) -> None:
    assert (under_the_filter(SOCKET, family, kind) == errno.EPERM) == refused, what


@pytest.mark.parametrize(
    ("what", "call", "first", "refused"),
    [
        ("socket of AF_ALG", 359, 38, True),
        ("socket of AF_VSOCK", 359, 40, True),
        ("socket of AF_UNIX", 359, 1, False),
        ("a socket by socketcall", 102, 1, True),
        ("a pair of sockets by socketcall", 102, 8, True),
        ("another socketcall", 102, 2, False),
    ],
)
def test_so_it_is_for_programs_of_32_bits(what: str, call: int, first: int, refused: bool) -> None:
    assert (under_the_filter(OF_32_BITS, call, first) == errno.EPERM) == refused, what


def under_the_filter(program: str, *words: int) -> int:
    """What the program prints, started as containers are."""
    argv = [sys.executable, "-I", str(SCRIPT), sys.executable, "-c", program, *map(str, words)]
    return int(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)
