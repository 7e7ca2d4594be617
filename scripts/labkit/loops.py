"""Loop devices: a few that each host alone uses, given back when it goes."""

import contextlib
import fcntl
import os
import stat
from pathlib import Path

from labkit.shell import attempt

_EACH = 3
# Above what a desktop's own loop devices reach.
_FIRST = 100
_LOOP_CTL_ADD = 0x4C80
_LOOP_MAJOR = 7


def devices_of(index: int) -> list[Path]:
    """The loop devices of the host with this index; a pure function, so that nothing has to be recorded."""
    first = _FIRST + index * _EACH
    return [Path(f"/dev/loop{number}") for number in range(first, first + _EACH)]


def make(index: int) -> list[Path]:
    """Make the devices of this host, and return them."""
    devices = devices_of(index)
    with Path("/dev/loop-control").open("rb") as control:
        for device in devices:
            number = int(device.name.removeprefix("loop"))
            with contextlib.suppress(FileExistsError):
                fcntl.ioctl(control, _LOOP_CTL_ADD, number)
            if not device.exists():
                os.mknod(device, stat.S_IFBLK | 0o660, os.makedev(_LOOP_MAJOR, number))
    return devices


def detach(index: int) -> None:
    """Let go of what this host's devices still hold."""
    for device in devices_of(index):
        if Path(f"/sys/block/{device.name}/loop/backing_file").exists():
            attempt(["losetup", "--detach", str(device)])
