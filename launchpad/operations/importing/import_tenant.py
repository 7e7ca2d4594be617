"""import: what somebody runs on a machine of their own becomes a tenant: checked, rehearsed, cut over.

What comes is brought to the tenant's host as a generation. The tenant's release, as the inventory says it, is tried on
a clone of it; then it takes the place of the tenant's data, which is kept, and is undone if the app does not come up.
The archive, and the machine that it came from, stay as they are.
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
from launchpad.operations.requests.identifiers import new_identifier
from launchpad.operations.requests.observing import observe
from launchpad.operations.requests.outcome import Outcome
from launchpad.operations.requests.scope import Scope
from launchpad.operations.tenants.deploy import deploy_operation, may_shrink_of, revealing
from launchpad.plan.observed import HostSeen
from launchpad.workspace import Workspace

MOST_UNPACKED = 8
"""An archive may unpack to so many times the tenant's disk, with what does not come along; then it is given up."""
FULL = 0.9
"""What comes may take so much of the tenant's disk: the app wants room to migrate."""
Tell = Callable[[str], None]
"""Takes a line about what goes on here, before a host is asked."""


@dataclass(frozen=True, kw_only=True)
class HowToImport:
    """What is asked for beside the tenant and the source."""

    take_secrets: bool = False
    """Whether secrets leave the files and are sealed into the inventory."""
    rehearse: bool = True
    soak_seconds: int = 0


@dataclass(frozen=True, kw_only=True)
class Import:
    """What would be done: what was found, and what it would replace."""

    tenant: str
    host: str
    app: str
    version: str
    source: str
    layout: str
    source_version: str
    """As its own files say; empty when they do not."""
    files: int
    bytes: int
    databases: int
    """SQLite databases, each found sound."""
    followed: tuple[str, ...]
    """Files that links of the archive lead to, in the links' places."""
    links: tuple[str, ...]
    """Left out."""
    left_out: int
    elsewhere: int
    rewritten: tuple[str, ...]
    secrets: tuple[tuple[str, str], ...]
    """Name, and the file that has it."""
    plain_secrets: tuple[tuple[str, str], ...]
    """What else looks like a credential, and stays in its file in plain: its key, and the file."""
    other_secrets: tuple[tuple[str, str], ...]
    """Those with another value than the first of their name: they stay where they are."""
    take_secrets: bool
    replaces: str
    """The release that runs; empty when nothing of the tenant does."""
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
    """How it ended, and for how long nobody was served where it was stopped before."""

    silent_seconds: float | None = None
    """From the stop to the first request that was let in; None when nothing was stopped for it."""
    sealed: tuple[str, ...] = ()
    """The secrets that are in the inventory now."""

    def as_json(self) -> dict[str, Any]:
        return super().as_json() | {"sealed": list(self.sealed)}


@dataclass
class Checked:
    """A source that was read, with what it takes to bring it; good for as long as the block lasts."""

    what: Import
    tar: Path
    """What the host gets, in a private folder."""
    found: Mapping[SecretName, Secret] = field(repr=False)
    login: SshLogin | None
    fleet: Fleet
    folder: Path
    tell: Tell


@contextmanager
def checked(
    workspace: Workspace, name: str, source: Path | SshLogin, how: HowToImport, *, tell: Tell = lambda _: None
) -> Iterator[Checked]:
    """Read the source and judge it; nothing is changed anywhere. ArchiveRefused for what cannot be imported, StateError
    where the tenant's version does not take it over, InventoryError, HostError."""
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
        """One go: fetch it where it is elsewhere, judge, recognise, carry over. Again for the last copy."""
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
        """The archive's file, its name for people, and the homes that are known of it."""
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
                f"{self.source}: something still writes there, so it was not stopped", hint="stop it, then again"
            )
        return path, str(self.source), (made.home,)


