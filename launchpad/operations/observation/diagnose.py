"""diagnose: ask a host for the causes of problems of a tenant or of the host, and fetch a bundle with the collected
data."""

from __future__ import annotations

import base64
import gzip
import io
import json
import re
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any

from launchpad.errors import HostError, InventoryError, StateError
from launchpad.fleet.keeping.workspace_files import replace_file, state_folder
from launchpad.fleet.model.fleet import kit_recipients
from launchpad.fleet.model.host import Host
from launchpad.fleet.sealing.age import AgeIdentity, seal_stream
from launchpad.fleet.words.malformed import Malformed, quoted
from launchpad.fleet.words.references import Recipient
from launchpad.operations.dns.address import ip_of
from launchpad.operations.requests.asking import listen
from launchpad.operations.requests.likely_cause import on_one_line
from launchpad.operations.requests.reaching import hosts_of
from launchpad.operations.requests.scope import scope_of
from launchpad.runner.diagnosing.analysis import analyse
from launchpad.runner.diagnosing.collected import Collected, Diagnosis
from launchpad.runner.hint import Next
from launchpad.runner.protocol import digest_of
from launchpad.runner.wire.streams import DataLine, Diagnose, DiagnoseReply
from launchpad.workspace import Workspace

SECONDS = 60
FORMAT = "launchpad-bundle-1"
MOST_BYTES = 64 << 20
"""The largest size of a bundle, unencrypted."""
_CASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, kw_only=True)
class Diagnosed:
    """The found causes, and the bundle."""

    host: str
    tenant: str
    """The tenant; empty for a whole host."""
    at: float
    """When it was collected, by the host's clock."""
    diagnoses: tuple[Diagnosis, ...]
    """The causes, the root cause first; empty when nothing is wrong."""
    manifest: Mapping[str, Any]
    data: bytes = b""
    """The bundle's file; empty for a preview."""

    def as_json(self) -> dict[str, Any]:
        found = [item.plain() | {"evidence": list(item.evidence)} for item in self.diagnoses]
        about = {"host": self.host, "tenant": self.tenant, "at": self.at}
        return about | {"diagnoses": found, "manifest": dict(self.manifest)}


def diagnose(workspace: Workspace, name: str, *, case: str = "", preview: bool = False) -> Diagnosed:
    """Ask the tenant's host, or the named host. Bundles of one case have the same pseudonyms for the same names and
    addresses. With `preview` the host makes the bundle but does not send it. StepFailed when the bundle would contain a
    secret."""
    scope = scope_of(workspace.fleet.load(), [name])
    tenant = next((item for item in scope.tenants if item.name == name), None)
    host = next(item for item in scope.hosts if tenant is None or item.name == tenant.host)
    asked = Diagnose(
        tenant=str(tenant.name) if tenant else "",
        case=_key_of(workspace, case) if case else "",
        addresses=_addresses(host),
        preview=preview,
    )
    pieces, said = [], DiagnoseReply(diagnoses=())
    with hosts_of(workspace).reach(host) as runner:
        for line in listen(runner, asked, DataLine, seconds=SECONDS):
            if isinstance(line, DataLine):
                pieces.append(base64.b64decode(line.data))
            else:
                said = line
    data = b"".join(pieces)
    if not preview and digest_of(data) != said.digest:
        raise HostError(
            f"{host.name}: the bundle arrived incomplete", code="bundle-arrived-incomplete", hint=Next("diagnose", name)
        )
    return Diagnosed(
        host=str(host.name),
        tenant=str(tenant.name) if tenant else "",
        at=float(said.manifest["made_at"]),
        diagnoses=tuple(map(on_one_line, said.diagnoses)),
        manifest={**said.manifest, "bytes": said.bytes},
        data=data,
    )


def _addresses(host: Host) -> tuple[str, ...]:
    try:
        return (ip_of(host),)
    except StateError:
        return ()


def save(workspace: Workspace, found: Diagnosed) -> Path:
    """Write the bundle into the workspace's state folder, readable by this user only; return the file."""
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(found.at))
    path = state_folder(workspace.root) / "bundles" / f"{found.tenant or found.host}-{moment}.json.gz"
    replace_file(path, found.data, mode=0o600)
    return path


def share(workspace: Workspace, found: Diagnosed, path: Path, *, recipients: Sequence[str] = ()) -> Path:
    """Write an encrypted copy of the bundle beside `path`, for these age recipients, or by default for the workspace's
    and the emergency kit's; return the file."""
    to = [Recipient(text) for text in recipients] or kit_recipients(workspace.fleet.load().defaults)
    if not to:
        raise InventoryError(
            "no recipients to share the bundle with",
            code="no-recipients-for-bundle",
            hint="--to age1…, or recipients in launchpad.yaml",
        )
    sealed = io.BytesIO()
    seal_stream(io.BytesIO(found.data), sealed, to)
    shared = path.with_name(f"{path.name}.age")
    replace_file(shared, sealed.getvalue(), mode=0o600)
    return shared


def read_bundle(file: Path, *, identity: Path) -> Diagnosed:
    """Analyse a bundle that was written earlier, on any machine; open an age file with this operator's identity."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise InventoryError(
            f"{file} cannot be read: {error.strerror}", code="bundle-unreadable", hint=Next("diagnose", "TENANT")
        ) from error
    if data.startswith(b"age-encryption.org/"):
        opened = io.BytesIO()
        AgeIdentity(identity).open_stream(io.BytesIO(data), opened, what=str(file))
        data = opened.getvalue()
    found = _document(file, data)
    collected = Collected(
        host=str(found["host"]), tenant=str(found["tenant"]), at=float(found["at"]), sections=found["sections"]
    )
    return Diagnosed(
        host=collected.host,
        tenant=collected.tenant,
        at=collected.at,
        diagnoses=tuple(analyse(collected)),
        manifest=found["manifest"],
        data=data,
    )


def _document(file: Path, data: bytes) -> dict[str, Any]:
    """The bundle's document; InventoryError for any other file."""
    other = InventoryError(
        f"{file} is not a bundle of launchpad diagnose",
        code="not-a-bundle",
        hint="to make a bundle: " + Next("diagnose", "TENANT"),
    )
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            text = stream.read(MOST_BYTES + 1)
        found = json.loads(text) if len(text) <= MOST_BYTES else None
    except (OSError, EOFError, ValueError, zlib.error, RecursionError):
        raise other from None
    kinds: dict[str, Any] = {"host": str, "tenant": str, "at": (int, float), "sections": dict, "manifest": dict}
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise other
    if not all(isinstance(found.get(key), kind) for key, kind in kinds.items()):
        raise other
    return found


def _key_of(workspace: Workspace, case: str) -> str:
    """The key of a case, made at its first use. It stays in this checkout and is in no bundle."""
    if _CASE.fullmatch(case) is None:
        raise Malformed(f"--case: {quoted(case)} is not a valid name", expected="letters, digits, dots and hyphens")
    path = state_folder(workspace.root) / "cases" / f"{case}.key"
    if not path.exists():
        replace_file(path, token_hex(32).encode() + b"\n", mode=0o600)
    return path.read_text().strip()
