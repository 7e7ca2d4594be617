"""A target: a place for backups, named by an operator and judged by the host. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from launchpad.runner.protocol import Refused, record_from_json
from launchpad.runner.record import Record
from launchpad.runner.slots import is_tenant_name

MOST_TARGETS = 8
_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
_PATH = r"(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)"
URLS = {
    "local": re.compile(rf"/(?:mnt|media|srv|var/backups)(?!/launchpad(?:/|$)){_PATH}+"),
    "sftp": re.compile(rf"sftp://[a-z_][a-z0-9_-]*@{_HOST}{_PATH}*"),
    "rest": re.compile(rf"https?://{_HOST}{_PATH}*"),
    "s3": re.compile(rf"https?://{_HOST}{_PATH}+"),
}
"""By kind: a path on the host outside Launchpad's own folders, or a server's address. Never with a password."""
CREDENTIALS: Mapping[str, tuple[str, ...]] = {
    "local": (),
    "sftp": ("SSH_KEY",),
    "rest": ("REST_USER", "REST_PASSWORD"),
    "s3": ("S3_KEY_ID", "S3_SECRET"),
}
"""The credentials of each kind, by their names in the workspace."""
HOST_KEY = re.compile(r"(?:ssh|ecdsa)-[a-z0-9-]+ [A-Za-z0-9+/]{40,2000}={0,2}")


class HostTarget(Record):
    """One place for backups. A tenant's repository is `<url>/<tenant>`, its wrapped key `<url>/<tenant>.key`."""

    name: str
    kind: Literal["local", "sftp", "rest", "s3"]
    url: str
    host_keys: tuple[str, ...] = ()
    """The public host keys of an SFTP server, one line each."""

    def as_json(self) -> dict[str, Any]:
        return {"name": self.name, "kind": self.kind, "url": self.url, "host_keys": list(self.host_keys)}

    @property
    def remote(self) -> bool:
        """Whether the target is reached over the network."""
        return self.kind != "local"


def targets_from_json(value: object) -> list[HostTarget]:
    """The targets; Refused unless each is valid and has a unique name."""
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_TARGETS:
        raise Refused(f"targets: expected a list of 1 to {MOST_TARGETS}", code="targets-count")
    targets = [target_from_json(item) for item in value]
    if len({target.name for target in targets}) != len(targets):
        raise Refused("targets: a target is listed twice", code="target-twice")
    return targets


def target_from_json(value: object) -> HostTarget:
    """One target; Refused unless it is valid."""
    target = record_from_json(HostTarget, value, "target")
    if not is_tenant_name(target.name):
        raise Refused(f"target: not a name: {target.name[:60]!r}", code="target-name")
    if len(target.url) > 400 or URLS[target.kind].fullmatch(target.url) is None:
        raise Refused(
            f"target {target.name}: not the URL of a target of kind {target.kind}: {target.url[:60]!r}",
            code="target-url",
        )
    if target.kind == "sftp" and not target.host_keys:
        raise Refused(f"target {target.name}: the server's host key is missing", code="target-host-key-missing")
    if any(HOST_KEY.fullmatch(line) is None for line in target.host_keys):
        raise Refused(f"target {target.name}: not a host key", code="target-host-key")
    return target
