"""Find secrets in a self-hosted app's files, in the places that the app declares, and remove them from the files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from launchpad.archives.environment import entries
from launchpad.archives.opening import ArchiveRefused
from launchpad.archives.suspicious import REFERENCE, credentials_in, is_credential
from launchpad.archives.texts import parsed, replaced, values_at, written
from launchpad.errors import InventoryError
from launchpad.fleet.model.app import App
from launchpad.fleet.model.layout import KeptSecret
from launchpad.fleet.words.names import SecretName
from launchpad.fleet.words.secret import Secret


@dataclass(frozen=True)
class FoundSecret:
    """A secret in a file of the tenant's volumes. Its value is never shown."""

    name: SecretName
    file: str
    value: Secret


@dataclass
class Finder:
    """The secrets found so far in all files. One value for each name; other values stay in the files."""

    app: App
    found: dict[SecretName, FoundSecret] = field(default_factory=dict)
    others: list[tuple[SecretName, str]] = field(default_factory=list)
    """Secrets with another value than the first of their name, with the file."""
    plain: list[tuple[str, str]] = field(default_factory=list)
    """Other values that look like credentials and stay in the files: name and file."""
    _seen: set[str] = field(default_factory=set)
    """The values in the two lists above."""

    def wants(self, path: str) -> bool:
        """Whether the app keeps secrets in this file."""
        imports = self.app.imports
        if imports is None:
            return False
        patterns = (*(item.file for item in imports.secrets), *imports.private, *imports.environment)
        return any(pattern.matches(path) for pattern in patterns)

    def looked_through(self, path: str, text: bytes, *, take: bool) -> bytes:
        """The file's text, without the secrets if `take`; ArchiveRefused when the text cannot be parsed."""
        if self._is_environment(path):
            return b"".join(self._lines(path, text, take=take))
        assert self.app.imports is not None
        kept = any(item.file.matches(path) for item in self.app.imports.secrets)
        try:
            document = parsed(text, where=path)
        except ArchiveRefused:
            if kept:
                raise
            return text  # the app's own file: nothing is removed from it
        changed = False
        for item in self.app.imports.secrets:
            if item.file.matches(path):
                for owner in self._objects(document, item, path):
                    if take:
                        replaced(owner, item.key.parts[-1], item.instead)
                        changed = True
        self.plain += [(key, path) for key, value in credentials_in(document) if value not in self._seen]
        return written(document) if changed else text

    def _is_environment(self, path: str) -> bool:
        imports = self.app.imports
        return imports is not None and any(pattern.matches(path) for pattern in imports.environment)

    def _objects(self, document: Any, item: KeptSecret, path: str) -> Iterator[dict[str, Any]]:
        """The objects with the secret under the item's key."""
        for owner, value in list(values_at(document, item.key)):
            fits = all(owner.get(name) == wanted for name, wanted in item.where.items())
            if fits and isinstance(value, str) and self._note(item.secret, path, value):
                yield owner

    def _lines(self, path: str, text: bytes, *, take: bool) -> Iterator[bytes]:
        known = {str(spec.name): spec.name for spec in self.app.secrets}
        for piece, found, value in entries(text):
            name = known.get(found)
            if not name and found and is_credential(found, value):
                self.plain.append((found, path))
            if not (name and value and self._note(name, path, value) and take):
                yield piece

    def _note(self, name: SecretName, path: str, value: str) -> bool:
        """Whether the value is the secret of that name; notes another value."""
        if not value or REFERENCE.fullmatch(value):
            return False
        try:
            secret = Secret(value)
        except InventoryError:
            return False
        self._seen.add(value)
        first = self.found.setdefault(name, FoundSecret(name, path, secret))
        if first.value == secret:
            return True
        self.others.append((name, path))
        return False
