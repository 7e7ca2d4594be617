"""Where everything lies on a host. One place, so that nothing else spells a path."""

from __future__ import annotations

RUNNER = "/usr/local/sbin/launchpad-runner"
LIBRARY = "/usr/local/lib/launchpad"
ETC = "/etc/launchpad"
ROOT = "/srv/launchpad"
CADDY = f"{ROOT}/caddy"
SITES = f"{CADDY}/sites"
CADDY_SOCKET = f"{CADDY}/run/admin.sock"
TENANTS = f"{ROOT}/tenants"
RESERVE = f"{ROOT}/reserve"
"""Room that is given up for what died on a full disk."""
STATE = "/var/lib/launchpad"
OPERATIONS = f"{STATE}/operations"
OPEN = f"{STATE}/open"
"""A file for each operation that may not be over, with the date when it was made."""
ROLLOUTS = f"{STATE}/rollouts"
"""For each rollout that the host is in, <id>.json, and <id>.intent.json beside it."""
REVERTS = f"{STATE}/reverts"
PULLED = f"{STATE}/pulled.json"
"""The digests of the images that operations pulled whose journals are gone."""
DOCKER = "/var/lib/docker"
"""Where images lie."""
DEPARTED = f"{STATE}/departed"
DONE_BY_WATCH = f"{STATE}/watch.jsonl"
"""What the watch did by itself, a line each."""
ALERTS = f"{STATE}/alerts.json"
"""What is wrong, what of it was told, and which messages wait (see `alerting.state`)."""
SILENCES = f"{STATE}/silences.json"
RUN = "/run/launchpad"
ACCOUNT = f"{RUN}/watch.json"
"""What the watch found at its last look."""
LOOK_AGAIN = f"{RUN}/look-again"
"""When somebody wanted the watch to look at once, by the boot's clock."""
CUT_OFF = f"{RUN}/cut-off.json"
"""The tenants' bridges that the watch took down, while the firewall cannot be put back."""
LOCKS = f"{RUN}/locks"
STORAGE = f"{STATE}/storage.btrfs"
"""The file on the root disk that the tenants' storage lies in, where it has no device of its own."""
SSHD = "/etc/ssh/sshd_config.d/00-launchpad.conf"
SUDOERS = "/etc/sudoers.d/launchpad"
"""Launchpad's own parts of what decides who gets in."""


def tenant(name: str) -> str:
    """The tenant's own folder; everything it keeps on disk is below it."""
    return f"{TENANTS}/{name}"


RECORDED = frozenset({"tenant", "slot", "side", "release", "started", "running", "retired", "domains"})
"""What every tenant's record has."""


def record(name: str) -> str:
    """What should run for this tenant on this host, as the last committed operation left it (JSON)."""
    return f"{tenant(name)}/tenant.json"


def releases(name: str) -> str:
    return f"{tenant(name)}/releases"


def release(name: str, short: str) -> str:
    return f"{releases(name)}/{short}"


def current(name: str) -> str:
    """The link to the release that runs."""
    return f"{tenant(name)}/current"


def data(name: str) -> str:
    """A Btrfs subvolume with the tenant's quota; one folder a volume."""
    return f"{tenant(name)}/data"


def generations(name: str) -> str:
    """Read-only snapshots of the data, each with its record beside it."""
    return f"{tenant(name)}/generations"


def generation(name: str, identifier: str) -> str:
    return f"{generations(name)}/{identifier}"


def generation_record(name: str, identifier: str) -> str:
    """What the snapshot is of; it is written after the snapshot, so one without it is incomplete."""
    return f"{generations(name)}/{identifier}.json"


def clone(name: str) -> str:
    """A writable copy of the data for as long as a rehearsal lasts."""
    return f"{tenant(name)}/clone"


def rehearsal(name: str) -> str:
    """The clone's Compose file for as long as a rehearsal lasts."""
    return f"{tenant(name)}/rehearsal"


def vault(name: str) -> str:
    """Secrets at rest, each `<NAME>@<version>.cred`, encrypted with systemd-creds."""
    return f"{tenant(name)}/secrets"


def secrets(name: str, short: str) -> str:
    """Secrets in use, on tmpfs, one file a name, readable only by the tenant's mapped uid."""
    return f"{RUN}/{name}/{short}"


def backup(name: str) -> str:
    """What the host keeps for the tenant's backups: keys, what was sent when."""
    return f"{tenant(name)}/backup"


def frozen(name: str) -> str:
    """The data as it is being sent: a read-only snapshot, gone after the backup."""
    return f"{backup(name)}/frozen"


def frozen_as(name: str) -> str:
    """What the frozen data is of: app, version and release."""
    return f"{frozen(name)}.json"


def checked(name: str) -> str:
    """A writable copy of it, on which the databases are checked."""
    return f"{backup(name)}/checked"


def fetched(name: str) -> str:
    """A backup while it comes back, before it is a generation."""
    return f"{backup(name)}/fetched"


def adopted(name: str) -> str:
    """Which operation took over the data that came."""
    return f"{tenant(name)}/adopted"


def tombstone(name: str) -> str:
    """Where the tenant went; outside of its folder, because it outlives a purge."""
    return f"{DEPARTED}/{name}.json"


def received(name: str) -> str:
    """Data while it comes from elsewhere, before it is a generation."""
    return f"{tenant(name)}/received"


def site(name: str) -> str:
    return f"{SITES}/{name}.caddy"


def operation(identifier: str) -> str:
    return f"{OPERATIONS}/{identifier}"
