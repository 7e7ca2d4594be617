"""The paths of all files on a host; no other module spells a path."""

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
"""The reserve file: removed when a service died on a full disk."""
STATE = "/var/lib/launchpad"
OPERATIONS = f"{STATE}/operations"
OPEN = f"{STATE}/open"
"""A file for each operation that may be open, with the date when it was made."""
ROLLOUTS = f"{STATE}/rollouts"
"""<id>.json and <id>.intent.json for each rollout that includes this host."""
INTENTS = f"{STATE}/intents"
"""A file for each signed request that was carried out, until its signature has long been worth nothing."""
GAMEDAY = f"{STATE}/gameday.json"
"""The last game day of this host: how its tenants came back on other hosts."""
REVERTS = f"{STATE}/reverts"
PREVIOUS_RUNNER = f"{STATE}/previous-runner"
"""The folder of the runner before the present one; its files stay until another runner is installed."""
PULLED = f"{STATE}/pulled.json"
"""The digests of images that operations pulled, for operations whose journals were deleted."""
DOCKER = "/var/lib/docker"
"""Docker's storage of images."""
DEPARTED = f"{STATE}/departed"
DONE_BY_WATCH = f"{STATE}/watch.jsonl"
"""The watch's repairs, one line each."""
ALERTS = f"{STATE}/alerts.json"
"""What is wrong, what of it was told, and which messages wait (see `alerting.state`)."""
SILENCES = f"{STATE}/silences.json"
SHIPPED = f"{STATE}/shipped.json"
"""What the collector of logs has accepted (see `shipping.shipper`)."""
USAGE = f"{STATE}/usage"
"""What tenants used, by the hour: one file a month (see `metering.usage_log`)."""
APP_COSTS = f"{USAGE}/costs"
"""What tenants' apps say of their costs: one file a tenant (see `app_cost`)."""
METER = f"{USAGE}/meter.json"
"""The hour that is not over, and the last values of the kernel's counters."""
EXPORTER = "/var/lib/prometheus"
EXPORTED = f"{EXPORTER}/node-exporter/launchpad.prom"
"""The metrics, where prometheus-node-exporter reads them."""
EXPECTED = f"{STATE}/expected.json"
"""What the inventory expects of this host (see `expected`)."""
RUN = "/run/launchpad"
ACCOUNT = f"{RUN}/watch.json"
"""The watch's present findings."""
LOOK_AGAIN = f"{RUN}/look-again"
"""When somebody asked the watch for checks at once, by the monotonic clock."""
CUT_OFF = f"{RUN}/cut-off.json"
"""The tenants' bridges that the watch took down because the firewall cannot be restored."""
LOCKS = f"{RUN}/locks"
REBOOT = "/run/reboot-required"
"""Debian's packages write the file when the host must reboot to use an update."""
STORAGE = f"{STATE}/storage.btrfs"
"""The file on the root disk with the tenants' storage, on a host without a separate device."""
SSHD = "/etc/ssh/sshd_config.d/00-launchpad.conf"
SUDOERS = "/etc/sudoers.d/launchpad"
"""Launchpad's own files that control who can log in."""


def tenant(name: str) -> str:
    """The tenant's folder, with everything that the tenant keeps on disk."""
    return f"{TENANTS}/{name}"


RECORDED = frozenset({"tenant", "slot", "side", "release", "started", "running", "retired", "domains"})
"""The keys that every tenant's record has."""


def record(name: str) -> str:
    """What should run for this tenant on this host, written by the last committed operation (JSON)."""
    return f"{tenant(name)}/tenant.json"


def releases(name: str) -> str:
    return f"{tenant(name)}/releases"


def release(name: str, short: str) -> str:
    return f"{releases(name)}/{short}"


def current(name: str) -> str:
    """The link to the release that runs."""
    return f"{tenant(name)}/current"


def data(name: str) -> str:
    """A Btrfs subvolume with the tenant's quota and one folder for each volume."""
    return f"{tenant(name)}/data"


def generations(name: str) -> str:
    """Read-only snapshots of the data, each with its record beside it."""
    return f"{tenant(name)}/generations"


def generation(name: str, identifier: str) -> str:
    return f"{generations(name)}/{identifier}"


def generation_record(name: str, identifier: str) -> str:
    """The snapshot's record; written after the snapshot, so a snapshot without a record is incomplete."""
    return f"{generations(name)}/{identifier}.json"


def clone(name: str) -> str:
    """A writable copy of the data during a rehearsal."""
    return f"{tenant(name)}/clone"


def rehearsal(name: str) -> str:
    """The clone's Compose file during a rehearsal."""
    return f"{tenant(name)}/rehearsal"


def vault(name: str) -> str:
    """Secrets at rest, each in `<NAME>@<version>.cred`, encrypted with systemd-creds."""
    return f"{tenant(name)}/secrets"


def secrets(name: str, short: str) -> str:
    """Secrets in use, on tmpfs, one file for each name, readable only by the tenant's mapped uid."""
    return f"{RUN}/{name}/{short}"


def backup(name: str) -> str:
    """What the host keeps for the tenant's backups: keys and the state of the targets."""
    return f"{tenant(name)}/backup"


def frozen(name: str) -> str:
    """The data during a backup: a read-only snapshot, removed afterwards."""
    return f"{backup(name)}/frozen"


def frozen_as(name: str) -> str:
    """App, version and release of the frozen data."""
    return f"{frozen(name)}.json"


def checked(name: str) -> str:
    """A writable copy of the frozen data, for the check of databases."""
    return f"{backup(name)}/checked"


def fetched(name: str) -> str:
    """A backup while it is fetched, before it becomes a generation."""
    return f"{backup(name)}/fetched"


def source(name: str) -> str:
    """The sealed key of the backup that is fetched, when the host does not keep the key."""
    return f"{backup(name)}/source.cred"


def adopted(name: str) -> str:
    """The operation that adopted the received data."""
    return f"{tenant(name)}/adopted"


def tombstone(name: str) -> str:
    """The tenant's tombstone; outside the tenant's folder, so that it survives a purge."""
    return f"{DEPARTED}/{name}.json"


def received(name: str) -> str:
    """Data during a transfer from another host, before it becomes a generation."""
    return f"{tenant(name)}/received"


def site(name: str) -> str:
    return f"{SITES}/{name}.caddy"


def operation(identifier: str) -> str:
    return f"{OPERATIONS}/{identifier}"
