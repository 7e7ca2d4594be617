"""An operator's keys: to open secrets, to log in to hosts, to sign runners. Made once, never replaced."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from launchpad.errors import StateError
from launchpad.fleet.keeping.unstaged import ignore
from launchpad.fleet.keeping.workspace_files import private_folder, replace_file
from launchpad.fleet.sealing.age import AgeIdentity, new_identity
from launchpad.fleet.words.malformed import Malformed
from launchpad.fleet.words.references import PublicKey, Recipient
from launchpad.fleet.words.secret import Secret
from launchpad.runner.hint import Next


@dataclass(frozen=True)
class Keys:
    """The files of an operator's keys; only their owner can read the private halves."""

    identity: Path
    ssh: Path
    signing: Path

    def make_missing(self, *, comment: str) -> tuple[Path, ...]:
        """Make the missing keys and return their paths. Existing keys do not change."""
        made = []
        if not self.identity.exists():
            private_folder(self.identity.parent)
            ignore(self.identity)
            content, _ = new_identity()
            replace_file(self.identity, content.encode(), mode=0o600)
            made.append(self.identity)
        for path, purpose in ((self.ssh, "launchpad"), (self.signing, "launchpad signing")):
            if not path.exists():
                private_folder(path.parent)
                ignore(path)
                _make_ssh_key(path, comment=f"{comment} {purpose}")
                made.append(path)
        return tuple(made)

    @property
    def recipient(self) -> Recipient:
        """The public half of the identity."""
        return AgeIdentity(self.identity).recipient

    @property
    def ssh_public(self) -> PublicKey:
        """The public SSH key, by which hosts recognise the operator."""
        return public_half(self.ssh)

    @property
    def signing_public(self) -> PublicKey:
        """The public signing key, with which hosts verify a runner's signature."""
        return public_half(self.signing)

    def paths(self) -> Mapping[str, Path]:
        """The purpose and the path of each key."""
        return {"identity": self.identity, "ssh": self.ssh, "signing": self.signing}


def new_ssh_key(comment: str) -> tuple[Secret, PublicKey]:
    """Make a key without a file: the private half in OpenSSH's format, and the public line."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return Secret(private.decode()), PublicKey(f"{public.decode()} {comment}")


def _make_ssh_key(path: Path, *, comment: str) -> None:
    _ssh_keygen("-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path))


def public_half(path: Path) -> PublicKey:
    """The public key of a private key; StateError when it cannot be read."""
    public = path.with_name(f"{path.name}.pub")
    if not path.exists() and not public.exists():
        raise StateError(f"{path}: no such key", code="no-such-key", hint=Next("key make"))
    try:
        line = public.read_text(encoding="utf-8") if public.exists() else _ssh_keygen("-y", "-f", str(path))
        return PublicKey(line.strip())
    except (OSError, UnicodeDecodeError, Malformed) as error:
        raise StateError(
            f"{path}: the public half cannot be read", code="public-key-unreadable", hint=f"ls -l {public}"
        ) from error


def _ssh_keygen(*arguments: str) -> str:
    command = ["ssh-keygen", *arguments]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=30
        )
    except FileNotFoundError as error:
        raise StateError(
            "ssh-keygen is not installed", code="ssh-keygen-not-installed", hint="apt install openssh-client"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise StateError(
            f"{arguments[-1]}: ssh-keygen does not answer",
            code="ssh-keygen-does-not-answer",
            hint=f"ls -l {arguments[-1]}",
        ) from error
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[0]
        raise StateError(
            f"{arguments[-1]}: ssh-keygen failed: {reason}", code="ssh-keygen-failed", hint=f"ls -l {arguments[-1]}"
        )
    return done.stdout