def _checked(workspace: Workspace, fleet: Fleet, tenant: Tenant, app: App, reading: _Reading) -> Checked:
    here = isinstance(reading.source, Path)
    replaces = "" if here else _runs(workspace, fleet, tenant)  # before much is copied from elsewhere
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
    """Carry it out. From another machine: what was copied is brought and rehearsed while the old one runs; `stop` then
    stops it, and gives the monotonic moment; the last copy is taken, and cut over to. StateError unless the plan is the
    confirmed one, and for a source that runs without a `stop`; errors as of `submit` and `bring`."""
    what = checked.what
    confirm.of(what, command="import")
    if checked.login is not None and stop is None:
        raise StateError(f"{what.source}: nobody says how the old one is stopped", hint="--stop-with COMMAND")
    tenant = checked.fleet.tenant(what.tenant)
    identifier = confirm.id_for(workspace)
    with _sealed(workspace, tenant, checked) as seals:
        generation = _brought(workspace, checked, checked.tar, identifier)
        begun: float | None = None
        if checked.login is not None:
            assert stop is not None
            if what.rehearse:
                _submit(workspace, checked, _operation(workspace, checked, "rehearse", generation), on_event=on_event)
            begun = stop()
        with _told_that_it_is_stopped(checked.login):
            if begun is not None:
                last = _last_copy(workspace, checked)
                generation = _brought(workspace, checked, last, new_identifier(workspace.clock.now()), base=generation)
            opened = _Opened(on_event)
            operation = _cut_over(workspace, checked, generation)
            seals.in_use = True
            outcome = _submit(workspace, checked, operation, replace(confirm, identifier=identifier), on_event=opened)
    silent = opened.at - begun if begun is not None and opened.at is not None else None
    plain = {item.name: getattr(outcome, item.name) for item in dataclasses.fields(Outcome)}
    return ImportOutcome(**plain, silent_seconds=silent, sealed=tuple(map(str, seals.changed)))


def _no_room(folder: str, error: OSError) -> StateError:
    hint = "TMPDIR=FOLDER before the command takes another one, which wants three times the room of what comes"
    return StateError(f"{folder}: cannot be written: {error.strerror or error}", hint=hint)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _importable(fleet: Fleet, tenant: Tenant) -> App:
    app = fleet.app(tenant.app)
    if app.imports is None:
        raise StateError(
            f"{app.name} does not say what can be imported into it", hint=f"imports: in inventory/apps/{app.name}.yaml"
        )
    if not tenant.running:
        raise StateError(
            f"{tenant.name} is not to run: inventory/tenants/{tenant.name}.yaml says running: false",
            hint="write running: true",
        )
    return app


def _judge_size(fleet: Fleet, tenant: Tenant, name: str, size: int) -> None:
    tier = fleet.tiers[tenant.tier]
    if size > FULL * (tier.disk.mb << 20):
        raise ArchiveRefused(
            f"{name}: {size >> 20} MiB come along, and tier {tier.name} has a disk of {tier.disk}",
            hint=f"a larger tier in inventory/tenants/{tenant.name}.yaml",
        )


def _judge_version(app: App, tenant: Tenant, recognised: Recognised) -> None:
    """Refuse what the tenant's version does not take over: what is newer, and what has to come in by another one."""
    found, layout = recognised.version, recognised.layout
    told = f"{layout.name} {found}".strip()
    if layout.into and tenant.version not in layout.into:
        first = layout.into[-1]
        raise StateError(
            f"{tenant.name}: {told} comes into {' or '.join(layout.into)}, and the inventory says {tenant.version}",
            hint=f"write version: {first} into inventory/tenants/{tenant.name}.yaml, import, then launchpad upgrade",
        )
    if found and is_older(tenant.version, found, names(app)):
        raise StateError(
            f"{tenant.name}: the data is of {told}, and {app.name} {tenant.version}, which is older, may not read it",
            hint=f"write version: {found} into inventory/tenants/{tenant.name}.yaml, or a newer one",
        )


def _runs(workspace: Workspace, fleet: Fleet, tenant: Tenant) -> str:
    """The release that the host has running; empty when it has none. StateError where an import cannot be."""
    name, host = str(tenant.name), str(tenant.host)
    scope = Scope(hosts=(fleet.host(host),), tenants=(tenant,), whole_hosts=frozenset())
    said = observe(workspace, scope, probes=False)[host]
    if not isinstance(said, HostSeen):
        raise said
    has = said.tenants.get(name)
    if has is None or has.retired:
        return ""
    if has.app != tenant.app:
        raise StateError(f"{name} is {has.app} on {host}, the inventory says {tenant.app}", hint="launchpad plan")
    return has.release


