"""The lab: real Debian 13 hosts, with systemd, sshd and Docker, on one machine. `Lab` is the way in."""

from labkit.errors import LabError
from labkit.host import Host
from labkit.lab import Lab
from labkit.shell import Result

__all__ = ["Host", "Lab", "LabError", "Result"]
