"""The store of secrets: sealed for every recipient of the fleet, one file for each tenant, safe to commit to Git."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from launchpad.errors import InventoryError, StateError
from launchpad.fleet.keeping.workspace_files import replace_file, writing
from launchpad.fleet.model.app import App
from launchpad.fleet.reading.inventory_files import SECRETS
from launchpad.fleet.sealing.age import AgeIdentity, digest_of_recipients, seal
from launchpad.fleet.sealing.sealed_file import SealedSecret, read_entries, write_entries
from launchpad.fleet.words.mistakes import InventoryMistakes, Mistake, Place
from launchpad.fleet.words.names import Name, SecretName
from launchpad.fleet.words.references import Recipient
from launchpad.fleet.words.secret import Secret
from launchpad.runner.hint import Next


@dataclass(frozen=True)
class ListedSecret:
    """What is known of a secret without a key."""

    version: int
    stale: bool
    """Whether its recipients differ from the fleet's present recipients."""


class SecretStore(Protocol):
    """The interface of a secret store; a change is made completely or not at all."""

    def owners(self) -> tuple[Name, ...]:
        """The owners with secrets in the store, by name."""

    def versions(self, owner: Name) -> dict[SecretName, int]:
        """The version of each secret of the owner, a tenant or a target; needs no key."""

    def listed(self, owner: Name) -> dict[SecretName, ListedSecret]:
        """Each secret of the owner; needs no key."""

    def reveal(self, owner: Name) -> dict[SecretName, tuple[int, Secret]]:
        """Each secret's version and value; StateError when this operator cannot open one."""

    def set(self, owner: Name, name: SecretName, value: Secret) -> int:
        """Store the value and return its version: a new version, unless the value is unchanged."""

    def remove(self, owner: Name, name: SecretName) -> None:
        """Remove the value; StateError when there is none."""

    def remove_tenant(self, owner: Name) -> None:
        """Remove all values of the owner."""

    def generate_missing(self, owner: Name, app: App) -> dict[SecretName, int]:
        """Generate the app's tokens that the tenant does not have; return the new versions."""

    def stale(self, owner: Name) -> tuple[SecretName, ...]:
        """The secrets whose recipients differ from the fleet's present recipients."""

    def reseal(self, owner: Name) -> tuple[SecretName, ...]:
        """Reseal the stale secrets for the present recipients, with the same versions; return their names."""

    def mistakes(self) -> tuple[Mistake, ...]:
        """The mistakes in the stored files, of any tenant."""


class FolderSecrets:
    """The secrets in inventory/secrets/TENANT.yaml of a workspace, or of other owners in another folder."""

    def __init__(
        self, root: Path, *, recipients: Callable[[], Iterable[Recipient]], identity: Path, folder: str = SECRETS
    ) -> None:
        self.root = root
        self.folder = folder
        self._recipients = recipients
        self._identity = AgeIdentity(identity)

    def owners(self) -> tuple[Name, ...]:
        return tuple(Name(path.stem) for path in sorted((self.root / self.folder).glob("*.yaml")))

    def versions(self, owner: Name) -> dict[SecretName, int]:
        return {name: entry.version for name, entry in self._read(owner).items() if entry.value is not None}

    def listed(self, owner: Name) -> dict[SecretName, ListedSecret]:
        present = digest_of_recipients(self._recipients())
        return {
            name: ListedSecret(entry.version, entry.recipients != present)
            for name, entry in self._read(owner).items()
            if entry.value is not None
        }

    def reveal(self, owner: Name) -> dict[SecretName, tuple[int, Secret]]:
        return {
            name: (entry.version, self._identity.open(entry.value, what=f"{owner}: {name}"))
            for name, entry in self._read(owner).items()
            if entry.value is not None
        }

    def set(self, owner: Name, name: SecretName, value: Secret) -> int:
        with writing(self.root):
            entries = self._read(owner)
            before = entries.get(name)
            if before is not None and self._holds(before, value):
                return before.version
            version = before.version + 1 if before else 1
            self._write(owner, {**entries, name: self._sealed(version, value)})
            return version

    def remove(self, owner: Name, name: SecretName) -> None:
        with writing(self.root):
            entries = self._read(owner)
            before = entries.get(name)
            if before is None or before.value is None:
                raise StateError(
                    f"{owner} has no secret {name}", code="no-such-stored-secret", hint=Next("secret list", owner)
                )
            self._write(owner, {**entries, name: before.removed()})

    def remove_tenant(self, owner: Name) -> None:
        with writing(self.root):
            entries = self._read(owner)
            if entries:
                self._write(owner, {name: entry.removed() for name, entry in entries.items()})

    def generate_missing(self, owner: Name, app: App) -> dict[SecretName, int]:
        present = self.versions(owner)
        return {
            spec.name: self.set(owner, spec.name, Secret.generated(spec.generate))
            for spec in app.secrets
            if spec.generate is not None and spec.name not in present
        }

    def stale(self, owner: Name) -> tuple[SecretName, ...]:
        return tuple(name for name, secret in self.listed(owner).items() if secret.stale)

    def reseal(self, owner: Name) -> tuple[SecretName, ...]:
        with writing(self.root):
            stale = self.stale(owner)
            entries = self._read(owner)
            for name in stale:
                before = entries[name]
                assert before.value is not None
                value = self._identity.open(before.value, what=f"{owner}: {name}")
                entries[name] = self._sealed(before.version, value)
            if stale:
                self._write(owner, entries)
            return stale

    def mistakes(self) -> tuple[Mistake, ...]:
        found: list[Mistake] = []
        for path in sorted((self.root / self.folder).glob("*.yaml")):
            try:
                self._read(Name(path.stem))
            except InventoryMistakes as error:
                found += error.mistakes
            except InventoryError as error:
                place = Place(path.relative_to(self.root).as_posix())
                found.append(Mistake(place, error.message, hint=error.hint))
        return tuple(found)

    def _path(self, owner: Name) -> Path:
        return self.root / self.folder / f"{Name(owner)}.yaml"

    def _read(self, owner: Name) -> dict[SecretName, SealedSecret]:
        path = self._path(owner)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise InventoryError(
                f"{path}: cannot be read: {error.strerror}", code="secrets-file-unreadable", hint=f"ls -l {path}"
            ) from error
        return read_entries(path.relative_to(self.root).as_posix(), content)

    def _write(self, owner: Name, entries: Mapping[SecretName, SealedSecret]) -> None:
        replace_file(self._path(owner), write_entries(entries))

    def _sealed(self, version: int, value: Secret) -> SealedSecret:
        recipients = tuple(self._recipients())
        return SealedSecret(version, digest_of_recipients(recipients), seal(value, recipients))

    def _holds(self, entry: SealedSecret, value: Secret) -> bool:
        """Whether the entry has exactly this value for the present recipients, if this operator can open the entry."""
        if entry.value is None or entry.recipients != digest_of_recipients(self._recipients()):
            return False
        try:
            return self._identity.open(entry.value, what="") == value
        except StateError:
            return False