@dataclass
class _Seals:
    changed: list[SecretName] = field(default_factory=list)
    in_use: bool = False
    """Whether a host was asked to run with them: it may, whatever becomes of this process."""


@contextmanager
def _sealed(workspace: Workspace, tenant: Tenant, checked: Checked) -> Iterator[_Seals]:
    """The secrets that were found are the tenant's in the inventory; put back when the block fails, unless a host may
    be going on with them."""
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
    """The id of the generation that the host has of it now; with `base` the tar is of what differs from that one."""
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
    checked.tell(f"bringing {tar.stat().st_size >> 10} KiB to {what.host}")
    bring(workspace, fleet.host(tenant.host), bringing, pieces_of(tar))
    return bringing.generation


def pieces_of(path: Path) -> Iterator[bytes]:
    """The file's bytes, in pieces."""
    with path.open("rb") as file:
        while piece := file.read(256 * 1024):
            yield piece


def _last_copy(workspace: Workspace, checked: Checked) -> Path:
    """The tar of what the old one wrote since the first copy, now that it is stopped. StateError when it keeps secrets
    now that it did not keep before: the release does not have them."""
    what, fleet = checked.what, checked.fleet
    assert checked.login is not None
    how = HowToImport(take_secrets=what.take_secrets)
    reading = _Reading(checked.login, checked.folder, how, checked.tell, count=1)
    try:
        _, finder, tar, _ = reading.read(workspace, fleet, fleet.tenant(what.tenant))
    except OSError as error:
        raise _no_room(str(checked.folder), error) from error
    if what.take_secrets and {name: item.value for name, item in finder.found.items()} != checked.found:
        raise StateError(f"{what.source}: its secrets changed since the first copy", hint="the same command again")
    differing = _private(checked.folder / "differing.tar")
    with differing.open("wb") as out:
        difference(checked.tar, tar, out=out)
    return differing


def _operation(workspace: Workspace, checked: Checked, kind: str, generation: str) -> dict[str, Any]:
    tenant = checked.fleet.tenant(checked.what.tenant)
    deploy = deploy_operation(workspace, checked.fleet, tenant, inventory=workspace.revision(str(tenant.name)))
    return deploy | may_shrink_of(checked.fleet, tenant) | {"kind": kind, "generation": generation}


def _cut_over(workspace: Workspace, checked: Checked, generation: str) -> dict[str, Any]:
    """What was rehearsed while the old one ran is not rehearsed again while nobody is served."""
    return _operation(workspace, checked, "import", generation) | {
        "replaces": checked.what.replaces or None,
        "soak": checked.what.soak_seconds,
        "rehearse": checked.what.rehearse and checked.login is None,
    }


@contextmanager
def _told_that_it_is_stopped(login: SshLogin | None) -> Iterator[None]:
    """An error from here on says that the old one may be started again."""
    try:
        yield
    except LaunchpadError as error:
        if login is not None:
            error.hint = f"the old one is stopped: start it again on {login.address}; {error.hint}".rstrip("; ")
        raise


def _submit(
    workspace: Workspace,
    checked: Checked,
    operation: dict[str, Any],
    confirm: Confirmation | None = None,
    *,
    on_event: OnEvent,
) -> Outcome:
    tenant = checked.fleet.tenant(checked.what.tenant)
    submission = Submission(
        identifier=confirm.identifier if confirm else new_identifier(workspace.clock.now()),
        operation=operation,
        secrets=revealing(workspace, tenant),
        wish=confirm.words if confirm else None,
    )
    return submit(workspace, checked.fleet.host(tenant.host), submission, on_event=on_event)


class _Opened:
    """Passes events on, and knows when traffic was let in."""

    def __init__(self, on_event: OnEvent) -> None:
        self._on_event = on_event
        self.at: float | None = None

    def __call__(self, heard: HeardEvent) -> None:
        if isinstance(heard.event, StepDone) and heard.event.step == "open-traffic" and self.at is None:
            self.at = time.monotonic()
        self._on_event(heard)


def _private(path: Path) -> Path:
    """An empty file that only its owner reads."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    return path
