"""Judge a release's manifest and files before any program reads them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from launchpad.runner import slots
from launchpad.runner.hint import HERE, Next
from launchpad.runner.judge import release_names, release_text
from launchpad.runner.judge.closed import between, matches
from launchpad.runner.limits import (
    MOST_ACTION_SECONDS,
    MOST_ACTIONS,
    MOST_ALL_BYTES,
    MOST_ARGUMENT_CHARACTERS,
    MOST_ARGUMENTS,
    MOST_DOMAINS,
    MOST_FILE_BYTES,
    MOST_FILES,
    MOST_PROBES,
    MOST_SECRETS,
    MOST_START_SECONDS,
    MOST_STEADY_SECONDS,
    MOST_STOP_SECONDS,
    MOST_VOLUMES,
)
from launchpad.runner.protocol import EGRESS_PORTS, Action, Probe, Refused, Release, digest_of

_ALSO_READ = re.compile(r"(?:docker-)?compose(?:\.override)?\.ya?ml|release\.json")
"""File names that Compose or the runner uses itself."""

_PLACEHOLDER = re.compile(r"\{([0-9]+)\}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """What another tenant of this host owns."""

    slot: int
    domains: tuple[str, ...]
    awaited: bool = False
    """Whether only the tenant's site is here, for example after an interrupted move."""


def judge_release(release: Release, files: Mapping[str, str], *, neighbours: Mapping[str, Neighbour]) -> None:
    """Refuse a release with a forbidden value, with something of a neighbour, or with other files than it lists.

    `neighbours` maps every tenant of the host (including this one, if it exists) to what it owns.
    """
    _judge_identity(release)
    _judge_neighbours(release, neighbours)
    _judge_services(release)
    _judge_web(release)
    _judge_data(release)
    _judge_egress(release)
    for index, probe in enumerate(release.probes):
        _judge_probe(probe, release, f"release.probes[{index}]")
    _judge_actions(release)
    _judge_timings(release)
    _judge_files(release, files)
    release_text.judge_compose_text(files["compose.yaml"], release)
    if release.web:
        release_text.judge_site_text(files["site.caddy"], release)


def _judge_identity(release: Release) -> None:
    if release.format != 1:
        raise Refused(
            "release.format: only format 1 is supported",
            code="release-format",
            kind="protocol",
            hint=Next("provision", HERE),
        )
    if not slots.is_tenant_name(release.tenant):
        raise Refused(f"release.tenant: {release.tenant!r} is not a tenant's name", code="release-tenant")
    if not slots.FIRST_SLOT <= release.slot <= slots.LAST_SLOT:
        raise Refused(
            f"release.slot: must be from {slots.FIRST_SLOT} to {slots.LAST_SLOT}, not {release.slot}",
            code="release-slot",
        )
    if not 0 <= release.epoch < slots.LATEST_EPOCH:
        raise Refused(
            f"release.epoch: must be from 0 to {slots.LATEST_EPOCH - 1}, not {release.epoch}", code="release-epoch"
        )
    if not release_names.is_part(release.app):
        raise Refused(f"release.app: {release.app!r} is not an app's name", code="release-app")
    matches(release.version, release_names.VERSION, "release.version")


def _judge_neighbours(release: Release, neighbours: Mapping[str, Neighbour]) -> None:
    for tenant, neighbour in sorted(neighbours.items()):
        if tenant == release.tenant and neighbour.slot != release.slot:
            raise Refused(
                f"release.slot: {tenant} has slot {neighbour.slot} on this host; a slot never changes",
                code="slot-changed",
                kind="state",
                hint=f"put `slot: {neighbour.slot}` back into the tenant's file",
            )
        if tenant != release.tenant and neighbour.slot == release.slot:
            message = f"release.slot: {release.slot} belongs to {tenant} on this host"
            hint = f"git pull; if {tenant} is not in the inventory: " + Next(
                "retire", tenant, "--host", HERE, "--purge"
            )
            raise Refused(message, code="slot-taken", kind="state", hint=_let_go(tenant, neighbour) or hint)
        taken = set(release.domains) & set(neighbour.domains)
        if tenant != release.tenant and taken:
            message = f"release.domains: {min(taken)} belongs to {tenant} on this host"
            raise Refused(message, code="domain-taken", kind="state", hint=_let_go(tenant, neighbour))


