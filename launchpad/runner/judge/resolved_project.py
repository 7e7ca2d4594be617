"""Judge a release's Compose project as Compose resolves it: only known keys, and every value as in the manifest."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from launchpad.runner import paths, slots
from launchpad.runner.judge import release_names
from launchpad.runner.judge.closed import between, entries, fields, matches, one_of, same, seconds, string, words
from launchpad.runner.judge.release_text import COMPOSE_KEYS, SERVICE_KEYS
from launchpad.runner.protocol import Refused, Release, Service

MEGABYTE = 1 << 20
SECRETS_TARGET = "/run/secrets"

_LOG_SIZE = re.compile(r"[1-9][0-9]{0,4}[km]")
_LOG_FILES = re.compile(r"[1-9]|1[0-9]|20")
_SIGNAL = re.compile(r"SIG[A-Z0-9]{2,10}")
_TMPFS = re.compile(r"(?P<target>/[^:,]+):(?P<options>[a-z0-9=,]+)")
_TMPFS_OPTION = re.compile(r"size=[1-9][0-9]{0,6}[km]|mode=[01]?[0-7]{3}|uid=[0-9]{1,6}|gid=[0-9]{1,6}")
_TMPFS_REQUIRED = frozenset({"noexec", "nosuid", "nodev"})
_FOLDER = re.compile(r"/|(?:/[A-Za-z0-9_.-]+)+/?")
_KERNEL_FOLDERS = ("/proc", "/sys", "/dev")


@dataclass(frozen=True, kw_only=True)
class _Context:
    """What the services of this release are judged against."""

    release: Release
    side: slots.Side | slots.Clone
    service: Service
    index: int


def judge_compose(resolved: Mapping[str, Any], release: Release, *, side: slots.Side | slots.Clone) -> None:
    """Refuse a resolved Compose project that is not exactly this release on this side, or in its clone.

    `resolved` is the JSON of `docker compose config --format json`, run with the release's own folder
    (`paths.release`) as its project directory.
    """
    project = fields(dict(resolved), "compose", known=COMPOSE_KEYS)
    same(project.get("name"), f"lp-{release.tenant}-{side}", "compose.name")
    _judge_networks(project.get("networks"), release)
    services = fields(project.get("services"), "compose.services", known=[item.name for item in release.services])
    for index, service in enumerate(release.services):
        if service.name not in services:
            raise Refused(f"compose.services.{service.name}: is missing", code="compose-services-missing")
        context = _Context(release=release, side=side, service=service, index=index)
        _judge_service(services[service.name], f"compose.services.{service.name}", context)


def _judge_networks(value: object, release: Release) -> None:
    """Only the tenant's own network, which the runner creates."""
    network = fields(value, "compose.networks", known=("default",)).get("default")
    network = fields(network, "compose.networks.default", known=("name", "external", "ipam"))
    same(network.get("name"), f"lp-{release.tenant}", "compose.networks.default.name")
    same(network.get("external"), True, "compose.networks.default.external")
    same(network.get("ipam", {}), {}, "compose.networks.default.ipam")


def _judge_service(value: object, where: str, context: _Context) -> None:
    service = fields(value, where, known=SERVICE_KEYS)
    for key, expected in _exactly(context).items():
        if key not in service:
            raise Refused(f"{where}.{key}: is missing", code="service-key-missing")
        same(service[key], expected, f"{where}.{key}")
    between(service.get("cpus"), f"{where}.cpus", least=context.service.cpus, most=context.service.cpus)
    if seconds(service.get("stop_grace_period"), f"{where}.stop_grace_period") != context.release.stop_seconds:
        raise Refused(f"{where}.stop_grace_period: must be {context.release.stop_seconds}s", code="stop-grace-period")
    _judge_logging(service.get("logging"), f"{where}.logging")
    _judge_memory(service.get("shm_size", "0"), f"{where}.shm_size", context)
    _judge_environment(service.get("environment") or {}, f"{where}.environment", context)
    _judge_program(service, where)
    _judge_depends_on(service.get("depends_on", {}), f"{where}.depends_on", context)
    if "hostname" in service:
        same(service["hostname"], context.release.tenant, f"{where}.hostname")
    if "healthcheck" in service:
        _judge_healthcheck(service["healthcheck"], f"{where}.healthcheck")
    _judge_tmpfs(service.get("tmpfs", []), f"{where}.tmpfs")
    for path, mount in entries(service.get("volumes", []), f"{where}.volumes"):
        _judge_mount(mount, path, context.release)
    _judge_targets(service, where)


