"""Mounts of this process's own, so that a benchmark that needs a user, sudo and a runner changes nothing here.

The folders named below get an upper layer in memory that only this process and its children see, and that is gone with
them, also after a kill -9.
"""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from functools import cache
from pathlib import Path

SECLUDED = "LAUNCHPAD_BENCH_SECLUDED"
FOLDERS = ("/etc", "/usr/local", "/srv", "/var/lib", "/run")
USER = "launchpad"
HOME = "/srv/launchpad-operator"


def enter() -> bool:
    """Start this program again in mounts of its own; whether that is so now. Does nothing without root."""
    if os.getuid() != 0:
        return False
    if not os.environ.get(SECLUDED):
        os.environ[SECLUDED] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable, *sys.argv])
    return True


def is_secluded() -> bool:
    return bool(os.environ.get(SECLUDED))


@cache
def lay_over() -> None:
    """Once: put the layers over the folders, and make the operators' user, who may run anything by sudo."""
    above = Path("/mnt")  # there on every system, and hidden for this process alone
    _run("mount", "-t", "tmpfs", "-o", "mode=0755,size=512m", "tmpfs", str(above))
    for number, folder in enumerate(FOLDERS):
        upper, work = above / f"{number}-upper", above / f"{number}-work"
        upper.mkdir(), work.mkdir()
        _run("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={folder},upperdir={upper},workdir={work}", folder)
    if USER in {entry.pw_name for entry in pwd.getpwall()}:
        _run("userdel", USER)
    _run("useradd", "--system", "--create-home", "--home-dir", HOME, "--shell", "/bin/sh", USER)
    _run("usermod", "--password", "*", USER)  # may not log in by password, and is not locked either
    rule = Path("/etc/sudoers.d/launchpad-bench")
    rule.write_text(f"{USER} ALL=(root) NOPASSWD: ALL\nDefaults:{USER} !syslog, !pam_session\n")
    rule.chmod(0o440)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
