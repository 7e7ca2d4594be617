"""import: import a self-hosted installation into a tenant: check, rehearse, cut over.

The imported data is sent to the tenant's host as a generation. The tenant's release from the inventory is rehearsed on
a clone of the generation. Then the generation replaces the tenant's data, which is kept; the import is undone if the
app does not become healthy. The archive and the old machine do not change.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from launchpad.archives.carrying import Carried, JudgedArchive, carry
from launchpad.archives.differing import difference
from launchpad.archives.judging import judge
from launchpad.archives.opening import ArchiveRefused, opened
from launchpad.archives.recognising import (
    Recognised,
    is_marker,
    markers_in_its_own_folder,
    places_in_its_own_folder,
    places_of,
    recognise,
)
from launchpad.archives.secret_files import Finder
from launchpad.errors import LaunchpadError, LockedError, StateError
from launchpad.events import HeardEvent, OnEvent, StepDone, ignore
from launchpad.fleet.model.app import App
from launchpad.fleet.model.fleet import Fleet
from launchpad.fleet.model.tenant import Tenant
from launchpad.fleet.model.version_order import is_older, names
from launchpad.fleet.words.names import SecretName
from launchpad.fleet.words.secret import Secret
from launchpad.operations.importing import self_hosted
from launchpad.operations.importing.self_hosted import SshLogin
from launchpad.operations.moving.transfer import Bringing, bring
from launchpad.operations.requests.confirmation import Confirmation, plan_digest
from launchpad.operations.requests.following import Submission, submit
from launchpad.operations.requests.identifiers import part_of
from launchpad.operations.requests.observing import observe
from launchpad.operations.requests.outcome import Outcome
from launchpad.operations.requests.scope import Scope
from launchpad.operations.tenants.deploy import deploy_operation, may_shrink_of, revealing
from launchpad.plan.observed import HostSeen
from launchpad.runner.hint import Next
from launchpad.workspace import Workspace

MOST_UNPACKED = 8
"""An archive may unpack to this many times the tenant's disk, including files that are not imported; a larger archive
is rejected."""
FULL = 0.9
"""The share of the tenant's disk that the imported data may use, because the app needs space to migrate."""
Tell = Callable[[str], None]
"""Takes a progress line about work on this machine."""


@dataclass(frozen=True, kw_only=True)
class HowToImport:
    """The options of an import."""

    take_secrets: bool = False
    """Whether to move secrets from the files into the inventory, sealed."""
    rehearse: bool = True
    soak_seconds: int = 0


@dataclass(frozen=True, kw_only=True)
class Import:
    """A planned import: the contents of the source, and the release that the import replaces."""

    tenant: str
    host: str
    app: str
    version: str
    source: str
    layout: str
    source_version: str
    """The version in the source's own files; empty when unknown."""
    files: int
    bytes: int
    databases: int
    """The number of SQLite databases, all of them intact."""
    followed: tuple[str, ...]
    """Files that are copied in place of links of the archive."""
    links: tuple[str, ...]
    """Links that are not imported."""
    left_out: int
    elsewhere: int
    rewritten: tuple[str, ...]
    secrets: tuple[tuple[str, str], ...]
    """The name of each secret, and the file that has the secret."""
    plain_secrets: tuple[tuple[str, str], ...]
    """Other values that look like credentials and stay in their file in plain text: key and file."""
    other_secrets: tuple[tuple[str, str], ...]
    """Secrets with another value than the first secret of the same name: they stay in their files."""
    take_secrets: bool
    replaces: str
    """The running release; empty when the tenant does not run."""
    rehearse: bool
    soak_seconds: int
    digest_of_data: str

    @property
    def digest(self) -> str:
        """12 hex digits; what a confirmation names."""
        return plan_digest(self.as_json())

    def as_json(self) -> dict[str, Any]:
        plain = dataclasses.asdict(self)
        pairs = {name: [list(item) for item in plain[name]] for name in ("secrets", "other_secrets", "plain_secrets")}
        return plain | pairs | {name: list(plain[name]) for name in ("links", "followed", "rewritten")}