def _let_go(tenant: str, neighbour: Neighbour) -> str:
    hint = (
        f"the move of {tenant} to this host is unfinished: " + Next("retire", tenant, "--host", HERE) + " ends the move"
    )
    return hint if neighbour.awaited else ""


def _judge_services(release: Release) -> None:
    if not 1 <= len(release.services) <= slots.MOST_SERVICES:
        raise Refused(
            f"release.services: must be from 1 to {slots.MOST_SERVICES}, not {len(release.services)}",
            code="release-services",
        )
    _judge_parts((service.name for service in release.services), "release.services")
    for service in release.services:
        where = f"release.services.{service.name}"
        matches(service.image, release_names.IMAGE, f"{where}.image")
        between(service.memory_mb, f"{where}.memory_mb", least=6, most=1 << 30)
        between(service.cpus, f"{where}.cpus", least=0.01, most=1024)
        between(service.pids, f"{where}.pids", least=8, most=32768)


def _judge_egress(release: Release) -> None:
    if not set(release.egress_ports) <= set(EGRESS_PORTS):
        raise Refused(
            f"release.egress_ports: only {' and '.join(map(str, EGRESS_PORTS))} can be opened", code="egress-port"
        )
    if release.egress_ports and release.egress == "none":
        raise Refused("release.egress_ports: an app without egress reaches no port", code="egress-port-without-egress")


def _judge_parts(parts: Iterable[str], where: str) -> None:
    seen: set[str] = set()
    for part in parts:
        if not release_names.is_part(part):
            raise Refused(f"{where}: {part!r} is not a name of a-z, 0-9 and inner hyphens", code="name-form")
        if part in seen:
            raise Refused(f"{where}: {part!r} is listed twice", code="name-listed-twice")
        seen.add(part)


def _judge_web(release: Release) -> None:
    if bool(release.web) != bool(release.domains):
        raise Refused(
            "release.domains: required with a web service, not allowed without one", code="domains-without-web"
        )
    if len(release.domains) > MOST_DOMAINS:
        raise Refused(f"release.domains: at most {MOST_DOMAINS}", code="release-domains-most")
    for domain in release.domains:
        matches(domain, release_names.DOMAIN, "release.domains")
    if len(set(release.domains)) != len(release.domains):
        raise Refused("release.domains: a domain is listed twice", code="domain-twice")
    if not release.web:
        return
    service, _, port = release.web.partition(":")
    if service not in {item.name for item in release.services}:
        raise Refused(f"release.web: {service!r} is not a service of this release", code="release-web-service")
    if not re.fullmatch(r"[1-9][0-9]{0,4}", port) or int(port) > 65535:
        raise Refused(f"release.web: {port!r} is not a port", code="release-web-port")


def _judge_data(release: Release) -> None:
    if len(release.volumes) > MOST_VOLUMES:
        raise Refused(f"release.volumes: at most {MOST_VOLUMES}", code="release-volumes-most")
    _judge_parts(release.volumes, "release.volumes")
    between(release.disk_mb, "release.disk_mb", least=1, most=1 << 30)
    if len(release.secrets) > MOST_SECRETS:
        raise Refused(f"release.secrets: at most {MOST_SECRETS}", code="release-secrets-most")
    for name, version in release.secrets.items():
        matches(name, release_names.SECRET, "release.secrets")
        between(version, f"release.secrets.{name}", least=1, most=10**9)
    if unknown := set(release.real_in_rehearsals) - set(release.secrets):
        raise Refused(
            f"release.real_in_rehearsals: {min(unknown)[:64]!r} is not a secret of this release",
            code="rehearsal-secret-unknown",
        )


def _judge_probe(probe: Probe, release: Release, where: str) -> None:
    if len(release.probes) > MOST_PROBES:
        raise Refused(f"release.probes: at most {MOST_PROBES}", code="release-probes-most")
    if probe.kind == "process" and (probe.service or probe.port or probe.path):
        raise Refused(
            f"{where}: a process probe covers every container and must not name an address", code="process-probe"
        )
    if probe.kind == "process":
        return
    if probe.service not in {service.name for service in release.services}:
        raise Refused(f"{where}.service: {probe.service!r} is not a service of this release", code="service-unknown")
    between(probe.port, f"{where}.port", least=1, most=65535)
    between(probe.expect, f"{where}.expect", least=100, most=599)
    matches(probe.path, release_names.URL_PATH, f"{where}.path")


