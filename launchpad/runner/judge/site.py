"""Judge a site as Caddy resolves it: only the tenant's names and addresses, and handlers that read nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from launchpad.runner import slots
from launchpad.runner.judge.closed import (
    NOT_LISTED,
    between,
    entries,
    fields,
    matches,
    one_of,
    same,
    string,
    words,
)
from launchpad.runner.protocol import Refused, Release

_LISTEN = frozenset({":443", ":80"})
_NANOSECONDS = 10**9
_LONGEST = 7 * 86400 * _NANOSECONDS
_POLICIES = ("first", "round_robin", "least_conn", "random", "ip_hash", "client_ip_hash", "uri_hash")
_LOGGER = re.compile(r"log[0-9]{1,4}")
_ERROR_EXPRESSION = re.compile(r"\{http\.error\.status_code\} in \[[1-5][0-9]{2}(?:, [1-5][0-9]{2})*\]")
_PLACEHOLDERS = re.compile(r"\{http\.(?:error\.status_code|request\.(?:host|uri|method|remote\.host|scheme))\}")
_NOT_KEPT = {"enabled": False}
"""An idle connection that Caddy keeps would bypass the gate of a drained side."""
_ACTIVE_CHECK = ("uri", "interval", "timeout", "expect_status", "passes", "fails", "headers")
_PASSIVE_CHECK = ("fail_duration", "max_fails", "unhealthy_status", "unhealthy_latency")


def judge_site(adapted: Mapping[str, Any], release: Release) -> None:
    """Refuse a site that serves another tenant's name, dials another address, or reads anything of the host.

    `adapted` is the JSON of `caddy adapt` of the release's site.caddy alone.
    """
    _judge_strings(adapted, "site")
    site = fields(dict(adapted), "site", known=("apps", "logging"))
    _judge_logging(site.get("logging", {}), "site.logging")
    apps = fields(site.get("apps"), "site.apps", known=("http",))
    http = fields(apps.get("http"), "site.apps.http", known=("servers",))
    servers = http.get("servers")
    if not isinstance(servers, dict) or not servers:
        raise Refused("site.apps.http.servers: expected an object with a server", code="wrong-type")
    for name, server in sorted(servers.items()):
        _judge_server(server, f"site.apps.http.servers.{name}", release)


def _judge_strings(value: object, where: str) -> None:
    """Only a few placeholders about the request itself, in keys and in values."""
    if isinstance(value, dict):
        for key, item in value.items():
            _judge_strings(key, where)
            _judge_strings(item, f"{where}.{key}")
    elif isinstance(value, list):
        for path, item in entries(value, where):
            _judge_strings(item, path)
    elif isinstance(value, str) and "{" in _PLACEHOLDERS.sub("", value):
        raise Refused(f"{where}: {value!r} has a placeholder that {NOT_LISTED}", code="site-placeholder")


def _judge_server(value: object, where: str, release: Release) -> None:
    server = fields(value, where, known=("listen", "routes", "errors", "logs"))
    for path, item in entries(server.get("listen"), f"{where}.listen"):
        one_of(item, _LISTEN, path)
    _judge_hosted(server.get("routes"), f"{where}.routes", release)
    errors = fields(server.get("errors", {}), f"{where}.errors", known=("routes",))
    _judge_hosted(errors.get("routes", []), f"{where}.errors.routes", release)
    logs = fields(server.get("logs", {}), f"{where}.logs", known=("logger_names",))
    loggers = fields(logs.get("logger_names", {}), f"{where}.logs.logger_names", known=release.domains)
    for domain, logger in loggers.items():
        for name in words(logger, f"{where}.logs.logger_names.{domain}"):
            matches(name, _LOGGER, f"{where}.logs.logger_names.{domain}")


def _judge_hosted(value: object, where: str, release: Release) -> None:
    """Top-level routes, each only for names of this tenant."""
    for path, item in entries(value, where):
        route = fields(item, path, known=("match", "handle", "terminal"))
        same(route.get("terminal"), True, f"{path}.terminal")
        matchers = entries(route.get("match"), f"{path}.match")
        if not matchers:
            raise Refused(f"{path}.match: is empty, so it would match every host", code="site-match-empty")
        for matcher_path, matcher in matchers:
            if not isinstance(matcher, dict) or not matcher.get("host"):
                raise Refused(
                    f"{matcher_path}.host: is missing, so it would match every host", code="site-host-missing"
                )
            _judge_matcher(matcher, matcher_path, release)
        _judge_handlers(route.get("handle"), f"{path}.handle", release)


def _judge_routes(value: object, where: str, release: Release) -> None:
    """Routes below the tenant's own names."""
    for path, item in entries(value, where):
        route = fields(item, path, known=("match", "handle", "terminal", "group"))
        for matcher_path, matcher in entries(route.get("match", []), f"{path}.match"):
            _judge_matcher(matcher, matcher_path, release)
        _judge_handlers(route.get("handle", []), f"{path}.handle", release)


