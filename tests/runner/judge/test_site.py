"""What Caddy made of a site: one change at a time, each refused with its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from launchpad.runner.judge.release_text import judge_site_text
from launchpad.runner.judge.site import judge_site
from launchpad.runner.protocol import Refused, Release, release_from_json
from tests.render.example import rendered
from tests.render.tools import adapt
from tests.runner.judge.tables import GONE, changed

GOLDEN = Path(__file__).resolve().parents[2] / "golden"

SERVER = "apps/http/servers/srv0"
TOP = f"{SERVER}/routes/0"
HANDLERS = f"{TOP}/handle/0/routes/0/handle"
PROXY = f"{HANDLERS}/2"
ERRORS = f"{SERVER}/errors/routes/0"
LOG = "logging/logs/log0"

REFUSED: list[tuple[str, Any, str]] = [
    ("admin", {"listen": ":2019"}, "site.admin: is not allowed in a release"),
    ("storage", {"module": "file_system", "root": "/"}, "site.storage"),
    ("apps", GONE, "site.apps"),
    ("apps/tls", {"certificates": {"load_files": []}}, "site.apps.tls"),
    ("apps/pki", {}, "site.apps.pki"),
    ("apps/exec", {}, "site.apps.exec"),
    ("apps/http/http_port", 22, "site.apps.http.http_port"),
    ("apps/http/servers", {}, "site.apps.http.servers"),
    ("apps/http/servers", [], "site.apps.http.servers"),
    (f"{SERVER}/listen", [":2019"], "srv0.listen[0]"),
    (f"{SERVER}/listen/0", "unix//run/docker.sock", "srv0.listen[0]"),
    (f"{SERVER}/listen", GONE, "srv0.listen"),
    (f"{SERVER}/automatic_https", {"disable": True}, "srv0.automatic_https"),
    (f"{SERVER}/tls_connection_policies", [{}], "srv0.tls_connection_policies"),
    (f"{SERVER}/trusted_proxies", {"source": "static"}, "srv0.trusted_proxies"),
    (f"{SERVER}/named_routes", {}, "srv0.named_routes"),
    (f"{SERVER}/logs/logger_names/bob.example.com", ["log0"], "logger_names.bob.example.com"),
    (f"{SERVER}/logs/logger_names/alice.example.com", ["default"], "logger_names.alice.example.com"),
    (f"{SERVER}/logs/logger_names/alice.example.com", "log0", "expected a list"),
    (f"{SERVER}/logs/should_log_credentials", True, "srv0.logs.should_log_credentials"),
    (f"{SERVER}/routes", GONE, "srv0.routes"),
    (f"{TOP}/terminal", GONE, "routes[0].terminal"),
    (f"{TOP}/group", "g", "routes[0].group"),
    (f"{TOP}/match", [], "match: is empty"),
    (f"{TOP}/match", GONE, "routes[0].match"),
    (f"{TOP}/match/0/host", GONE, "match[0].host: is missing"),
    (f"{TOP}/match/0/host", [], "match[0].host: is missing"),
    (f"{TOP}/match/0/host/0", "bob.example.com", "match[0].host[0]"),
    (f"{TOP}/match/0/host/0", "*.example.com", "match[0].host[0]"),
    (f"{TOP}/match/1", {"path": ["/"]}, "match[1].host: is missing"),
    (f"{TOP}/match/0/file", {"root": "/"}, "match[0].file"),
    (f"{TOP}/match/0/path", ["/{http.vars.x}"], "placeholder"),
    (f"{TOP}/match/0/path", [1], "match[0].path[0]"),
    (f"{TOP}/match/0/method", "GET", "match[0].method"),
    (f"{TOP}/match/0/expression", "file('/etc/shadow')", "match[0].expression"),
    (f"{TOP}/handle", GONE, "routes[0].handle"),
    (f"{TOP}/handle/0", "subroute", "handle[0]: expected an object"),
    (f"{TOP}/handle/0/handler", "file_server", "handle[0].handler: 'file_server'"),
    (f"{TOP}/handle/0/handler", GONE, "handle[0].handler: None"),
    (f"{TOP}/handle/0/errors", {}, "handle[0].errors"),
    (f"{TOP}/handle/0/routes/0/module", "x", "routes[0].module"),
    (f"{TOP}/handle/0/routes/0/match", [{"vars": {}}], "match[0].vars"),
    (f"{ERRORS}/match/0/host/0", "bob.example.com", "errors.routes[0].match[0].host[0]"),
    (f"{ERRORS}/terminal", False, "errors.routes[0].terminal"),
    (f"{ERRORS}/handle/0/handler", "templates", "errors.routes[0].handle[0].handler"),
    (f"{SERVER}/errors/other", 1, "srv0.errors.other"),
    (f"{HANDLERS}/0/response/set/X", ["{env.HOME}"], "placeholder"),
    (f"{HANDLERS}/0/response/set/{{env.HOME}}", ["x"], "placeholder"),
    (f"{HANDLERS}/0/response/set", [], "set: expected an object"),
    (f"{HANDLERS}/0/response/set/X", "x", "set.X: expected a list"),
    (f"{HANDLERS}/0/response/delete", "Server", "delete: expected a list"),
    (f"{HANDLERS}/0/response/replace", {}, "response.replace"),
    (f"{HANDLERS}/0/request", {"copy": {}}, "request.copy"),
    (f"{HANDLERS}/0/other", 1, "handle[0].other"),
    (f"{HANDLERS}/1/max_size", 0, "max_size"),
    (f"{HANDLERS}/1/set", "x", "handle[1].set"),
    (f"{HANDLERS}/3", {"handler": "static_response", "body": "{file./etc/shadow}"}, "placeholder"),
    (f"{HANDLERS}/3", {"handler": "static_response", "body": 1}, "body: expected text"),
    (f"{HANDLERS}/3", {"handler": "static_response", "headers": {"X": "x"}}, "expected a list"),
    (f"{HANDLERS}/3", {"handler": "static_response", "abort": True}, "handle[3].abort"),
    (f"{HANDLERS}/3", {"handler": "encode"}, "encodings: expected an object"),
    (f"{HANDLERS}/3", {"handler": "encode", "encodings": {"gzip": {"x": 1}}}, "encodings.gzip.x"),
    (f"{HANDLERS}/3", {"handler": "encode", "encodings": {"br": {}}}, "encodings.br"),
    (f"{HANDLERS}/3", {"handler": "encode", "encodings": {"gzip": {}}, "prefer": "gzip"}, "prefer"),
    (f"{HANDLERS}/3", {"handler": "encode", "encodings": {"gzip": {}}, "match": {}}, "handle[3].match"),
    (f"{HANDLERS}/3", {"handler": "error", "module": "x"}, "handle[3].module"),
    (f"{PROXY}/upstreams", [], "upstreams: is empty"),
    (f"{PROXY}/upstreams", GONE, "upstreams: expected a list"),
    (f"{PROXY}/upstreams/0/dial", "127.0.0.1:2019", "upstreams[0].dial"),
    (f"{PROXY}/upstreams/0/dial", "10.200.0.146:18789", "upstreams[0].dial"),
    (f"{PROXY}/upstreams/0/dial", GONE, "upstreams[0].dial"),
    (f"{PROXY}/upstreams/0/lookup_srv", "x", "upstreams[0].lookup_srv"),
    (f"{PROXY}/dynamic_upstreams", {"source": "a"}, "dynamic_upstreams"),
    (f"{PROXY}/handle_response", [], "handle_response"),
    (f"{PROXY}/trusted_proxies", ["0.0.0.0/0"], "trusted_proxies"),
    (f"{PROXY}/headers", {"other": {}}, "headers.other"),
    (f"{PROXY}/headers", {"request": {"set": {"Host": ["{file.x}"]}}}, "placeholder"),
    (f"{PROXY}/headers", {"request": {"set": {"Host": "x"}}}, "headers.request.set.Host"),
    (f"{PROXY}/transport", {"protocol": "fastcgi"}, "transport.protocol"),
    (f"{PROXY}/transport", {"protocol": "http", "tls": {}}, "transport.tls"),
    (f"{PROXY}/transport", {"protocol": "http", "forward_proxy_url": "http://x"}, "transport.forward_proxy_url"),
    (f"{PROXY}/transport", {"protocol": "http", "read_timeout": -1}, "transport.read_timeout"),
    (f"{PROXY}/transport/keep_alive", {"enabled": True}, "transport.keep_alive"),
    (f"{PROXY}/transport/keep_alive", {"enabled": False, "idle_timeout": 1}, "transport.keep_alive"),
    (f"{PROXY}/health_checks/active/upstream", "127.0.0.1:2019", "active.upstream"),
    (f"{PROXY}/health_checks/active/port", 22, "active.port"),
    (f"{PROXY}/health_checks/active/headers", [], "active.headers: expected an object"),
    (f"{PROXY}/health_checks/active/headers", {"Host": "x"}, "active.headers.Host"),
    (f"{PROXY}/health_checks/active/headers", {"Host": ["{env.HOME}"]}, "placeholder"),
    (f"{PROXY}/health_checks/active/body", "x", "active.body"),
    (f"{PROXY}/health_checks/active/interval", "2s", "active.interval"),
    (f"{PROXY}/health_checks/passive", {"x": 1}, "passive.x"),
    (f"{PROXY}/health_checks/passive", {"fail_duration": -1}, "passive.fail_duration"),
    (f"{PROXY}/health_checks/other", {}, "health_checks.other"),
    (f"{PROXY}/load_balancing/selection_policy/policy", "cookie", "selection_policy.policy"),
    (f"{PROXY}/load_balancing/selection_policy/name", "x", "selection_policy.name"),
    (f"{PROXY}/load_balancing/retry_match", [], "load_balancing.retry_match"),
    (f"{PROXY}/load_balancing/retries", 1000, "load_balancing.retries"),
    (f"{PROXY}/load_balancing/try_duration", 10**18, "load_balancing.try_duration"),
    (f"{PROXY}/stream_close_delay", -1, "stream_close_delay"),
    (f"{PROXY}/flush_interval", -2, "flush_interval"),
    ("logging/sink", {}, "site.logging.sink"),
    ("logging/logs", [], "site.logging.logs: expected an object"),
    ("logging/logs/default/writer", {"output": "file"}, "logs.default.writer"),
    ("logging/logs/default/exclude/0", "http", "logs.default.exclude[0]"),
    ("logging/logs/other", {}, "site.logging.logs: 'other'"),
    (f"{LOG}/include", ["http.log.access"], "log0.include"),
    (f"{LOG}/writer", {"output": "file", "filename": "/etc/cron.d/x"}, "log0.writer.filename"),
    (f"{LOG}/writer", {"output": "net"}, "log0.writer.output"),
    (f"{LOG}/sampling", {}, "log0.sampling"),
    (f"{LOG}/encoder/format", "append", "log0.encoder.format"),
    (f"{LOG}/encoder/fields", [], "log0.encoder.fields"),
    (f"{LOG}/encoder/fields/x", {"filter": "rename", "name": "y"}, "fields.x"),
    (f"{LOG}/encoder/fields/x", {"filter": "multi_regexp"}, "fields.x.filter"),
    (f"{LOG}/encoder/wrap", {"format": "append"}, "log0.encoder.wrap.format"),
]

ACCEPTED: list[tuple[str, Any]] = [
    (f"{SERVER}/listen/1", ":80"),
    (f"{SERVER}/errors", GONE),
    ("logging", GONE),
    (f"{SERVER}/logs", GONE),
    (f"{HANDLERS}/3", {"handler": "encode", "encodings": {"gzip": {}, "zstd": {}}, "prefer": ["zstd", "gzip"]}),
    (f"{HANDLERS}/3", {"handler": "error", "error": "x", "status_code": 404}),
    (f"{HANDLERS}/3", {"handler": "static_response", "headers": {"Location": ["https://a{http.request.uri}"]}}),
    (f"{PROXY}/flush_interval", -1),
    (f"{PROXY}/transport", {"protocol": "http", "read_timeout": 10**9}),
    (f"{PROXY}/health_checks/passive", {"fail_duration": 10**9, "max_fails": 2}),
    (f"{PROXY}/headers", {"request": {"set": {"Host": ["{http.request.host}"]}}}),
]

OWN_SITES = [
    'handle /api/* {\n\t\treverse_proxy "10.200.0.114:18789"\n\t}',
    "redir /old https://alice.example.com/new 308",
    "@assets path *.css *.js\n\theader @assets Cache-Control max-age=3600",
    "encode zstd gzip",
    "request_header X-Tenant alice",
    "error /private 403",
]


def recorded() -> tuple[Any, Release]:
    folder = GOLDEN / "alice"
    release = release_from_json(json.loads((folder / "release.json").read_text()))
    return json.loads((folder / "adapted.json").read_text()), release


@pytest.mark.parametrize(("path", "value", "says"), REFUSED)
def test_refuses(path: str, value: Any, says: str) -> None:
    adapted, release = recorded()
    with pytest.raises(Refused) as refused:
        judge_site(changed(adapted, path, value), release)
    assert says in refused.value.message


@pytest.mark.parametrize(("path", "value"), ACCEPTED)
def test_accepts(path: str, value: Any) -> None:
    adapted, release = recorded()
    judge_site(changed(adapted, path, value), release)


@pytest.mark.parametrize("directive", OWN_SITES)
def test_accepts_what_a_site_of_ones_own_says(directive: str) -> None:
    result = rendered("alice")
    release = result.release
    text = result.files["site.caddy"].replace("\treverse_proxy", f"\t{directive}\n\treverse_proxy", 1)
    judge_site_text(text, release)
    judge_site(adapt(text), release)