@dataclass(frozen=True, kw_only=True)
class ImportOutcome(Outcome):
    """The outcome, and how long visitors were not served."""

    silent_seconds: float | None = None
    """The seconds from the stop of the old installation to the first accepted request; None when nothing was
    stopped."""
    sealed: tuple[str, ...] = ()
    """The secrets that were sealed into the inventory."""

    def as_json(self) -> dict[str, Any]:
        return super().as_json() | {"sealed": list(self.sealed)}


@dataclass
class Checked:
    """A source that was read and checked, ready to be sent; valid until the block ends."""

    what: Import
    tar: Path
    """The tar for the host, in a private folder."""
    found: Mapping[SecretName, Secret] = field(repr=False)
    login: SshLogin | None
    fleet: Fleet
    folder: Path
    tell: Tell


@contextmanager
def checked(
    workspace: Workspace, name: str, source: Path | SshLogin, how: HowToImport, *, tell: Tell = lambda _: None
) -> Iterator[Checked]:
    """Read and check the source; nothing is changed. ArchiveRefused for a source that cannot be imported, StateError
    when the tenant's version cannot read the data, InventoryError, HostError."""
    fleet = workspace.fleet.load()
    tenant = fleet.tenant(name)
    app = _importable(fleet, tenant)
    with tempfile.TemporaryDirectory(prefix="launchpad-import-") as folder:
        reading = _Reading(source, Path(folder), how, tell)
        try:
            found = _checked(workspace, fleet, tenant, app, reading)
        except OSError as error:
            raise _no_room(folder, error) from error
        yield found


@dataclass
class _Reading:
    source: Path | SshLogin
    folder: Path
    how: HowToImport
    tell: Tell
    count: int = 0

    def read(self, workspace: Workspace, fleet: Fleet, tenant: Tenant) -> tuple[JudgedArchive, Finder, Path, Carried]:
        """Fetch the source from another machine if necessary, check it, recognise its layout, and convert it. Called
        again for the last copy."""
        self.count += 1
        app, disk = fleet.app(tenant.app), fleet.tiers[tenant.tier].disk.mb << 20
        most = MOST_UNPACKED * disk
        path, name, homes = self._path(workspace, app, most)
        with opened(path, most_bytes=most) as tar:
            content = judge(tar, archive=name, wanted=lambda entry: is_marker(app, entry))
        recognised = recognise(content, app, archive=name)
        _judge_version(app, tenant, recognised)
        _judge_size(fleet, tenant, name, sum(entry.size for entry in content.files if recognised.place_of(entry.name)))
        source = JudgedArchive(
            path=path, name=name, content=content, recognised=recognised, most_bytes=most, homes=homes
        )
        finder = Finder(app)
        tar_path, scratch = self.folder / f"carried-{self.count}.tar", self.folder / f"databases-{self.count}"
        scratch.mkdir()
        with _private(tar_path).open("wb") as out:
            carried = carry(source, app, finder, out=out, scratch=scratch, take=self.how.take_secrets)
        shutil.rmtree(scratch)
        if path.parent == self.folder:
            path.unlink()
        return source, finder, tar_path, carried

    def _path(self, workspace: Workspace, app: App, most: int) -> tuple[Path, str, tuple[str, ...]]:
        """The archive's file, its name for people, and the home folders that it is known to have."""
        if isinstance(self.source, Path):
            return self.source, self.source.name, ()
        assert app.imports is not None
        path = _private(self.folder / f"fetched-{self.count}.tar.gz")
        places, markers = places_of(app.imports), markers_in_its_own_folder(app.imports)
        self.tell(f"copying from {self.source}")
        inner = places_in_its_own_folder(app.imports)
        made = self_hosted.copy(workspace, self.source, places, markers, inner=inner, to=path, most_bytes=most)
        if made.changed_meanwhile and self.count > 1:
            raise ArchiveRefused(
                f"{self.source}: files still change, so the old installation is not stopped",
                code="old-installation-still-runs",
                hint="stop the old installation, then type the same command again",
            )
        return path, str(self.source), (made.home,)


