"""The runner as one file, with the same bytes from the same sources on every machine; and an operator's signature."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from launchpad import __version__
from launchpad.errors import StateError
from launchpad.runner.protocol import PROTOCOL, digest_of

NAMESPACE = "launchpad-runner"
DOWNGRADE = "launchpad-runner-downgrade"
_LONG_AGO = (1980, 1, 1, 0, 0, 0)
_START = """#!/usr/bin/python3 -IS
import gc, os, sys

if sys.argv[1:2] != ["watch"]:
    gc.disable()  # a request is over before there is anything to collect
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

from launchpad.runner.__main__ import main

code = main(sys.argv[1:])
sys.stdout.flush()
sys.stderr.flush()
os._exit(code)  # taking the interpreter apart took 8 of 48 ms of a request
"""
_MAIN = """import sys

if sys.argv[1:] == ["install"]:
    from launchpad.runner.protocol import Refused
    from launchpad.runner.provision.first_runner import install

    try:
        install(sys.argv[0])
    except Refused as refused:
        sys.exit(f"{refused.message} ({refused.hint})")
else:
    from launchpad.runner.__main__ import main

    sys.exit(main(sys.argv[1:]))
"""


@dataclass(frozen=True)
class Archive:
    """The runner as it is sent to hosts."""

    data: bytes
    version: str
    protocol: int

    @property
    def digest(self) -> str:
        return digest_of(self.data)


@cache
def runner_archive() -> Archive:
    """The runner of this installation. Not compressed, because zlib's output differs between machines and the digest
    must not."""
    manifest = json.dumps({"version": __version__, "protocol": PROTOCOL}, sort_keys=True)
    content = {"__main__.py": _MAIN, "start": _START, "runner.json": f"{manifest}\n"}
    content["launchpad/__init__.py"] = files("launchpad").joinpath("__init__.py").read_text("utf-8")
    content |= dict(_sources(files("launchpad").joinpath("runner"), "launchpad/runner"))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(content):
            entry = zipfile.ZipInfo(path, _LONG_AGO)
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content[path])
    return Archive(buffer.getvalue(), __version__, PROTOCOL)


def _sources(folder: Traversable, path: str) -> Iterator[tuple[str, str]]:
    for item in folder.iterdir():
        if item.is_dir():
            if item.name != "__pycache__":
                yield from _sources(item, f"{path}/{item.name}")
        elif not item.name.endswith((".pyc", "~")) and not item.name.startswith("."):
            yield f"{path}/{item.name}", item.read_text("utf-8")


def sign(data: bytes, *, key: Path, namespace: str = NAMESPACE) -> str:
    """The armoured signature of the data. `key` is the file of a private key, or of a public key whose private key the
    agent holds. StateError with ssh-keygen's message."""
    if shutil.which("ssh-keygen") is None:
        raise StateError(
            "cannot sign: ssh-keygen is not installed",
            code="cannot-sign-without-ssh-keygen",
            hint="install OpenSSH's client",
        )
    words = ["ssh-keygen", "-Y", "sign", "-q", "-f", str(key), "-n", namespace]
    done = subprocess.run(words, input=data, capture_output=True, check=False)
    if done.returncode or not done.stdout:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise StateError(
            f"cannot sign with {key}: {said[-1] if said else 'ssh-keygen failed'}",
            code="cannot-sign",
            hint="a signing key is a key file, or a public key whose private key your SSH agent holds",
        )
    return done.stdout.decode()
