"""An app: software that Launchpad can host. An app is data only: a YAML file and templates, without Python."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from launchpad.errors import InventoryError
from launchpad.fleet.model.base import Model, ModelMistake, Path
from launchpad.fleet.model.host import Port
from launchpad.fleet.model.layout import Exports, Imports, volumes_of
from launchpad.fleet.model.tier import Tier
from launchpad.fleet.model.variable import Variable
from launchpad.fleet.words.names import (
    ActionName,
    AppName,
    ImageName,
    SecretName,
    ServiceName,
    TableName,
    VariableName,
    VersionName,
    VolumeName,
)
from launchpad.fleet.words.quantities import Duration
from launchpad.fleet.words.references import Argument, FilePath, ImageReference, Prose, UrlPath
from launchpad.fleet.words.secret import SHORTEST_TOKEN
from launchpad.runner.hint import Next
from launchpad.runner.limits import (
    MOST_ACTION_SECONDS,
    MOST_ACTIONS,
    MOST_ARGUMENTS,
    MOST_PROBES,
    MOST_SECRETS,
    MOST_START_SECONDS,
    MOST_STEADY_SECONDS,
    MOST_STOP_SECONDS,
    MOST_VOLUMES,
)
from launchpad.runner.slots import MOST_SERVICES

Share = Annotated[float, Field(gt=0, le=1)]


def _longer(duration: Duration, most: int, at: Path) -> Iterator[ModelMistake]:
    if duration.seconds > most:
        yield ModelMistake(at, f"{at[-1]} is {duration}", f"at most {Duration(most)}")


class AppVersion(Model):
    """One version of an app that tenants may run."""

    version: VersionName
    """The version's name, as upstream writes it."""
    images: Mapping[ImageName, ImageReference] = {}
    """The images, by the names that the services use. A version with an image without digest is listed but cannot be
    deployed."""
    notes: Prose | None = None
    """The release notes, or their URL."""
    breaks: Prose | None = None
    """What stops working after an upgrade to this version."""
    follows: tuple[VersionName, ...] = ()
    """The versions that can be upgraded to this version in one step. Default: any older version."""


class AppService(Model):
    """One container of the app. Shares are parts of the tenant's tier; services without a share split the rest
    equally."""

    image: ImageName | None = None
    """The name of the version's image. Default: the service's name."""
    memory: Share | None = None
    """The service's share of the tier's memory, such as 0.5."""
    cpus: Share | None = None
    """The service's share of the tier's CPUs."""
    pids: Share | None = None
    """The service's share of the tier's processes."""


class Web(Model):
    """The service and port to which Caddy forwards requests for the tenant's domains."""

    service: ServiceName
    """The service that answers visitors."""
    port: Port
    """The port on which the service listens, inside the container."""
    page: UrlPath = UrlPath("/")
    """The path that `launchpad smoke` requests: a page that every visitor may read."""
    websocket: UrlPath | None = None
    """The path at which the app accepts WebSockets from its own pages, for `launchpad smoke`."""
    keeps: UrlPath | None = None
    """A path whose answer depends only on the data: `launchpad smoke --restart` compares the answers before and after
    the restart."""


class SecretSpec(Model):
    """A secret that the app takes."""

    name: SecretName
    """The name of the environment variable from which the app reads the secret."""
    required: bool = False
    """Whether the app needs the secret to start."""
    generate: Annotated[int, Field(ge=SHORTEST_TOKEN, le=256)] | None = None
    """The length of the random token that Launchpad generates when no value is set."""
    purpose: Prose | None = None
    """The secret's purpose, printed by `launchpad secret list`."""
    rehearse: Literal["made-up", "real"] = "made-up"
    """The secret's value in the clone of a rehearsal or a drill. made-up: a random value; real: the real value, in a
    network without Internet access, because the data needs the value (a database password, an encryption key)."""


class AppProbe(Model):
    """One health check. Only process and ready probes decide a deploy; provider and channel probes warn."""

    kind: Literal["process", "ready", "provider", "channel"]
    """The kind of check. process: the containers run; ready: the app answers; provider and channel: the services that
    the app uses answer."""
    service: ServiceName | None = None
    """The service to ask."""
    port: Port | None = None
    """The port on which the service listens, inside the container."""
    path: UrlPath | None = None
    """The path of the HTTP GET request."""
    expect: Annotated[int, Field(ge=100, le=599)] = 200
    """The HTTP status of a healthy answer."""

    def findings(self) -> Iterator[ModelMistake]:
        asks = (self.service, self.port, self.path)
        if self.kind == "process" and any(part is not None for part in asks):
            yield ModelMistake((), "a process probe takes no service, port or path", "kind: process alone")
        if self.kind != "process" and any(part is None for part in asks):
            yield ModelMistake((), f"a {self.kind} probe is incomplete", "service, port and path")


