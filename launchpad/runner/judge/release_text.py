"""Judge the text of compose.yaml and site.caddy before Compose and Caddy read it.

Both programs read other files while they resolve, as root, before a resolved form exists to be judged. Therefore
compose.yaml is sent as JSON, which is also YAML and which the standard library reads; and every line of a site must
begin with a known word.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from launchpad.runner.judge import release_names
from launchpad.runner.judge.closed import NOT_LISTED, fields, string
from launchpad.runner.protocol import Refused, Release

COMPOSE_KEYS = frozenset({"name", "networks", "services"})
SERVICE_KEYS = frozenset(
    {
        "cap_drop",
        "command",
        "cpus",
        "depends_on",
        "entrypoint",
        "environment",
        "hostname",
        "healthcheck",
        "image",
        "init",
        "labels",
        "logging",
        "mem_limit",
        "memswap_limit",
        "networks",
        "pids_limit",
        "read_only",
        "restart",
        "security_opt",
        "shm_size",
        "stop_grace_period",
        "stop_signal",
        "tmpfs",
        "user",
        "volumes",
        "working_dir",
    }
)

_DOLLAR = re.compile(r"\$(?:\$|\{[A-Z0-9_]+\})?")
_DEEPEST = 12

SITE_WORDS = frozenset(
    {
        *("}", "body", "dial_timeout", "encode", "error", "fail_duration", "flush_interval", "format", "handle"),
        *("handle_errors", "header", "header_down", "header_up", "health_fails", "health_headers", "health_interval"),
        *("health_passes", "health_status", "health_timeout", "health_uri", "keepalive", "lb_policy", "lb_retries"),
        *("lb_try_duration", "lb_try_interval", "level", "log", "max_fails", "max_size", "minimum_length", "output"),
        *("read_timeout", "redir", "request_body", "request_header", "respond", "response_header_timeout"),
        *("reverse_proxy", "route", "stream_close_delay", "stream_timeout", "to", "transport", "unhealthy_status"),
        *("wrap", "write_timeout"),
    }
)
_SITE_FIELD = re.compile(
    r"[-+>?]{0,2}[A-Z][A-Za-z0-9-]*|(?:request|resp_headers)(?:>[A-Za-z0-9_-]+)*|@[a-z][a-z0-9_-]*"
)
"""A header's name, a field of the access log, or a named matcher."""

_SEVERAL_LINES = ("`", "\\", "<<", "{$")
"""Characters that begin a token over several lines, or read the environment."""


def judge_compose_text(text: str, release: Release) -> None:
    """Refuse a compose.yaml that is not plain JSON, has an unknown key, or reads files or the environment."""
    try:
        document = json.loads(text, object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as error:
        raise Refused(f"compose.yaml: must be JSON: {error}", code="compose-not-json") from error
    _judge_strings(document, "compose.yaml", release)
    compose = fields(document, "compose.yaml", known=COMPOSE_KEYS)
    project = f"lp-{release.tenant}-${{LAUNCHPAD_SIDE}}"
    if compose.get("name", project) != project:  # the runner sets the name, so Compose would not report another
        raise Refused(f"compose.yaml.name: must be {project}", code="compose-name")
    services = compose.get("services")
    if not isinstance(services, dict):
        raise Refused("compose.yaml.services: expected an object", code="wrong-type")
    for name, service in sorted(services.items()):
        fields(service, f"compose.yaml.services.{name}", known=SERVICE_KEYS)
        _judge_environment(service.get("environment", {}), f"compose.yaml.services.{name}.environment")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise Refused("compose.yaml: an object has the same key twice", code="compose-key-twice")
    return value


def _judge_environment(value: object, where: str) -> None:
    if not isinstance(value, dict):
        raise Refused(f"{where}: expected an object", code="wrong-type")
    for name, item in value.items():
        string(item, f"{where}.{name}")  # Compose would fill an empty value from the runner's own environment


def _judge_strings(value: object, where: str, release: Release, *, depth: int = 0) -> None:
    """Only the variables that the runner sets are allowed, in values and in keys."""
    if depth > _DEEPEST:
        raise Refused(f"{where}: is nested too deeply", code="nested-too-deeply")
    if isinstance(value, dict):
        for key, item in value.items():
            _judge_variables(key, where, release)
            _judge_strings(item, f"{where}.{key}", release, depth=depth + 1)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _judge_strings(item, f"{where}[{index}]", release, depth=depth + 1)
    elif isinstance(value, str):
        _judge_variables(value, where, release)


def _judge_variables(text: str, where: str, release: Release) -> None:
    if "$" not in text:
        return
    known = {"$$", *(f"${{{name}}}" for name in variables(release))}
    for variable in _DOLLAR.findall(text):
        if variable not in known:
            raise Refused(
                f"{where}: the variable {variable} is not allowed in a release; write $$ for a plain dollar sign",
                code="compose-variable",
            )


def variables(release: Release) -> tuple[str, ...]:
    """The names of the variables that the runner sets when it calls Compose: values that only the host knows."""
    services = (f"LAUNCHPAD_ADDRESS_{service.name.upper().replace('-', '_')}" for service in release.services)
    return ("LAUNCHPAD_RELEASE", "LAUNCHPAD_SECRETS", "LAUNCHPAD_SIDE", *services)


def judge_site_text(text: str, release: Release) -> None:
    """Refuse a site.caddy with a line that begins with an unknown word, or that reads a file or the environment."""
    judge_lines(
        text,
        "site.caddy",
        known=lambda word: word in SITE_WORDS or _SITE_FIELD.fullmatch(word) is not None or _is_address(word, release),
    )


def judge_lines(text: str, where: str, *, known: Callable[[str], bool]) -> None:
    """Refuse a Caddyfile where a line does not begin with a known word, or a token does not end on its line.

    Caddy treats `import` as the directive, and reads the file, only as the first word of a line. So a closed list of
    first words is safe as long as no token can run over several lines.
    """
    for active in _SEVERAL_LINES:
        if active in text:
            raise Refused(f"{where}: {active!r} {NOT_LISTED}", code="caddy-token-not-allowed")
    for number, line in enumerate(text.split("\n"), start=1):
        place = f"{where}:{number}"
        if any(character < " " and character != "\t" for character in line):
            raise Refused(f"{place}: has a control character", code="control-character")
        if line.lstrip().startswith("#") or not line.strip():
            continue
        if line.count('"') % 2:
            raise Refused(f"{place}: a quotation must end on the line where it starts", code="quotation-over-lines")
        if not known(line.split()[0]):
            raise Refused(f"{place}: {line.split()[0]!r} {NOT_LISTED}", code="caddy-directive-not-allowed")


def _is_address(word: str, release: Release) -> bool:
    bare = word.rstrip(",").strip('"').removeprefix("https://")
    return release_names.DOMAIN.fullmatch(bare) is not None and bare in release.domains