def _exactly(context: _Context) -> dict[str, object]:
    """The values that a service must have exactly."""
    release, service = context.release, context.service
    uid = slots.inner_uid(release.slot)
    address = slots.address(release.slot, context.index, context.side)
    return {
        "image": service.image,
        "user": f"{uid}:{uid}",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "mem_limit": str(service.memory_mb * MEGABYTE),
        "memswap_limit": str(service.memory_mb * MEGABYTE),
        "pids_limit": service.pids,
        "restart": "no",
        "labels": {
            "launchpad.tenant": release.tenant,
            "launchpad.release": release.short,
            "launchpad.side": context.side,
        },
        "networks": {"default": {"ipv4_address": str(address)}},
    }


def _judge_memory(value: object, where: str, context: _Context) -> None:
    text = string(value, where)
    if not text.isdecimal() or int(text) > context.service.memory_mb * MEGABYTE:
        raise Refused(f"{where}: must be a number of bytes within the service's memory", code="shm-size")


def _judge_logging(value: object, where: str) -> None:
    """Only Docker's own rotated files; other drivers write elsewhere."""
    logging = fields(value, where, known=("driver", "options"))
    same(logging.get("driver"), "local", f"{where}.driver")
    options = fields(logging.get("options"), f"{where}.options", known=("max-size", "max-file"))
    matches(options.get("max-size"), _LOG_SIZE, f"{where}.options.max-size")
    matches(options.get("max-file"), _LOG_FILES, f"{where}.options.max-file")


def _judge_environment(value: object, where: str, context: _Context) -> None:
    if not isinstance(value, dict):
        raise Refused(f"{where}: expected an object", code="wrong-type")
    for name, item in value.items():
        matches(name, release_names.ENVIRONMENT, where)
        string(item, f"{where}.{name}")
        if name in context.release.secrets:
            raise Refused(
                f"{where}.{name}: is a secret; the container gets it as the file {SECRETS_TARGET}/{name}",
                code="secret-in-environment",
            )


def _judge_program(service: Mapping[str, Any], where: str) -> None:
    """Command, working folder, user and stop signal: the app may choose them, in the right shape."""
    for key in ("command", "entrypoint"):
        if service.get(key) is not None:
            words(service[key], f"{where}.{key}")
    if not isinstance(service.get("init", True), bool):
        raise Refused(f"{where}.init: expected true or false", code="wrong-type")
    matches(service.get("working_dir", "/"), _FOLDER, f"{where}.working_dir")
    matches(service.get("stop_signal", "SIGTERM"), _SIGNAL, f"{where}.stop_signal")


def _judge_depends_on(value: object, where: str, context: _Context) -> None:
    others = [item.name for item in context.release.services if item is not context.service]
    for name, item in fields(value, where, known=others).items():
        dependency = fields(item, f"{where}.{name}", known=("condition", "required", "restart"))
        one_of(dependency.get("condition"), ("service_started", "service_healthy"), f"{where}.{name}.condition")
        same(dependency.get("required", True), True, f"{where}.{name}.required")
        same(dependency.get("restart", False), False, f"{where}.{name}.restart")