class AppAction(Model):
    """A command that runs inside the app's own container."""

    name: ActionName
    """The action's name. Launchpad itself runs four actions, if the app has them: `verify` on the clone of a rehearsal
    (exit code 0: the data is intact); `quiet` before a change stops the app (exit code 0: the app is idle, 1: it is
    working); `check` every 15 minutes (whether keys still work); `usage-cost` once a day (what the app says its models
    cost; docs/metrics.md)."""
    service: ServiceName
    """The service in whose container the action runs."""
    argv: Annotated[tuple[Argument, ...], Field(min_length=1, max_length=MOST_ARGUMENTS)]
    """The command and its arguments, run without a shell."""
    timeout: Duration = Duration(60)
    """The timeout of the action."""
    purpose: Prose | None = None
    """The action's purpose, printed for operators."""

    def findings(self) -> Iterator[ModelMistake]:
        yield from _longer(self.timeout, MOST_ACTION_SECONDS, ("timeout",))


class Timings(Model):
    """The time limits of a deploy."""

    start: Duration = Duration(180)
    """How long the app may take from its start until the probes pass."""
    steady: Duration = Duration(15)
    """How long the probes must keep passing: during traffic if the release ran before or was rehearsed, otherwise
    before traffic."""
    stop: Duration = Duration(30)
    """How long a stop may take before the app is killed."""

    def findings(self) -> Iterator[ModelMistake]:
        yield from _longer(self.start, MOST_START_SECONDS, ("start",))
        yield from _longer(self.steady, MOST_STEADY_SECONDS, ("steady",))
        yield from _longer(self.stop, MOST_STOP_SECONDS, ("stop",))


class TemplateFile(Model):
    """A file of the release, rendered from a template of the app."""

    template: FilePath
    """The template's name in the app's own folder below templates/compose/."""
    path: FilePath
    """The file's path beside the tenant's compose.yaml."""


@dataclass(frozen=True)
class Limits:
    """One service's part of its tenant's tier."""

    memory_mb: int
    cpus: float
    pids: int