def _judge_matcher(value: object, where: str, release: Release) -> None:
    matcher = fields(value, where, known=("host", "path", "method", "expression"))
    for path, host in entries(matcher.get("host", []), f"{where}.host"):
        one_of(host, release.domains, path)
    words(matcher.get("path", []), f"{where}.path")
    words(matcher.get("method", []), f"{where}.method")
    if "expression" in matcher:
        matches(matcher["expression"], _ERROR_EXPRESSION, f"{where}.expression")


def _judge_handlers(value: object, where: str, release: Release) -> None:
    for path, item in entries(value, where):
        if not isinstance(item, dict):
            raise Refused(f"{path}: expected an object", code="wrong-type")
        match item.get("handler"):
            case "subroute":
                _judge_routes(fields(item, path, known=("handler", "routes")).get("routes"), f"{path}.routes", release)
            case "reverse_proxy":
                _judge_proxy(item, path, release)
            case "headers":
                _judge_header_changes(fields(item, path, known=("handler", "request", "response")), path)
            case "request_body":
                body = fields(item, path, known=("handler", "max_size"))
                between(body.get("max_size"), f"{path}.max_size", least=1, most=1 << 34)
            case "static_response":
                _judge_response(item, path)
            case "encode":
                _judge_encode(item, path)
            case "error":
                fields(item, path, known=("handler", "error", "status_code"))
            case handler:
                raise Refused(f"{path}.handler: {handler!r} {NOT_LISTED}", code="site-handler")


def _judge_header_changes(value: Mapping[str, Any], where: str) -> None:
    for part in ("request", "response"):
        changes = fields(value.get(part, {}), f"{where}.{part}", known=("set", "add", "delete", "deferred"))
        words(changes.get("delete", []), f"{where}.{part}.delete")
        for change in ("set", "add"):
            _judge_headers(changes.get(change, {}), f"{where}.{part}.{change}")


def _judge_headers(value: object, where: str) -> None:
    if not isinstance(value, dict):
        raise Refused(f"{where}: expected an object", code="wrong-type")
    for name, item in value.items():
        words(item, f"{where}.{name}")


def _judge_response(handler: dict[str, Any], where: str) -> None:
    fields(handler, where, known=("handler", "body", "status_code", "headers", "close"))
    string(handler.get("body", ""), f"{where}.body")
    _judge_header_changes({"response": {"set": handler.get("headers", {})}}, where)


def _judge_encode(handler: dict[str, Any], where: str) -> None:
    fields(handler, where, known=("handler", "encodings", "prefer", "minimum_length"))
    encodings = fields(handler.get("encodings"), f"{where}.encodings", known=("gzip", "zstd"))
    for name, item in encodings.items():
        fields(item, f"{where}.encodings.{name}", known=("level",))
    words(handler.get("prefer", []), f"{where}.prefer")


def _judge_proxy(handler: dict[str, Any], where: str, release: Release) -> None:
    known = (
        *("handler", "upstreams", "headers", "load_balancing", "health_checks", "flush_interval"),
        *("stream_close_delay", "stream_timeout", "transport"),
    )
    fields(handler, where, known=known)
    upstreams = entries(handler.get("upstreams"), f"{where}.upstreams")
    if not upstreams:
        raise Refused(f"{where}.upstreams: is empty", code="site-upstreams")
    for path, upstream in upstreams:
        dial = fields(upstream, path, known=("dial",)).get("dial")
        one_of(dial, web_addresses(release), f"{path}.dial")
    headers = fields(handler.get("headers", {}), f"{where}.headers", known=("request", "response"))
    _judge_header_changes(headers, f"{where}.headers")
    _judge_balancing(handler.get("load_balancing", {}), f"{where}.load_balancing")
    _judge_health(handler.get("health_checks", {}), f"{where}.health_checks")
    _judge_times(handler, where, ("stream_close_delay", "stream_timeout"))
    between(handler.get("flush_interval", 0), f"{where}.flush_interval", least=-1, most=_LONGEST)
    timeouts = ("dial_timeout", "response_header_timeout", "read_timeout", "write_timeout")
    transport = fields(handler.get("transport", {}), f"{where}.transport", known=("protocol", "keep_alive", *timeouts))
    same(transport.get("protocol", "http"), "http", f"{where}.transport.protocol")
    same(transport.get("keep_alive", _NOT_KEPT), _NOT_KEPT, f"{where}.transport.keep_alive")
    _judge_times(transport, f"{where}.transport", timeouts)


