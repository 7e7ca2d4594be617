"""Sealing with age: anyone can seal for the recipients, only their identities can open."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import pyrage  # type: ignore[import-untyped]

from launchpad.errors import InventoryError, StateError
from launchpad.fleet.words.references import Recipient
from launchpad.fleet.words.secret import Secret

ARMOR = "-----BEGIN AGE ENCRYPTED FILE-----"


class AgeIdentity:
    """The age identities in a file of its owner's, read when they are first needed. Each of them opens what is sealed
    for it; the first one's public half is the owner's."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def exists(self) -> bool:
        """Whether there is a file at all."""
        return self.path.exists()

    @property
    def recipient(self) -> Recipient:
        """The public half."""
        return Recipient(str(self._keys()[0].to_public()))

    def open(self, sealed: str, *, what: str) -> Secret:
        """The sealed value; StateError, which names `what`, when it is sealed for others."""
        keys = self._keys()
        try:
            return Secret(pyrage.decrypt(sealed.encode(), keys).decode())
        except pyrage.DecryptError as error:
            hint = "one who can read it adds your recipient (launchpad key show) and runs: launchpad secret reseal"
            raise StateError(f"{what} is not sealed for you, or was damaged", hint=hint) from error

    def open_stream(self, source: BinaryIO, sink: BinaryIO, *, what: str) -> None:
        """Read a sealed stream and write it in the clear, in pieces; StateError, which names `what`, when it is sealed
        for others or was damaged. What was written before that is not to be trusted to be all."""
        keys = self._keys()
        try:
            pyrage.decrypt_io(source, sink, keys)
        except pyrage.DecryptError as error:
            hint = "one whose recipient is in launchpad.yaml provisions the host, or sends it"
            raise StateError(f"{what} is not sealed for you, or was damaged", hint=hint) from error

    def _keys(self) -> list[pyrage.x25519.Identity]:
        try:
            return identities_in(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            hint = "launchpad key make; or name yours in LAUNCHPAD_IDENTITY"
            raise StateError(f"{self.path}: there is no age identity", hint=hint) from error
        except (OSError, ValueError, pyrage.IdentityError):
            # without its cause, which may quote the key
            raise StateError(f"{self.path}: not an age identity that you can read", hint=f"ls -l {self.path}") from None


def identities_in(text: str) -> list[pyrage.x25519.Identity]:
    """Every identity that has a line of the text; ValueError or IdentityError when there is none, or a damaged one."""
    lines = [line.strip() for line in text.splitlines() if line.startswith("AGE-SECRET-KEY-")]
    if not lines:
        raise ValueError("no identity")
    return [pyrage.x25519.Identity.from_str(line) for line in lines]


def new_identity() -> tuple[str, Recipient]:
    """The content of a new identity file, and its public half."""
    key = pyrage.x25519.Identity.generate()
    recipient = Recipient(str(key.to_public()))
    return f"# public key: {recipient}\n{key}\n", recipient


def seal(value: Secret, recipients: Iterable[Recipient]) -> str:
    """The value, armored, for these recipients; InventoryError when there are none or one is mistyped."""
    return seal_bytes(value.reveal().encode(), recipients)


def seal_bytes(content: bytes, recipients: Iterable[Recipient]) -> str:
    """The content, armored, for these recipients; errors as of `seal`."""
    try:
        keys = [pyrage.x25519.Recipient.from_str(str(recipient)) for recipient in sorted(set(recipients))]
    except pyrage.RecipientError as error:
        hint = "launchpad key show prints yours"
        raise InventoryError("launchpad.yaml: one of the recipients is mistyped", hint=hint) from error
    if not keys:
        raise InventoryError(
            "launchpad.yaml: no recipients, so nobody could read the secret",
            hint="launchpad key show prints yours; write it under recipients:",
        )
    return str(pyrage.encrypt(content, keys, armored=True).decode())


def seal_stream(source: BinaryIO, sink: BinaryIO, recipients: Iterable[Recipient]) -> None:
    """Read a stream to its end and write it, binary, for these recipients; InventoryError when one is mistyped."""
    try:
        keys = [pyrage.x25519.Recipient.from_str(str(recipient)) for recipient in sorted(set(recipients))]
    except pyrage.RecipientError as error:
        raise InventoryError("one of the recipients is mistyped", hint="launchpad key show prints yours") from error
    pyrage.encrypt_io(source, sink, keys)


def lock(text: str, passphrase: Secret) -> str:
    """The text, armored, for whoever has the passphrase."""
    return str(pyrage.passphrase.encrypt(text.encode(), passphrase.reveal(), armored=True).decode())


def unlock(sealed: str, passphrase: Secret, *, what: str) -> str:
    """What `lock` was given; StateError, which names `what`, for another passphrase or a damaged text."""
    try:
        return str(pyrage.passphrase.decrypt(sealed.encode(), passphrase.reveal()).decode())
    except pyrage.DecryptError as error:
        raise StateError(f"{what}: the passphrase is wrong, or the file was damaged") from error


def digest_of_recipients(recipients: Iterable[Recipient]) -> str:
    """16 hex digits that name a set of recipients."""
    return hashlib.sha256("\n".join(sorted(set(recipients))).encode()).hexdigest()[:16]
