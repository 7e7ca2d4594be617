"""An app: something that can be hosted. Data only: a new app is a YAML file and its templates, and no Python."""

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
    """Its name, as upstream calls it."""
    images: Mapping[ImageName, ImageReference] = {}
    """By the names that the services use. One without a digest can be listed, and not deployed."""
    notes: Prose | None = None
    """Where its release notes are, or what they say."""
    breaks: Prose | None = None
    """What stops working when a tenant comes to this version."""
    follows: tuple[VersionName, ...] = ()
    """The versions that may be upgraded to this one in one step; empty: any older one."""


class AppService(Model):
    """One container of the app. Shares are of the tenant's tier; those not written are split equally."""

    image: ImageName | None = None
    """Which of the version's images; the one named like the service when left out."""
    memory: Share | None = None
    """Its share of the tier's memory, such as 0.5."""
    cpus: Share | None = None
    """Its share of the tier's CPUs."""
    pids: Share | None = None
    """Its share of the tier's processes."""


class Web(Model):
    """What Caddy dials for the tenant's domains."""

    service: ServiceName
    """Which service answers visitors."""
    port: Port
    """Where it listens, inside the container."""
    page: UrlPath = UrlPath("/")
    """What `launchpad smoke` asks for: a page that every visitor may read."""
    websocket: UrlPath | None = None
    """Where it accepts WebSockets from its own pages, for `launchpad smoke`."""
    keeps: UrlPath | None = None
    """A path whose answer depends on the data alone: `launchpad smoke --restart` compares it before and after."""


class SecretSpec(Model):
    """A secret that the app takes."""

    name: SecretName
    """What the app reads it by."""
    required: bool = False
    """Whether the app does not start without it."""
    generate: Annotated[int, Field(ge=SHORTEST_TOKEN, le=256)] | None = None
    """The length of the random token that is made when nothing has been set."""
    purpose: Prose | None = None
    """What it is for, as `launchpad secret list` says it."""
    rehearse: Literal["made-up", "real"] = "made-up"
    """What a rehearsal's and a drill's clone has for it: a made-up value; or the real one, inside a network without a
    way out, because the data was made with it (a database's password, a key that encrypts)."""


class AppProbe(Model):
    """One question about health. Only process and ready decide a deploy; provider and channel warn."""

    kind: Literal["process", "ready", "provider", "channel"]
    """process: its containers run; ready: it answers; provider and channel: what it talks to does."""
    service: ServiceName | None = None
    """Which service is asked."""
    port: Port | None = None
    """Where it listens, inside the container."""
    path: UrlPath | None = None
    """What is asked for, by HTTP GET."""
    expect: Annotated[int, Field(ge=100, le=599)] = 200
    """The HTTP status that is good."""

    def findings(self) -> Iterator[ModelMistake]:
        asks = (self.service, self.port, self.path)
        if self.kind == "process" and any(part is not None for part in asks):
            yield ModelMistake((), "a process probe takes no service, port or path", "kind: process alone")
        if self.kind != "process" and any(part is None for part in asks):
            yield ModelMistake((), f"a {self.kind} probe is incomplete", "service, port and path")


class AppAction(Model):
    """Something that the app offers to do inside its own container."""

    name: ActionName
    """What it is called. Launchpad itself runs two, where an app has them: `verify` on the clone of a rehearsal (0: the
    data is sound), and `quiet` before a change stops the app (0: it is at no work, 1: it is)."""
    service: ServiceName
    """In whose container it runs."""
    argv: Annotated[tuple[Argument, ...], Field(min_length=1, max_length=MOST_ARGUMENTS)]
    """The command and its arguments; no shell reads them."""
    timeout: Duration = Duration(60)
    """How long it may take."""
    purpose: Prose | None = None
    """What it is for, as people are told."""

    def findings(self) -> Iterator[ModelMistake]:
        yield from _longer(self.timeout, MOST_ACTION_SECONDS, ("timeout",))


class Timings(Model):
    """How patient a deploy is."""

    start: Duration = Duration(180)
    """How long the probes may take to hold from the start."""
    steady: Duration = Duration(15)
    """How long they must hold: while it serves, where the release ran before or was rehearsed; else before traffic."""
    stop: Duration = Duration(30)
    """How long a stop may take before the kill."""

    def findings(self) -> Iterator[ModelMistake]:
        yield from _longer(self.start, MOST_START_SECONDS, ("start",))
        yield from _longer(self.steady, MOST_STEADY_SECONDS, ("steady",))
        yield from _longer(self.stop, MOST_STOP_SECONDS, ("stop",))