def web_addresses(release: Release) -> tuple[str, ...]:
    """The addresses that Caddy may dial for this release: its web service on both sides, as `address:port`."""
    service, _, port = release.web.partition(":")
    index = [item.name for item in release.services].index(service)
    return tuple(f"{slots.address(release.slot, index, side)}:{port}" for side in ("a", "b"))


def _judge_balancing(value: object, where: str) -> None:
    balancing = fields(value, where, known=("selection_policy", "try_duration", "try_interval", "retries"))
    policy = fields(balancing.get("selection_policy", {}), f"{where}.selection_policy", known=("policy",))
    one_of(policy.get("policy", "first"), _POLICIES, f"{where}.selection_policy.policy")
    _judge_times(balancing, where, ("try_duration", "try_interval"))
    between(balancing.get("retries", 0), f"{where}.retries", least=0, most=100)


def _judge_health(value: object, where: str) -> None:
    """Active and passive health checks of the upstreams: no other address, no other port."""
    health = fields(value, where, known=("active", "passive"))
    active = fields(health.get("active", {}), f"{where}.active", known=_ACTIVE_CHECK)
    _judge_times(active, f"{where}.active", ("interval", "timeout"))
    _judge_headers(active.get("headers", {}), f"{where}.active.headers")
    passive = fields(health.get("passive", {}), f"{where}.passive", known=_PASSIVE_CHECK)
    _judge_times(passive, f"{where}.passive", ("fail_duration", "unhealthy_latency"))


def _judge_times(value: Mapping[str, Any], where: str, keys: Iterable[str]) -> None:
    for key in keys:
        between(value.get(key, 0), f"{where}.{key}", least=0, most=_LONGEST)


def _judge_logging(value: object, where: str) -> None:
    """Access logs of this site alone, to the standard streams."""
    logs = fields(value, where, known=("logs",)).get("logs", {})
    if not isinstance(logs, dict):
        raise Refused(f"{where}.logs: expected an object", code="wrong-type")
    for name, log in logs.items():
        path = f"{where}.logs.{name}"
        if name == "default":
            _judge_access(fields(log, path, known=("exclude",)).get("exclude"), f"{path}.exclude", logs)
            continue
        matches(name, _LOGGER, f"{where}.logs")
        logger = fields(log, path, known=("include", "encoder", "writer", "level"))
        same(logger.get("include"), [f"http.log.access.{name}"], f"{path}.include")
        writer = fields(logger.get("writer", {}), f"{path}.writer", known=("output",))
        one_of(writer.get("output", "stderr"), ("stdout", "stderr", "discard"), f"{path}.writer.output")
        judge_encoder(logger.get("encoder", {}), f"{path}.encoder")


def _judge_access(value: object, where: str, logs: Mapping[str, Any]) -> None:
    for path, item in entries(value, where):
        one_of(item, [f"http.log.access.{name}" for name in logs if name != "default"], path)


def judge_encoder(value: object, where: str) -> None:
    """A log's format, and the fields that it leaves out."""
    encoder = fields(value, where, known=("format", "fields", "wrap"))
    one_of(encoder.get("format", "json"), ("json", "console", "filter"), f"{where}.format")
    filters = encoder.get("fields", {})
    if not isinstance(filters, dict):
        raise Refused(f"{where}.fields: expected an object", code="wrong-type")
    for name, item in filters.items():
        path = f"{where}.fields.{name}"
        log_filter = fields(item, path, known=("filter", "regexp", "value", "ipv4_cidr", "ipv6_cidr"))
        one_of(log_filter.get("filter"), ("delete", "regexp", "replace", "hash", "ip_mask"), f"{path}.filter")
    if "wrap" in encoder:
        judge_encoder(encoder["wrap"], f"{where}.wrap")
