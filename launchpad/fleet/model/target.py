"""A target: a place for backups, what it is reached by, and what its keeper promises."""

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
"""What hosts need to add to a target of each kind; a REST server may want none."""


class Target(Model):
    """One place for backups. A tenant's repository is `<url>/<tenant>`, its wrapped key is in `<url>/<tenant>.key`."""

    name: TargetName
    kind: Literal["local", "sftp", "rest", "s3"]
    """local: a folder on the host; sftp: an SFTP server; rest: restic's REST server; s3: a bucket."""
    url: TargetUrl
    """Where it is: /mnt/disk, sftp://user@host/path, https://host:8000/path, https://host/bucket."""
    append_only: bool = False
    """What its keeper promises: what the hosts hold can add, and neither delete nor overwrite. `target show` tries."""
    host_keys: tuple[HostKey, ...] = ()
    """Of an SFTP server, and at least one there."""
    prune_url: TargetUrl | None = None
    """Where operators delete, when that is not where hosts add: a second REST server on the same files, say."""

    def findings(self) -> Iterator[ModelMistake]:
        pattern, expected = URLS[self.kind]
        if pattern.fullmatch(self.url) is None:
            yield ModelMistake(("url",), f"{self.url} is not where a target of kind {self.kind} can be", expected)
        if self.prune_url is not None and (self.kind == "local" or pattern.fullmatch(self.prune_url) is None):
            what = f"{self.prune_url} is not where a target of kind {self.kind} can be"
            yield ModelMistake(("prune_url",), what, expected)
        if self.kind == "sftp" and not self.host_keys:
            yield ModelMistake((), "no host_keys", "the server's, as ssh-keyscan prints them")
        if self.kind != "sftp" and self.host_keys:
            yield ModelMistake(("host_keys",), f"host_keys of a target of kind {self.kind}", "none")
        if self.kind == "local" and self.append_only:
            yield ModelMistake(
                ("append_only",), "a folder on the host itself cannot be append-only", "append_only: false"
            )

    @property
    def credentials(self) -> tuple[SecretName, ...]:
        """The names of what it takes."""
        return CREDENTIALS[self.kind]

    @property
    def prune_credentials(self) -> tuple[SecretName, ...]:
        """The names of what operators delete with; no host ever gets them."""
        return tuple(SecretName(f"PRUNE_{name}") for name in self.credentials)

    @property
    def optional(self) -> bool:
        """Whether it may do without credentials."""
        return self.kind == "rest"