def _checked(workspace: Workspace, fleet: Fleet, tenant: Tenant, app: App, reading: _Reading) -> Checked:
    here = isinstance(reading.source, Path)
    replaces = "" if here else _runs(workspace, fleet, tenant)  # before a large copy from another machine
    source, finder, tar, carried = reading.read(workspace, fleet, tenant)
    if here:
        replaces = _runs(workspace, fleet, tenant)
    what = Import(
        tenant=str(tenant.name),
        host=str(tenant.host),
        app=str(app.name),
        version=str(tenant.version),
        source=source.name,
        layout=str(source.recognised.layout.name),
        source_version=source.recognised.version,
        files=carried.files,
        bytes=carried.bytes,
        databases=carried.databases,
        followed=tuple(carried.followed),
        links=tuple(carried.links),
        left_out=carried.left_out,
        elsewhere=carried.elsewhere,
        rewritten=tuple(carried.rewritten),
        secrets=tuple((str(item.name), item.file) for item in finder.found.values()),
        plain_secrets=tuple(finder.plain),
        other_secrets=tuple((str(name), file) for name, file in finder.others),
        take_secrets=reading.how.take_secrets,
        replaces=replaces,
        rehearse=reading.how.rehearse,
        soak_seconds=reading.how.soak_seconds,
        digest_of_data=_digest(tar),
    )
    found = {item.name: item.value for item in finder.found.values()}
    login = reading.source if isinstance(reading.source, SshLogin) else None
    return Checked(what, tar, found, login, fleet, reading.folder, reading.tell)


def import_tenant(
    workspace: Workspace,
    checked: Checked,
    *,
    confirm: Confirmation,
    stop: Callable[[], float] | None = None,
    on_event: OnEvent = ignore,
) -> ImportOutcome:
    """Carry the import out. From another machine: the first copy is sent and rehearsed while the old installation runs;
    `stop` then stops the old installation and returns the monotonic time; a last copy is taken and cut over to.
    StateError unless the plan is the confirmed one, and for a running source without a `stop`; errors as of `submit`
    and `bring`."""
    what = checked.what
    confirm.of(what, command="import")
    if checked.login is not None and stop is None:
        raise StateError(
            f"{what.source}: no command to stop the old installation",
            code="no-command-stop-old-installation",
            hint="--stop-with COMMAND",
        )
    tenant = checked.fleet.tenant(what.tenant)
    identifier = confirm.id_for(workspace)
    with _sealed(workspace, tenant, checked) as seals:
        generation = _brought(workspace, checked, checked.tar, identifier)
        begun: float | None = None
        if checked.login is not None:
            assert stop is not None
            if what.rehearse:
                _submit(
                    workspace,
                    checked,
                    _operation(workspace, checked, "rehearse", generation),
                    Confirmation(digest=confirm.digest, identifier=part_of(identifier, "rehearse")),
                    on_event=on_event,
                )
            begun = stop()
        with _told_that_it_is_stopped(checked.login):
            if begun is not None:
                last = _last_copy(workspace, checked)
                generation = _brought(workspace, checked, last, part_of(identifier, "last copy"), base=generation)
            opened = _Opened(on_event)
            operation = _cut_over(workspace, checked, generation)
            seals.in_use = True
            outcome = _submit(workspace, checked, operation, replace(confirm, identifier=identifier), on_event=opened)
    silent = opened.at - begun if begun is not None and opened.at is not None else None
    plain = {item.name: getattr(outcome, item.name) for item in dataclasses.fields(Outcome)}
    return ImportOutcome(**plain, silent_seconds=silent, sealed=tuple(map(str, seals.changed)))


