"""Seal with age: everybody can seal for the recipients, and only their identities can open."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import pyrage  # type: ignore[import-untyped]

from launchpad.errors import InventoryError, StateError
from launchpad.fleet.words.references import Recipient
from launchpad.fleet.words.secret import Secret
from launchpad.runner.hint import Next

ARMOR = "-----BEGIN AGE ENCRYPTED FILE-----"


class AgeIdentity:
    """The age identities in a file, read at first use. Each identity opens what is sealed for it; the first identity's
    public half is the owner's recipient."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def exists(self) -> bool:
        """Whether the file exists."""
        return self.path.exists()

    @property
    def recipient(self) -> Recipient:
        """The public half."""
        return Recipient(str(self._keys()[0].to_public()))

    def open(self, sealed: str, *, what: str) -> Secret:
        """Open the sealed value; StateError, which names `what`, when it is sealed for other recipients."""
        keys = self._keys()
        try:
            return Secret(pyrage.decrypt(sealed.encode(), keys).decode())
        except pyrage.DecryptError as error:
            hint = (
                "an operator who can read it adds your recipient ("
                + Next("key show")
                + ") to launchpad.yaml and types: "
                + Next("secret reseal")
            )
            raise StateError(
                f"{what} is not sealed for your key, or is damaged", code="not-sealed-for-you", hint=hint
            ) from error

    def open_stream(self, source: BinaryIO, sink: BinaryIO, *, what: str) -> None:
        """Open a sealed stream and write its plain content in pieces; StateError, which names `what`, when the stream
        is sealed for other recipients or is damaged. After an error the written content may be incomplete."""
        keys = self._keys()
        try:
            pyrage.decrypt_io(source, sink, keys)
        except pyrage.DecryptError as error:
            hint = "an operator whose recipient is in launchpad.yaml must provision the host, or send the data"
            raise StateError(
                f"{what} is not sealed for your key, or is damaged", code="file-not-sealed-for-you", hint=hint
            ) from error

    def _keys(self) -> list[pyrage.x25519.Identity]:
        try:
            return identities_in(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            hint = Next("key make") + "; or set LAUNCHPAD_IDENTITY to your identity file"
            raise StateError(f"{self.path}: no age identity", code="no-age-identity", hint=hint) from error
        except (OSError, ValueError, pyrage.IdentityError):
            # `from None`: the cause may quote the key
            raise StateError(
                f"{self.path}: not a readable age identity", code="not-readable-age-identity", hint=f"ls -l {self.path}"
            ) from None


def identities_in(text: str) -> list[pyrage.x25519.Identity]:
    """The identities in the text, one on each line; ValueError or IdentityError when there is none, or when one is
    damaged."""
    lines = [line.strip() for line in text.splitlines() if line.startswith("AGE-SECRET-KEY-")]
    if not lines:
        raise ValueError("no identity")
    return [pyrage.x25519.Identity.from_str(line) for line in lines]


def new_identity() -> tuple[str, Recipient]:
    """Make a new identity: the content of its file, and its public half."""
    key = pyrage.x25519.Identity.generate()
    recipient = Recipient(str(key.to_public()))
    return f"# public key: {recipient}\n{key}\n", recipient


def seal(value: Secret, recipients: Iterable[Recipient]) -> str:
    """Seal the value for these recipients, armored; InventoryError when there are none or one is mistyped."""
    return seal_bytes(value.reveal().encode(), recipients)


def seal_bytes(content: bytes, recipients: Iterable[Recipient]) -> str:
    """Seal the content for these recipients, armored; errors as of `seal`."""
    try:
        keys = [pyrage.x25519.Recipient.from_str(str(recipient)) for recipient in sorted(set(recipients))]
    except pyrage.RecipientError as error:
        hint = "to print yours: " + Next("key show")
        raise InventoryError(
            "launchpad.yaml: a recipient is mistyped", code="recipient-mistyped-in-settings", hint=hint
        ) from error
    if not keys:
        raise InventoryError(
            "launchpad.yaml: no recipients, so nobody could read the secret",
            code="no-recipients-in-settings",
            hint="write your recipient under recipients:; to print it: " + Next("key show"),
        )
    return str(pyrage.encrypt(content, keys, armored=True).decode())


def seal_stream(source: BinaryIO, sink: BinaryIO, recipients: Iterable[Recipient]) -> None:
    """Seal a stream for these recipients, binary; InventoryError when one is mistyped."""
    try:
        keys = [pyrage.x25519.Recipient.from_str(str(recipient)) for recipient in sorted(set(recipients))]
    except pyrage.RecipientError as error:
        raise InventoryError(
            "a recipient is mistyped", code="recipient-mistyped", hint="to print yours: " + Next("key show")
        ) from error
    pyrage.encrypt_io(source, sink, keys)


def lock(text: str, passphrase: Secret) -> str:
    """Encrypt the text with the passphrase, armored."""
    return str(pyrage.passphrase.encrypt(text.encode(), passphrase.reveal(), armored=True).decode())


def unlock(sealed: str, passphrase: Secret, *, what: str) -> str:
    """Decrypt the output of `lock`; StateError, which names `what`, for a wrong passphrase or a damaged text."""
    try:
        return str(pyrage.passphrase.decrypt(sealed.encode(), passphrase.reveal()).decode())
    except pyrage.DecryptError as error:
        raise StateError(f"{what}: the passphrase is wrong, or the file is damaged", code="passphrase-wrong") from error


def digest_of_recipients(recipients: Iterable[Recipient]) -> str:
    """16 hex digits that name a set of recipients."""
    return hashlib.sha256("\n".join(sorted(set(recipients))).encode()).hexdigest()[:16]