class App(Model):
    """An app: its services, versions, secrets, probes and templates."""

    name: AppName
    summary: Prose | None = None
    """A summary of the app in one line."""
    template: FilePath
    """The folder below templates/compose/ with compose.yaml.j2 and the files' templates."""
    strategy: Literal["swap", "beside"]
    """How a release replaces another. swap: the old release stops before the new release starts (one writer); beside:
    both may run at once."""
    services: Annotated[Mapping[ServiceName, AppService], Field(min_length=1, max_length=MOST_SERVICES)]
    """The app's containers, by name; a service's position in the list sets its address."""
    web: Web | None = None
    """The service that answers visitors; omitted for an app without a website."""
    volumes: Annotated[tuple[VolumeName, ...], Field(max_length=MOST_VOLUMES)] = ()
    """The names of the app's data volumes, which the templates mount."""
    secrets: Annotated[tuple[SecretSpec, ...], Field(max_length=MOST_SECRETS)] = ()
    """The secrets that the app takes."""
    variables: Mapping[VariableName, Variable] = {}
    """The variables that a tenant may set."""
    egress: Literal["open", "none"] = "open"
    """The network access of the app's containers. open: the Internet, but no private networks; none: no outgoing
    connections."""
    egress_ports: tuple[Literal[465, 587], ...] = ()
    """Ports of mail servers that the app's containers may reach: 465, 587 or both. Port 25 is closed for every app."""
    probes: Annotated[tuple[AppProbe, ...], Field(max_length=MOST_PROBES)] = (AppProbe(kind="process"),)
    """The app's health probes."""
    actions: Annotated[tuple[AppAction, ...], Field(max_length=MOST_ACTIONS)] = ()
    """Commands that run inside the app's own containers."""
    may_shrink: tuple[TableName, ...] = ()
    """Tables of the app's SQLite databases that may lose rows in an upgrade, such as caches; shell patterns. A
    rehearsal fails when any other table loses rows."""
    timings: Timings = Timings()
    files: tuple[TemplateFile, ...] = ()
    """Files of the release besides compose.yaml."""
    imports: Imports | None = None
    """How self-hosted installations are imported; without this key nothing can be imported."""
    exports: Exports | None = None
    """The layout of exported archives; without this key nothing can be exported."""
    versions: Annotated[tuple[AppVersion, ...], Field(min_length=1)]
    """The app's versions, newest last."""

    def version(self, name: str) -> AppVersion:
        """The version with that name; InventoryError with the known versions when there is none."""
        for version in self.versions:
            if version.version == name:
                return version
        known = ", ".join(version.version for version in self.versions)
        hint = Next("versions", self.name)
        raise InventoryError(
            f"{self.name} has no version {name}; expected one of {known}", code="no-such-version", hint=hint
        )

    def images(self, version: str) -> dict[ServiceName, ImageReference]:
        """Each service's image, pinned by digest; InventoryError with the place for each missing digest."""
        images = self.version(version).images
        found: dict[ServiceName, ImageReference] = {}
        for name, service in self.services.items():
            key = service.image or ImageName(name)
            image = images.get(key)
            if image is None or not image.pinned:
                raise InventoryError(
                    f"no digest for image {key} of {self.name} {version}",
                    code="image-without-digest",
                    hint=self._how_to_pin(image, version),
                )
            found[name] = image
        return found

    def pinned(self, version: str) -> bool:
        """Whether every image of the version has a digest, so that the version can be deployed."""
        images = self.version(version).images
        names = (service.image or ImageName(name) for name, service in self.services.items())
        return all((image := images.get(name)) is not None and image.pinned for name in names)

    def _how_to_pin(self, image: ImageReference | None, version: str) -> str:
        if image is None:
            return f"write registry/repository:tag into inventory/apps/{self.name}.yaml"
        if image.is_example:
            return f"write your own registry into inventory/apps/{self.name}.yaml"
        return Next("app pin", f"{self.name}:{version}")

    def limits(self, tier: Tier) -> dict[ServiceName, Limits]:
        """Split the tier: each service's share, rounded down, never below Docker's minimum."""
        memory = _shares([service.memory for service in self.services.values()])
        cpus = _shares([service.cpus for service in self.services.values()])
        pids = _shares([service.pids for service in self.services.values()])
        return {
            name: Limits(
                memory_mb=max(6, int(tier.memory.mb * memory[index] + 1e-6)),
                cpus=max(0.01, int(tier.cpus * cpus[index] * 100 + 1e-6) / 100),
                pids=max(8, int(tier.pids * pids[index] + 1e-6)),
            )
            for index, name in enumerate(self.services)
        }

    def findings(self) -> Iterator[ModelMistake]:
        yield from self._unknown_services()
        yield from self._ports_without_egress()
        yield from self._shares_above_one()
        yield from self._unknown_images()
        yield from self._unknown_volumes()
        yield from self._unknown_secrets()
        yield from _repeated([(("secrets", i, "name"), spec.name) for i, spec in enumerate(self.secrets)], "secret")
        yield from _repeated([(("volumes", i), name) for i, name in enumerate(self.volumes)], "volume")
        yield from _repeated([(("actions", i, "name"), action.name) for i, action in enumerate(self.actions)], "action")
        yield from _repeated([(("files", i, "path"), file.path) for i, file in enumerate(self.files)], "file")
        yield from _repeated([(("versions", i, "version"), v.version) for i, v in enumerate(self.versions)], "version")

    def _ports_without_egress(self) -> Iterator[ModelMistake]:
        if self.egress_ports and self.egress == "none":
            yield ModelMistake(
                ("egress_ports",), "egress_ports need egress: open", "omit egress_ports, or write egress: open"
            )

    def _unknown_services(self) -> Iterator[ModelMistake]:
        named: list[tuple[Path, str | None]] = [(("web", "service"), self.web.service if self.web else None)]
        named += [(("probes", i, "service"), probe.service) for i, probe in enumerate(self.probes)]
        named += [(("actions", i, "service"), action.service) for i, action in enumerate(self.actions)]
        for path, name in named:
            if name is not None and name not in self.services:
                yield ModelMistake(path, f"unknown service {name}", f"one of {', '.join(self.services)}")

    def _unknown_volumes(self) -> Iterator[ModelMistake]:
        for path, volume in volumes_of(self.imports, self.exports):
            if volume not in self.volumes:
                yield ModelMistake(path, f"unknown volume {volume}", f"one of {', '.join(self.volumes) or 'none'}")

    def _unknown_secrets(self) -> Iterator[ModelMistake]:
        known = [spec.name for spec in self.secrets]
        for index, item in enumerate(self.imports.secrets if self.imports else ()):
            if item.secret not in known:
                path = ("imports", "secrets", index, "secret")
                yield ModelMistake(path, f"unknown secret {item.secret}", f"one of {', '.join(known) or 'none'}")

    def _shares_above_one(self) -> Iterator[ModelMistake]:
        for resource in ("memory", "cpus", "pids"):
            written = [getattr(service, resource) for service in self.services.values()]
            total = sum(share for share in written if share is not None)
            if total > 1.000001 or (None in written and total > 0.999999):
                yield ModelMistake(
                    ("services",),
                    f"the services' shares of {resource} are {total:g}",
                    "shares of at most 1 together, and more than 0 for each service",
                )

    def _unknown_images(self) -> Iterator[ModelMistake]:
        used = {service.image or ImageName(name) for name, service in self.services.items()}
        for index, version in enumerate(self.versions):
            for key in version.images:
                if key not in used:
                    path = ("versions", index, "images", key)
                    yield ModelMistake(path, f"no service uses image {key}", f"one of {', '.join(sorted(used))}")


def _repeated(named: list[tuple[Path, str]], noun: str) -> Iterator[ModelMistake]:
    seen: set[str] = set()
    for path, name in named:
        if name in seen:
            yield ModelMistake(path, f"{noun} {name} appears twice", f"each {noun} once")
        seen.add(name)


def _shares(written: list[float | None]) -> list[float]:
    rest = max(0.0, 1 - sum(share for share in written if share is not None))
    each = rest / max(1, written.count(None))
    return [each if share is None else share for share in written]