def _no_room(folder: str, error: OSError) -> StateError:
    hint = "set TMPDIR=FOLDER to a folder with three times the space of the imported data"
    return StateError(f"{folder}: cannot be written: {error.strerror or error}", code="file-write-failed", hint=hint)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _importable(fleet: Fleet, tenant: Tenant) -> App:
    app = fleet.app(tenant.app)
    if app.imports is None:
        raise StateError(
            f"{app.name} has no imports, so nothing can be imported into {app.name}",
            code="no-imports-nothing-imported-into",
            hint=f"imports: in inventory/apps/{app.name}.yaml",
        )
    if not tenant.running:
        raise StateError(
            f"{tenant.name} must not run: inventory/tenants/{tenant.name}.yaml has running: false",
            code="tenant-must-not-run",
            hint="write running: true",
        )
    return app


def _judge_size(fleet: Fleet, tenant: Tenant, name: str, size: int) -> None:
    tier = fleet.tiers[tenant.tier]
    if size > FULL * (tier.disk.mb << 20):
        raise ArchiveRefused(
            f"{name}: the imported data has {size >> 20} MiB, too much for the disk of tier {tier.name} ({tier.disk})",
            code="import-too-large",
            hint=f"write a larger tier into inventory/tenants/{tenant.name}.yaml",
        )


def _judge_version(app: App, tenant: Tenant, recognised: Recognised) -> None:
    """Reject data that the tenant's version cannot read: newer data, and data that must be imported with another
    version."""
    found, layout = recognised.version, recognised.layout
    told = f"{layout.name} {found}".strip()
    if layout.into and tenant.version not in layout.into:
        first = layout.into[-1]
        raise StateError(
            f"{tenant.name}: {told} can be imported only into version {' or '.join(layout.into)}, but the inventory "
            f"has version {tenant.version}",
            code="import-version-differs",
            hint=f"write version: {first} into inventory/tenants/{tenant.name}.yaml, then import, then: "
            + Next("upgrade", tenant.name),
        )
    if found and is_older(tenant.version, found, names(app)):
        raise StateError(
            f"{tenant.name}: the data is of {told}, and the older version {app.name} {tenant.version} may not read it",
            code="data-older-version-not-read",
            hint=f"write version: {found} into inventory/tenants/{tenant.name}.yaml, or a newer version",
        )


def _runs(workspace: Workspace, fleet: Fleet, tenant: Tenant) -> str:
    """The running release on the host; empty when there is none. StateError when the tenant has another app on the
    host."""
    name, host = str(tenant.name), str(tenant.host)
    scope = Scope(hosts=(fleet.host(host),), tenants=(tenant,), whole_hosts=frozenset())
    said = observe(workspace, scope, probes=False)[host]
    if not isinstance(said, HostSeen):
        raise said
    has = said.tenants.get(name)
    if has is None or has.retired:
        return ""
    if has.app != tenant.app:
        raise StateError(
            f"{name} has app {has.app} on {host}, but app {tenant.app} in the inventory",
            code="app-differs",
            hint=Next("plan"),
        )
    return has.release


@dataclass
class _Seals:
    changed: list[SecretName] = field(default_factory=list)
    in_use: bool = False
    """Whether a host was asked to run with these secrets: it may do so even if this process ends."""


@contextmanager
def _sealed(workspace: Workspace, tenant: Tenant, checked: Checked) -> Iterator[_Seals]:
    """Seal the found secrets into the inventory; restore the earlier secrets when the block fails, unless a host may be
    running with the new ones."""
    seals = _Seals()
    if not checked.what.take_secrets:
        yield seals
        return
    before = {name: value for name, (_, value) in workspace.secrets.reveal(tenant.name).items()}
    try:
        for name, value in checked.found.items():
            if before.get(name) != value:
                workspace.secrets.set(tenant.name, name, value)
                seals.changed.append(name)
        yield seals
    except BaseException as error:
        refused = isinstance(error, LockedError) or (isinstance(error, LaunchpadError) and not error.retry)
        for name in seals.changed if refused or not seals.in_use else ():
            if name in before:
                workspace.secrets.set(tenant.name, name, before[name])
            else:
                workspace.secrets.remove(tenant.name, name)
        raise


