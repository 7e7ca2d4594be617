"""Docker that ends at every start, because its own record of networks contradicts itself: a power cut can leave it so.

Docker writes a network down twice, and a cut between the two leaves half of it. The next start makes Docker's own
network anew, finds its bridge taken by that half, and ends; nothing but the record's removal helps (moby 49291).
Launchpad makes its tenants' networks again wherever one starts. Lost are networks that somebody else made.
"""

from __future__ import annotations

from launchpad.runner import slots
from launchpad.runner.account import note_of
from launchpad.runner.host import Busy, Host

NETWORKS = f"/var/lib/docker/{slots.REMAP_BASE}.{slots.REMAP_BASE}/network/files/local-kv.db"
"""Below the folder that Docker has with the range of user ids that Launchpad gives it."""
SET_ASIDE = f"{NETWORKS}.set-aside-by-launchpad"
DOCKER = "docker"
"""The lock, and the subject in the history."""


def revive_docker(host: Host, *, who: str) -> bool:
    """Set the record aside and start Docker, where Docker ended for just this cause; whether it did. Failed when Docker
    does not start even so."""
    if not _contradicts_itself(host):
        return False
    try:
        with host.lock(DOCKER, {"who": who, "kind": "revive", "since": host.now()}):
            if not _contradicts_itself(host):
                return False  # somebody else was faster
            if (record := host.read(NETWORKS)) is not None:
                host.write(SET_ASIDE, record, mode=0o600)
                why = "Docker could not start because two of its networks used the same bridge"
                note_of(host, who, DOCKER, f"{why}; its record of networks was moved to {SET_ASIDE}", tenant="")
                host.remove(NETWORKS)
            host.start_docker()
    except Busy:
        return False
    return True


def _contradicts_itself(host: Host) -> bool:
    """Whether Docker's last words name the cause."""
    return any("conflicts with network" in line and "same bridge name" in line for line in host.docker_failure())
