"""The lab's certificate authority and its SSH key; both live in the cache, so a base image keeps trusting them."""

from pathlib import Path

from labkit.network import DOMAIN, GATEWAY
from labkit.paths import Paths, write_text
from labkit.shell import run

_DAYS = "3650"
_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def root_certificate(paths: Paths) -> Path:
    """The root certificate that every bare host trusts; made on first use."""
    folder = paths.cache / "authority"
    certificate = folder / "root.pem"
    with paths.lock("authority"):
        if not certificate.exists():
            folder.mkdir(parents=True, exist_ok=True)
            partial = folder / "root.partial"
            run(
                [
                    *("openssl", "req", "-x509", *_NEW_KEY, "-days", _DAYS),
                    *("-keyout", str(folder / "root.key"), "-out", str(partial)),
                    *("-subj", "/CN=Launchpad lab root", "-addext", "keyUsage=critical,keyCertSign,cRLSign"),
                ]
            )
            partial.rename(certificate)
    return certificate


def server_certificate(paths: Paths, label: str) -> tuple[Path, Path]:
    """Certificate and key for `label`.lab.test, signed by the root; made on first use."""
    root = root_certificate(paths)
    folder = root.parent
    certificate, key, request = (folder / f"{label}.{end}" for end in ("pem", "key", "csr"))
    with paths.lock("authority"):
        if not certificate.exists():
            name = f"{label}.{DOMAIN}"
            partial, extensions = folder / f"{label}.partial", folder / f"{label}.ext"
            write_text(extensions, f"subjectAltName=DNS:{name},IP:{GATEWAY}\nextendedKeyUsage=serverAuth\n")
            run(["openssl", "req", *_NEW_KEY, "-keyout", str(key), "-out", str(request), "-subj", f"/CN={name}"])
            signer = ("-CA", str(root), "-CAkey", str(folder / "root.key"), "-CAcreateserial")
            files = ("-in", str(request), "-extfile", str(extensions), "-out", str(partial))
            run(["openssl", "x509", "-req", *signer, *files, "-days", _DAYS])
            partial.rename(certificate)
    return certificate, key


def ssh_key(paths: Paths) -> Path:
    """The private key that every bare host's root accepts; made on first use."""
    key = paths.ssh_key
    with paths.lock("authority"):
        if not key.with_suffix(".pub").exists():
            key.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            key.unlink(missing_ok=True)
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "launchpad-lab", "-f", str(key)])
    return key
