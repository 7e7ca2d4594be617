"""The secrets to remove from a tenant's lines: those in use, and those at rest.

An old line may show an earlier version of a secret. After a boot, and of a stopped tenant, no secret is in use.
"""

from __future__ import annotations

from launchpad.runner import cell, paths
from launchpad.runner.host import Failed, Host
from launchpad.runner.log_redaction import LogRedaction, values_in
from launchpad.runner.tenant_record import read_tenant


class LogSecrets:
    """Opens each sealed secret once, unless its value is in use."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._opened: dict[str, str] = {}
        self._seen: dict[str, set[str]] = {}
        """Each tenant's values that were in use: a restart empties their folder while the lines are still read."""

    def __repr__(self) -> str:
        return "LogSecrets([secret])"

    def redaction(self, tenant: str) -> LogRedaction:
        """What is known of the tenant's secrets now."""
        seen = self._seen.setdefault(tenant, set())
        vault, used = f"{paths.vault(tenant)}/", self._in_use(tenant, seen)
        for file in self._host.names(paths.vault(tenant)):
            secret, _, version = file.removesuffix(".cred").rpartition("@")
            if version.isdigit() and vault + file not in self._opened and (secret, int(version)) not in used:
                self._opened[vault + file] = self._open(vault + file, cell.sealed_as(tenant, secret, int(version)))
        at_rest = [value for path, value in self._opened.items() if path.startswith(vault)]
        seen.update(values_in(self._host, f"{paths.RUN}/{tenant}"))
        return LogRedaction([*seen, *at_rest])

    def _in_use(self, tenant: str, seen: set[str]) -> set[tuple[str, int]]:
        """The name and the version of each secret in use, whose value is added to `seen`."""
        try:
            record = read_tenant(self._host, tenant)
        except Failed:
            return set()  # a damaged record
        if record is None:
            return set()
        folder = paths.secrets(tenant, record.started)
        values = {name: self._host.read(f"{folder}/{name}") or b"" for name in record.secrets}
        seen.update(value.decode(errors="replace") for value in values.values())
        return {(name, version) for name, version in record.secrets.items() if values[name]}

    def _open(self, path: str, name: str) -> str:
        try:
            return self._host.unseal(path, name).decode(errors="replace")
        except Failed:
            return ""  # sealed on another host: this host never knew it
