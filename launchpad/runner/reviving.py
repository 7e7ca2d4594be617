"""Repair a Docker that fails at every start because its record of networks is inconsistent, for example after a power
cut.

Docker records a network in two writes, and a power cut between them leaves half a record. The next start creates
Docker's own network again, finds its bridge in use by that half, and ends; only removing the record helps (moby 49291).
Launchpad recreates its tenants' networks at their start. Networks that others created are lost.
"""

from __future__ import annotations

from launchpad.runner import paths, slots
from launchpad.runner.account import note_of
from launchpad.runner.host import Busy, Host

NETWORKS = f"/var/lib/docker/{slots.REMAP_BASE}.{slots.REMAP_BASE}/network/files/local-kv.db"
"""Docker's record of networks, below the folder that Docker uses with Launchpad's range of user ids."""
SET_ASIDE = f"{NETWORKS}.set-aside-by-launchpad"
FORGOTTEN = f"{paths.RUN}/networks-forgotten"
"""There once the record was set aside in this boot for a tenant's network."""
DOCKER = "docker"
"""The name of the lock, and the subject in the history."""


def revive_docker(host: Host, *, who: str) -> bool:
    """Set the record aside and start Docker, if Docker ended for this cause; returns whether it did. Failed when Docker
    still does not start."""
    if not _contradicts_itself(host):
        return False
    try:
        with host.lock(DOCKER, {"who": who, "kind": "revive", "since": host.now()}):
            if not _contradicts_itself(host):
                return False  # another process was faster
            _set_aside(host, who, "Docker could not start because two of its networks used the same bridge")
            host.start_docker()
    except Busy:
        return False
    return True


def forget_networks(host: Host, *, who: str) -> None:
    """Set the record aside and start Docker anew, because it has half of a tenant's network: once in a boot, before
    which nothing of a tenant's ran. Failed when Docker does not start."""
    with host.lock(DOCKER, {"who": who, "kind": "revive", "since": host.now()}):
        if was_forgotten(host):
            return
        host.write(FORGOTTEN, b"", mode=0o600)
        _set_aside(host, who, "Docker knew the bridge of a tenant's network and not the network")
        host.start_docker(anew=True)


def was_forgotten(host: Host) -> bool:
    """Whether that was tried in this boot."""
    return host.read(FORGOTTEN) is not None


def _set_aside(host: Host, who: str, why: str) -> None:
    if (record := host.read(NETWORKS)) is not None:
        host.write(SET_ASIDE, record, mode=0o600)
        note_of(host, who, DOCKER, f"{why}; its record of networks was moved to {SET_ASIDE}", tenant="")
        host.remove(NETWORKS)


def _contradicts_itself(host: Host) -> bool:
    """Whether Docker's last log lines name this cause."""
    return any("conflicts with network" in line and "same bridge name" in line for line in host.docker_failure())