class TemplateFile(Model):
    """A file of the release that is rendered from a template of the app."""

    template: FilePath
    """The template, in the app's own folder below templates/compose/."""
    path: FilePath
    """What the file is called beside the tenant's compose.yaml."""


@dataclass(frozen=True)
class Limits:
    """What one service gets of its tenant's tier."""

    memory_mb: int
    cpus: float
    pids: int


class App(Model):
    """Everything that Launchpad knows about an app."""

    name: AppName
    summary: Prose | None = None
    """What it is, in a line."""
    template: FilePath
    """The folder below templates/compose/ that has compose.yaml.j2 and the files' templates."""
    strategy: Literal["swap", "beside"]
    """swap: one writer, the old one stops before the new one starts; beside: two may run at once."""
    services: Annotated[Mapping[ServiceName, AppService], Field(min_length=1, max_length=MOST_SERVICES)]
    """Its containers, by name; a service's place gives its address."""
    web: Web | None = None
    """What answers visitors; left out when nothing does."""
    volumes: Annotated[tuple[VolumeName, ...], Field(max_length=MOST_VOLUMES)] = ()
    """What is kept of it: the names of its volumes, which templates mount."""
    secrets: Annotated[tuple[SecretSpec, ...], Field(max_length=MOST_SECRETS)] = ()
    """The secrets that it takes."""
    variables: Mapping[VariableName, Variable] = {}
    """What a tenant may set, beside secrets."""
    egress: Literal["open", "none"] = "open"
    """open: its containers reach the Internet, and nothing private; none: nothing at all."""
    egress_ports: tuple[Literal[465, 587], ...] = ()
    """Ports of mail servers that its containers may reach: 465, 587 or both. Port 25 is closed to every app."""
    probes: Annotated[tuple[AppProbe, ...], Field(max_length=MOST_PROBES)] = (AppProbe(kind="process"),)
    """How its health is told."""
    actions: Annotated[tuple[AppAction, ...], Field(max_length=MOST_ACTIONS)] = ()
    """What it offers to do inside its own container."""
    may_shrink: tuple[TableName, ...] = ()
    """Tables of its SQLite databases that may lose rows in an upgrade, such as caches; shell patterns. Any other that
    does fails the rehearsal."""
    timings: Timings = Timings()
    files: tuple[TemplateFile, ...] = ()
    """Files of the release beside compose.yaml."""
    imports: Imports | None = None
    """How a self-hosted one becomes a tenant; without it nothing can be imported."""
    exports: Exports | None = None
    """What an archive looks like that a plain install starts on; without it nothing can be exported."""
    versions: Annotated[tuple[AppVersion, ...], Field(min_length=1)]
    """Newest last."""

    def version(self, name: str) -> AppVersion:
        """The version of that name; InventoryError with what there is when there is none."""
        for version in self.versions:
            if version.version == name:
                return version
        known = ", ".join(version.version for version in self.versions)
        hint = f"launchpad versions {self.name}"
        raise InventoryError(f"{self.name} has no version {name}; expected one of {known}", hint=hint)

    def images(self, version: str) -> dict[ServiceName, ImageReference]:
        """Each service's image, pinned by digest; InventoryError saying where to write the ones that are missing."""
        images = self.version(version).images
        found: dict[ServiceName, ImageReference] = {}
        for name, service in self.services.items():
            key = service.image or ImageName(name)
            image = images.get(key)
            if image is None or not image.pinned:
                raise InventoryError(
                    f"no digest for image {key} of {self.name} {version}", hint=self._how_to_pin(image, version)
                )
            found[name] = image
        return found

    def pinned(self, version: str) -> bool:
        """Whether every image of the version has a digest, so that it can be deployed."""
        images = self.version(version).images
        names = (service.image or ImageName(name) for name, service in self.services.items())
        return all((image := images.get(name)) is not None and image.pinned for name in names)

    def _how_to_pin(self, image: ImageReference | None, version: str) -> str:
        if image is None:
            return f"write registry/repository:tag into inventory/apps/{self.name}.yaml"
        if image.is_example:
            return f"write your own registry into inventory/apps/{self.name}.yaml"
        return f"launchpad app pin {self.name}:{version}"

    def limits(self, tier: Tier) -> dict[ServiceName, Limits]:
        """How the tier is split: each service's share, rounded down, never below the least that Docker takes."""
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
                ("egress_ports",), "egress is none, so no port is reached", "leave it out, or egress: open"
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
                    "at most 1 together, and some for each",
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
