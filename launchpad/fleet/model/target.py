"""A target: a place for backups, with its URL and its append-only promise."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from launchpad.fleet.model.base import Model, ModelMistake
from launchpad.fleet.words.names import SecretName, TargetName
from launchpad.fleet.words.references import HostKey, TargetUrl

URLS = {
    "local": (
        re.compile(r"/(?:mnt|media|srv|var/backups)(?!/launchpad(?:/|$))/.+"),
        "a folder on the host below /mnt, /media, /srv or /var/backups",
    ),
    "sftp": (re.compile(r"sftp://[^@/]+@[^/]+(?:/.*)?"), "sftp://user@host/path"),
    "rest": (re.compile(r"https?://[^@/]+(?:/.*)?"), "https://host:8000/path"),
    "s3": (re.compile(r"https?://[^@/]+/.+"), "https://host/bucket"),
}
CREDENTIALS: dict[str, tuple[SecretName, ...]] = {
    "local": (),
    "sftp": (SecretName("SSH_KEY"),),
    "rest": (SecretName("REST_USER"), SecretName("REST_PASSWORD")),
    "s3": (SecretName("S3_KEY_ID"), SecretName("S3_SECRET")),
}
"""The credentials that hosts need to add backups, by kind of target; a REST server may need none."""


class Target(Model):
    """One place for backups. A tenant's repository is `<url>/<tenant>`, its wrapped key is in `<url>/<tenant>.key`."""

    name: TargetName
    kind: Literal["local", "sftp", "rest", "s3"]
    """The kind of target. local: a folder on the host; sftp: an SFTP server; rest: restic's REST server; s3: an S3
    bucket."""
    url: TargetUrl
    """The target's location: /mnt/disk, sftp://user@host/path, https://host:8000/path, https://host/bucket."""
    append_only: bool = False
    """Whether the target's provider enforces that hosts' credentials can add files, but neither delete nor overwrite
    them. `launchpad target show` tests this."""
    host_keys: tuple[HostKey, ...] = ()
    """The host keys of an SFTP server; at least one is required for kind sftp."""
    prune_url: TargetUrl | None = None
    """The URL at which operators delete backups, if it differs from `url`: for example a second REST server for the
    same files."""

    def findings(self) -> Iterator[ModelMistake]:
        pattern, expected = URLS[self.kind]
        if pattern.fullmatch(self.url) is None:
            yield ModelMistake(("url",), f"{self.url} is no location for a target of kind {self.kind}", expected)
        if self.prune_url is not None and (self.kind == "local" or pattern.fullmatch(self.prune_url) is None):
            what = f"{self.prune_url} is no location for a target of kind {self.kind}"
            yield ModelMistake(("prune_url",), what, expected)
        if self.kind == "sftp" and not self.host_keys:
            yield ModelMistake((), "no host_keys", "the server's host keys, as ssh-keyscan prints them")
        if self.kind != "sftp" and self.host_keys:
            yield ModelMistake(("host_keys",), f"host_keys for a target of kind {self.kind}, which takes none", "none")
        if self.kind == "local" and self.append_only:
            yield ModelMistake(("append_only",), "a folder on the host cannot be append-only", "append_only: false")

    @property
    def credentials(self) -> tuple[SecretName, ...]:
        """The names of the target's credentials."""
        return CREDENTIALS[self.kind]

    @property
    def prune_credentials(self) -> tuple[SecretName, ...]:
        """The names of the credentials with which operators delete backups; no host ever gets them."""
        return tuple(SecretName(f"PRUNE_{name}") for name in self.credentials)

    @property
    def optional(self) -> bool:
        """Whether the target may need no credentials."""
        return self.kind == "rest"