def _judge_actions(release: Release) -> None:
    if len(release.actions) > MOST_ACTIONS:
        raise Refused(f"release.actions: at most {MOST_ACTIONS}", code="release-actions-most")
    _judge_parts((action.name for action in release.actions), "release.actions")
    for action in release.actions:
        _judge_action(action, release, f"release.actions.{action.name}")


def _judge_action(action: Action, release: Release, where: str) -> None:
    if action.service not in {service.name for service in release.services}:
        raise Refused(f"{where}.service: {action.service!r} is not a service of this release", code="service-unknown")
    size = sum(map(len, action.argv))
    if not 1 <= len(action.argv) <= MOST_ARGUMENTS or size > MOST_ARGUMENT_CHARACTERS:
        most = f"1 to {MOST_ARGUMENTS} words, together at most {MOST_ARGUMENT_CHARACTERS} characters"
        raise Refused(f"{where}.argv: must be from {most}", code="action-argv")
    if any(_CONTROL.search(word) for word in action.argv):
        raise Refused(f"{where}.argv: has a control character", code="action-control-character")
    if action.argv[0].startswith("-") or not action.argv[0] or _PLACEHOLDER.search(action.argv[0]):
        raise Refused(
            f"{where}.argv: the program must be named by the app, not by an option or an argument",
            code="action-program",
        )
    numbers = {int(number) for word in action.argv for number in _PLACEHOLDER.findall(word)}
    if numbers != set(range(len(numbers))) or len(numbers) > 8:
        raise Refused(
            f"{where}.argv: placeholders must be numbered {{0}}, {{1}} … without a gap, at most 8",
            code="action-placeholders",
        )
    between(action.timeout_seconds, f"{where}.timeout_seconds", least=1, most=MOST_ACTION_SECONDS)


def _judge_timings(release: Release) -> None:
    between(release.start_seconds, "release.start_seconds", least=1, most=MOST_START_SECONDS)
    between(release.steady_seconds, "release.steady_seconds", least=0, most=MOST_STEADY_SECONDS)
    between(release.stop_seconds, "release.stop_seconds", least=1, most=MOST_STOP_SECONDS)


def _judge_files(release: Release, files: Mapping[str, str]) -> None:
    if set(files) != set(release.files):
        raise Refused(
            f"release.files: {min(set(files) ^ set(release.files))!r} is either not listed or not sent",
            code="files-not-listed",
        )
    if len(files) > MOST_FILES:
        raise Refused(f"release.files: at most {MOST_FILES}", code="release-files-most")
    if "compose.yaml" not in files:
        raise Refused("release.files: compose.yaml is missing", code="compose-missing")
    if ("site.caddy" in files) != bool(release.web):
        raise Refused(
            "release.files: site.caddy is required with a web service and not allowed without one", code="site-missing"
        )
    total = 0
    for path, content in sorted(files.items()):
        _judge_path(path, files)
        size = _judge_content(content, release.files[path], f"release.files.{path}")
        total += size
    if total > MOST_ALL_BYTES:
        raise Refused(f"release.files: together at most {MOST_ALL_BYTES} bytes", code="files-too-large")


def _judge_path(path: str, files: Mapping[str, str]) -> None:
    matches(path, release_names.FILE, "release.files")
    if path != "compose.yaml" and _ALSO_READ.fullmatch(path):
        raise Refused(
            f"release.files: {path!r} is a name that Compose or the runner uses itself", code="file-name-reserved"
        )
    if any(other.startswith(f"{path}/") for other in files):
        raise Refused(f"release.files: {path!r} is both a file and a folder", code="file-and-folder")


def _judge_content(content: str, digest: str, where: str) -> int:
    """The size in bytes of a file; Refused when its content does not match the manifest's digest."""
    try:
        data = content.encode()
    except UnicodeEncodeError as error:
        raise Refused(f"{where}: is not Unicode text", code="not-unicode-text") from error
    if len(data) > MOST_FILE_BYTES:
        raise Refused(f"{where}: at most {MOST_FILE_BYTES} bytes", code="file-too-large")
    if digest_of(data) != digest:
        raise Refused(f"{where}: the content does not match its digest", code="file-digest")
    return len(data)
