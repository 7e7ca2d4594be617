"""Which release each tenant's inventory renders to, remembered by the digest of everything that a release is rendered
from: a plan of a large fleet renders only what changed.

.launchpad/releases.json: digest of the inputs → the release's name. A deploy never asks it: what is sent is rendered.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

from launchpad.errors import LaunchpadError
from launchpad.fleet.keeping.workspace_files import replace_file, state_folder
from launchpad.fleet.model.base import Model
from launchpad.fleet.model.fleet import Fleet
from launchpad.fleet.model.tenant import Tenant
from launchpad.workspace import Workspace

FILE = "releases.json"
MOST_REMEMBERED = 10_000
PACKAGE = Path(__file__).resolve().parents[2]
CODE = (
    *("render/*.py", "fleet/model/*.py", "fleet/words/*.py", "fleet/reading/tree.py"),
    *(f"runner/{name}.py" for name in ("paths", "protocol", "record", "slots")),
)
"""The files of the package that decide what a release is."""
LIBRARIES = ("jinja2", "ruamel.yaml")
_NAME = re.compile(r"[0-9a-f]{12}")


class KnownReleases:
    """The releases' names in one workspace, for one loaded fleet. Nothing is read before the first question."""

    def __init__(self, workspace: Workspace, fleet: Fleet) -> None:
        self._workspace = workspace
        self._fleet = fleet
        self._used: dict[str, str] = {}
        self._records: dict[tuple[str, str], bytes] = {}

    def release(self, tenant: Tenant, secrets: Mapping[str, int]) -> str:
        """The name of the tenant's release with these versions of its secrets; rendered when it is not known. Errors as
        of `render`."""
        key = self._inputs(tenant, secrets)
        if (name := self._known.get(key)) is None:
            # Jinja: late, because `status` asks the hosts first
            from launchpad.operations.requests.render import rendered

            name = rendered(self._workspace, self._fleet, tenant).release.short
        self._used[key] = name
        return name

    def save(self) -> None:
        """Remember what was rendered. A memory that cannot be written is no error."""
        if self._used.keys() - self._known.keys():
            kept = list({**self._used, **self._known}.items())[:MOST_REMEMBERED]
            with suppress(LaunchpadError):
                replace_file(state_folder(self._workspace.root) / FILE, json.dumps(dict(kept)).encode())

    @cached_property
    def _known(self) -> dict[str, str]:
        return _read(self._workspace.state / FILE)

    @cached_property
    def _shared(self) -> bytes:
        """The digest of what all tenants share."""
        return _digest([*_code(), *_templates(self._workspace.templates)])

    def _inputs(self, tenant: Tenant, secrets: Mapping[str, int]) -> str:
        fleet = self._fleet
        parts = [
            self._shared,
            tenant.model_dump_json().encode(),
            json.dumps(secrets, sort_keys=True).encode(),
            self._record(fleet.app(tenant.app), tenant.app),
            self._record(fleet.tier(tenant.tier), tenant.tier),
            self._record(fleet.host(tenant.host), tenant.host),
        ]
        return _digest(parts).hex()

    def _record(self, record: Model, name: str) -> bytes:
        """The digest of what many tenants share."""
        key = (type(record).__name__, name)
        if key not in self._records:
            self._records[key] = _digest([record.model_dump_json().encode()])
        return self._records[key]


@contextmanager
def known_releases(workspace: Workspace, fleet: Fleet) -> Iterator[KnownReleases]:
    """What is remembered; what is rendered meanwhile is remembered at the end."""
    found = KnownReleases(workspace, fleet)
    try:
        yield found
    finally:
        found.save()


def _read(path: Path) -> dict[str, str]:
    """What is remembered; nothing when it cannot be read."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {key: name for key, name in found.items() if isinstance(name, str) and _NAME.fullmatch(name)}


def _code() -> Iterator[bytes]:
    """The code that renders, and the state of the libraries that it renders with."""
    for pattern in CODE:
        for path in sorted(PACKAGE.glob(pattern)):
            yield path.read_bytes()
    for name in LIBRARIES:
        spec = find_spec(name)
        facts = Path(spec.origin).stat() if spec and spec.origin else None
        yield f"{name} {facts and (facts.st_mtime_ns, facts.st_size)}".encode()


def _templates(folders: Iterable[Path]) -> Iterator[bytes]:
    for folder in folders:
        yield b"a folder of templates"
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                yield path.relative_to(folder).as_posix().encode(errors="surrogateescape")
                yield path.read_bytes()


def _digest(parts: Iterable[bytes]) -> bytes:
    total = hashlib.sha256()
    for part in parts:
        total.update(b"%d " % len(part) + part)
    return total.digest()
