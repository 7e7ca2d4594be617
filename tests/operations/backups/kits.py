"""Emergency kits whose passphrase costs no second of work: that of the real one is tried by test_the_passphrase."""

from __future__ import annotations

from pathlib import Path

import pyrage  # type: ignore[import-untyped]

from launchpad.errors import StateError
from launchpad.fleet.words.secret import Secret
from launchpad.operations.backups import kit as real
from launchpad.operations.backups import kit_page
from launchpad.workspace import Workspace

PASSPHRASE = Secret("five random words are good")
_IDENTITY = pyrage.x25519.Identity.generate()


def _seal(text: str, passphrase: Secret) -> str:
    content = f"{passphrase.reveal()}\n{text}".encode()
    return str(pyrage.encrypt(content, [_IDENTITY.to_public()], armored=True).decode())


def _unseal(sealed: str, passphrase: Secret, *, what: str) -> str:
    meant, _, text = str(pyrage.decrypt(sealed.encode(), [_IDENTITY]).decode()).partition("\n")
    if meant != passphrase.reveal():
        raise StateError(f"{what}: the passphrase is wrong, or the file was damaged")
    return text


def kit(workspace: Workspace, file: Path, passphrase: Secret = PASSPHRASE) -> real.Made:
    return real.kit(workspace, file, passphrase=passphrase, seal=_seal)


def opened(file: Path, passphrase: Secret = PASSPHRASE) -> kit_page.Contents:
    return kit_page.opened(file.read_text(), passphrase, what=file.name, unseal=_unseal)


def sealed_part(file: Path) -> str:
    """What age says of the page to whoever has the passphrase."""
    found = kit_page.ARMORED.search(file.read_text())
    assert found is not None
    return _unseal(found[0], PASSPHRASE, what=file.name)