def _judge_healthcheck(value: object, where: str) -> None:
    durations = ("interval", "timeout", "start_period", "start_interval")
    healthcheck = fields(value, where, known=("test", "retries", *durations))
    test = words(healthcheck.get("test"), f"{where}.test")
    one_of(test[0] if test else None, ("CMD", "CMD-SHELL", "NONE"), f"{where}.test[0]")
    between(healthcheck.get("retries", 1), f"{where}.retries", least=1, most=100)
    for key in durations:
        between(seconds(healthcheck.get(key, "1s"), f"{where}.{key}"), f"{where}.{key}", least=1, most=3600)


def _judge_tmpfs(value: object, where: str) -> None:
    """A tmpfs has a size limit, and nothing in it may be executed or gain rights."""
    for path, item in entries(value, where):
        found = _TMPFS.fullmatch(string(item, path))
        if not found:
            raise Refused(f"{path}: {item!r} must be TARGET:size=…m,noexec,nosuid,nodev", code="tmpfs-form")
        options = set(found["options"].split(","))
        if not options.issuperset(_TMPFS_REQUIRED) or not any(option.startswith("size=") for option in options):
            raise Refused(f"{path}: needs size=, noexec, nosuid and nodev", code="tmpfs-options")
        for option in sorted(options - _TMPFS_REQUIRED):
            matches(option, _TMPFS_OPTION, path)


def _judge_mount(value: object, where: str, release: Release) -> None:
    """Only a bind mount of the tenant's own data, of a file of this release, or of its secrets."""
    mount = fields(value, where, known=("type", "source", "target", "read_only", "bind"))
    same(mount.get("type"), "bind", f"{where}.type")
    bind = fields(mount.get("bind", {}), f"{where}.bind", known=("propagation", "create_host_path"))
    same(bind.get("propagation", "rprivate"), "rprivate", f"{where}.bind.propagation")
    same(bind.get("create_host_path", False), False, f"{where}.bind.create_host_path")
    source = string(mount.get("source"), f"{where}.source")
    string(mount.get("target"), f"{where}.target")
    if not isinstance(mount.get("read_only", False), bool):
        raise Refused(f"{where}.read_only: expected true or false", code="wrong-type")
    if source in {f"{paths.data(release.tenant)}/{volume}" for volume in release.volumes}:
        return
    same(mount.get("read_only"), True, f"{where}.read_only")
    if source == paths.secrets(release.tenant, release.short):
        same(mount.get("target"), SECRETS_TARGET, f"{where}.target")
        return
    folder = paths.release(release.tenant, release.short) + "/"
    if not any(f"{folder}{path}/".startswith(f"{source}/") for path in release.files) or not source.startswith(folder):
        raise Refused(
            f"{where}.source: {source!r} is not a volume, a file or the secrets of this release", code="mount-source"
        )


def _judge_targets(service: Mapping[str, Any], where: str) -> None:
    """No two mounts on the same target, none on the kernel's folders, and only secrets in the secrets' folder."""
    mounts = [(mount["target"], mount["source"]) for mount in service.get("volumes", [])]
    mounts += [(item.split(":", 1)[0], "tmpfs") for item in service.get("tmpfs", [])]
    seen: set[str] = set()
    for target, source in mounts:
        matches(target, release_names.MOUNT_TARGET, f"{where} mounts")
        if ".." in target.split("/") or "." in target.split("/"):
            raise Refused(f"{where} mounts {target!r}, which is not a plain path", code="mount-not-plain")
        if any(f"{target}/".startswith(f"{folder}/") for folder in _KERNEL_FOLDERS):
            raise Refused(
                f"{where} mounts {target!r}, which is reserved for the kernel", code="mount-reserved-for-kernel"
            )
        if f"{target}/".startswith(f"{SECRETS_TARGET}/") and not source.startswith(f"{paths.RUN}/"):
            raise Refused(
                f"{where} mounts {target!r}, which is reserved for secrets", code="mount-reserved-for-secrets"
            )
        if target in seen:
            raise Refused(f"{where} mounts {target!r} twice", code="mount-twice")
        seen.add(target)