def _brought(workspace: Workspace, checked: Checked, tar: Path, identifier: str, *, base: str = "") -> str:
    """Send the tar to the host; return the id of the new generation. With `base` the tar has only the differences from
    that generation."""
    what, fleet = checked.what, checked.fleet
    tenant, app = fleet.tenant(what.tenant), fleet.app(what.app)
    bringing = Bringing(
        tenant=what.tenant,
        slot=tenant.slot,
        generation=f"{identifier}-in",
        app=what.app,
        version=what.version,
        volumes=tuple(map(str, app.volumes)),
        disk_mb=fleet.tiers[tenant.tier].disk.mb,
        base=base,
    )
    checked.tell(f"sending {tar.stat().st_size >> 10} KiB to {what.host}")
    bring(workspace, fleet.host(tenant.host), bringing, pieces_of(tar))
    return bringing.generation


def pieces_of(path: Path) -> Iterator[bytes]:
    """The file's bytes, in pieces."""
    with path.open("rb") as file:
        while piece := file.read(256 * 1024):
            yield piece


def _last_copy(workspace: Workspace, checked: Checked) -> Path:
    """The tar of the changes since the first copy, after the old installation was stopped. StateError when the source
    has new secrets, because the release does not have them."""
    what, fleet = checked.what, checked.fleet
    assert checked.login is not None
    how = HowToImport(take_secrets=what.take_secrets)
    reading = _Reading(checked.login, checked.folder, how, checked.tell, count=1)
    try:
        _, finder, tar, _ = reading.read(workspace, fleet, fleet.tenant(what.tenant))
    except OSError as error:
        raise _no_room(str(checked.folder), error) from error
    if what.take_secrets and {name: item.value for name, item in finder.found.items()} != checked.found:
        raise StateError(
            f"{what.source}: the secrets changed since the first copy",
            code="secrets-changed-since-first-copy",
            hint="type the same command again",
        )
    differing = _private(checked.folder / "differing.tar")
    with differing.open("wb") as out:
        difference(checked.tar, tar, out=out)
    return differing


def _operation(workspace: Workspace, checked: Checked, kind: str, generation: str) -> dict[str, Any]:
    tenant = checked.fleet.tenant(checked.what.tenant)
    deploy = deploy_operation(workspace, checked.fleet, tenant, inventory=workspace.revision(str(tenant.name)))
    return deploy | may_shrink_of(checked.fleet, tenant) | {"kind": kind, "generation": generation}


def _cut_over(workspace: Workspace, checked: Checked, generation: str) -> dict[str, Any]:
    """The cut-over operation; data that was rehearsed while the old installation ran is not rehearsed again while
    visitors wait."""
    return _operation(workspace, checked, "import", generation) | {
        "replaces": checked.what.replaces or None,
        "soak": checked.what.soak_seconds,
        "rehearse": checked.what.rehearse and checked.login is None,
    }


@contextmanager
def _told_that_it_is_stopped(login: SshLogin | None) -> Iterator[None]:
    """Add to every error of the block that the old installation is stopped and must be started again."""
    try:
        yield
    except LaunchpadError as error:
        if login is not None:
            stopped = f"the old installation is stopped: start it again on {login.address}"
            error.hint = f"{stopped}; " + error.hint if error.hint else stopped
        raise


def _submit(
    workspace: Workspace,
    checked: Checked,
    operation: dict[str, Any],
    confirm: Confirmation,
    *,
    on_event: OnEvent,
) -> Outcome:
    tenant = checked.fleet.tenant(checked.what.tenant)
    submission = Submission(
        identifier=confirm.identifier,
        operation=operation,
        secrets=revealing(workspace, tenant),
        wish=confirm.words,
    )
    return submit(workspace, checked.fleet.host(tenant.host), submission, on_event=on_event)


class _Opened:
    """Passes events on, and notes when traffic was accepted."""

    def __init__(self, on_event: OnEvent) -> None:
        self._on_event = on_event
        self.at: float | None = None

    def __call__(self, heard: HeardEvent) -> None:
        if isinstance(heard.event, StepDone) and heard.event.step == "open-traffic" and self.at is None:
            self.at = time.monotonic()
        self._on_event(heard)


def _private(path: Path) -> Path:
    """Make an empty file that only its owner can read."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    return path
