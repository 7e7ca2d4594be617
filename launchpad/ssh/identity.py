"""The keys that an operator offers: key files, then the agent's keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from paramiko import Agent, PKey, SSHException, Transport
from paramiko.auth_strategy import AuthStrategy, InMemoryPrivateKey, PrivateKey
from paramiko.config import SSHConfig

from launchpad.errors import HostError

USUAL_FILES = ("id_ed25519", "id_ecdsa", "id_rsa")


@dataclass(frozen=True)
class Identity:
    """Key files, read once for all hosts, and whether to use an agent.

    A named file that cannot be used is an error; usual files that cannot be used are skipped.
    """

    key_files: tuple[Path, ...] = ()
    agent: bool = True
    home: Path | None = None
    """The home whose `.ssh` has the usual files, when no file is named."""

    @property
    def first_file(self) -> Path | None:
        """The first existing key file; None when only an agent may have keys."""
        usual = [self.home / ".ssh" / name for name in USUAL_FILES] if self.home else []
        return next((path for path in self.key_files or usual if path.exists()), None)

    @cached_property
    def keys(self) -> tuple[PKey, ...]:
        """The keys in the files, in order."""
        if self.key_files:
            return tuple(_load(path) for path in self.key_files)
        if self.home is None:
            return ()
        found = (_load_usual(self.home / ".ssh" / name) for name in USUAL_FILES)
        return tuple(key for key in found if key is not None)


class KeyStrategy(AuthStrategy):
    """Offers an identity's keys for one login: as few as possible, because a host counts failures."""

    def __init__(self, identity: Identity, *, user: str, accepted: Sequence[str] = ()) -> None:
        super().__init__(ssh_config=SSHConfig())
        self.identity = identity
        self.user = user
        self.accepted = {words[1] for words in (key.split() for key in accepted) if len(words) > 1}
        self.offered: list[str] = []
        self._agent: Agent | None = None

    def get_sources(self) -> Iterator[PrivateKey]:
        for key in self._worth_offering(self.identity.keys):
            yield self._source(key)
        if self.identity.agent:
            self._agent = Agent()
            for key in self._worth_offering(self._agent.get_keys()):
                yield self._source(key)

    def authenticate(self, transport: Transport) -> Any:
        try:
            return super().authenticate(transport)
        finally:
            if self._agent is not None:
                self._agent.close()

    def _worth_offering(self, keys: Sequence[PKey]) -> Sequence[PKey]:
        accepted = [key for key in keys if key.get_base64() in self.accepted]
        return accepted or keys

    def _source(self, key: PKey) -> PrivateKey:
        self.offered.append(key.fingerprint)
        return InMemoryPrivateKey(self.user, key)


def _load(path: Path) -> PKey:
    try:
        return PKey.from_path(path.expanduser())
    except TypeError as error:  # cryptography raises TypeError for a key with a passphrase
        raise HostError(
            f"{path}: the key has a passphrase", code="ssh-key-has-passphrase", hint=f"ssh-add {path}"
        ) from error
    except OSError as error:
        raise HostError(
            f"{path}: cannot read the SSH key: {error.strerror}", code="ssh-key-unreadable", hint=f"ls -l {path}"
        ) from error
    except (ValueError, SSHException) as error:
        raise HostError(
            f"{path}: not a private SSH key", code="ssh-key-not-private", hint=f"ssh-keygen -l -f {path}"
        ) from error


def _load_usual(path: Path) -> PKey | None:
    try:
        return PKey.from_path(path)
    except (TypeError, OSError, ValueError, SSHException):
        return None
