"""The workspace's known_hosts: the host keys that a person has confirmed, in OpenSSH's format."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import tempfile
from pathlib import Path

from launchpad.errors import StateError
from launchpad.ssh.problems import OfferedKey


def fingerprint_of(blob: bytes) -> str:
    """`SHA256:…` of a public key, as OpenSSH prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


class KnownHosts:
    """A file that `ssh -o UserKnownHostsFile=` can read too. Host names in it are plain, not hashed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fingerprints(self, address: str, port: int = 22) -> frozenset[str]:
        """The fingerprints of the address's confirmed keys; empty for none."""
        return frozenset(found for names, found in self._entries() if _name(address, port) in names)

    def remember(self, address: str, port: int, key: OfferedKey) -> None:
        """Add the key, unless it is known. On disk when this returns."""
        if key.fingerprint in self.fingerprints(address, port):
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"{_name(address, port)} {key.kind} {key.encoded}\n")
            file.flush()
            os.fsync(file.fileno())

    def forget(self, address: str, port: int = 22) -> bool:
        """Remove every key of the address; returns whether there was one. A reader sees the old or the new file."""
        lines = self._lines()
        kept = [line for line in lines if _name(address, port) not in line.split(" ", 1)[0].split(",")]
        if kept == lines:
            return False
        with tempfile.NamedTemporaryFile("w", dir=self.path.parent, delete=False, encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in kept)
            file.flush()
            os.fsync(file.fileno())
        Path(file.name).replace(self.path)
        return True

    def _lines(self) -> list[str]:
        try:
            return self.path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []

    def _entries(self) -> list[tuple[list[str], str]]:
        entries = []
        for number, line in enumerate(self._lines(), start=1):
            if not line.strip() or line.startswith("#"):
                continue
            try:
                names, _kind, encoded = line.split()[:3]
                blob = base64.b64decode(encoded, validate=True)
            except (ValueError, binascii.Error) as error:
                raise StateError(
                    f"{self.path}:{number}: not a line of a known_hosts file",
                    code="known-hosts-line",
                    hint=f"remove line {number}",
                ) from error
            entries.append((names.split(","), fingerprint_of(blob)))
        return entries


def _name(address: str, port: int) -> str:
    return address if port == 22 else f"[{address}]:{port}"
