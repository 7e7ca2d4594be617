"""The fleet's authority for the shipping of logs: its certificate, and the certificate of each host.

Every key follows from one sealed secret, so nothing else is stored, and two operators make the same certificates. The
authority's own certificate is in collector.pem of the workspace, for operators who can open no secret.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from launchpad.errors import StateError
from launchpad.fleet.keeping.workspace_files import replace_file
from launchpad.fleet.words.names import DestinationName, SecretName
from launchpad.fleet.words.secret import Secret
from launchpad.workspace import Workspace

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.x509 import CertificateBuilder

OWNER, KEY = DestinationName("collector"), SecretName("AUTHORITY")
FILE = "collector.pem"
HINT = "launchpad key collector"
SUBJECT = "launchpad logs"
_BEGIN, _END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2066, 1, 1, tzinfo=UTC)


def make_authority(workspace: Workspace) -> int:
    """Make a new authority, in place of an earlier one; returns its version."""
    secret = Secret.generated(43)
    version = workspace.log_secrets.set(OWNER, KEY, secret)
    replace_file(workspace.root / FILE, authority_certificate(secret).encode())
    return version


def has_authority(workspace: Workspace) -> bool:
    """Whether the fleet has one; opens no secret."""
    return KEY in workspace.log_secrets.versions(OWNER)


def known_authority(workspace: Workspace) -> tuple[int, str]:
    """Version and certificate (PEM) of the authority; opens no secret. StateError when the fleet has none."""
    version = workspace.log_secrets.versions(OWNER).get(KEY)
    path = workspace.root / FILE
    if version is None or not path.is_file():
        raise StateError(
            "the fleet has no authority for the certificates of the collector of logs",
            code="no-log-authority",
            hint=HINT,
        )
    return version, path.read_text(encoding="ascii", errors="replace")


def host_certificate(workspace: Workspace, host: str) -> tuple[int, str]:
    """The authority's version, and the host's key and certificate (PEM): a secret."""
    version, secret = workspace.log_secrets.reveal(OWNER)[KEY]
    if known_authority(workspace)[1] != authority_certificate(secret):
        raise StateError(
            f"{FILE} is not the certificate of the fleet's authority for logs",
            code="log-authority-certificate",
            hint=HINT,
        )
    return version, certificate_of(secret, host)


def authority_certificate(secret: Secret) -> str:
    from cryptography import x509

    key = _key(secret, "authority")
    built = _certificate(secret, "", "authority")
    built = built.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    return _signed(built, key)


def certificate_of(secret: Secret, host: str) -> str:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.x509.oid import ExtendedKeyUsageOID

    built = _certificate(secret, host, f"host {host}")
    built = built.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    built = built.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    uses = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    built = built.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
    private = _key(secret, f"host {host}").private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private.decode() + _signed(built, _key(secret, "authority"))


def _key(secret: Secret, label: str) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(hmac.digest(secret.reveal().encode(), label.encode(), "sha256"))


def _certificate(secret: Secret, name: str, label: str) -> CertificateBuilder:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    def named(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    # Another authority has another name, so that a certificate of another one is of an unknown authority.
    public = _key(secret, "authority").public_key().public_bytes_raw()
    issuer = named(f"{SUBJECT} {hashlib.sha256(public).hexdigest()[:16]}")
    built = x509.CertificateBuilder().subject_name(named(name) if name else issuer).issuer_name(issuer)
    built = built.not_valid_before(_BEGIN).not_valid_after(_END).public_key(_key(secret, label).public_key())
    return built.serial_number(int.from_bytes(hashlib.sha256(label.encode()).digest()[:15]) | 1)


def _signed(built: CertificateBuilder, key: Ed25519PrivateKey) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding

    return built.sign(key, None).public_bytes(Encoding.PEM).decode()
