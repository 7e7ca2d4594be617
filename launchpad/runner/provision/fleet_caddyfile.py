"""Judge the fleet's Caddyfile: it may set certificates and timeouts, but must not serve sites or read files.

Caddy itself resolves the text: without the line that imports the sites, which are judged one by one, and with a site
that nobody can reach, so that settings for all servers appear in the result.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from launchpad.runner import paths
from launchpad.runner.judge.closed import entries, fields, matches, one_of, same
from launchpad.runner.protocol import Refused

IMPORT = f"import {paths.SITES}/*.caddy"
ACME_ROOT = f"{paths.CADDY}/acme-root.pem"
NOBODY = "launchpad.invalid"
_READS = re.compile(r"^\s*import\s|\{\$|\{env\.|\{file\.", re.MULTILINE)
_HTTPS = re.compile(r"https://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~/-]*)?")
_EMAIL = re.compile(r"[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+")
_ADMIN = frozenset({f"unix/{paths.CADDY_SOCKET}", f"unix/{paths.CADDY_SOCKET}|0600"})
_TIMES = ("read_timeout", "read_header_timeout", "write_timeout", "idle_timeout", "max_header_bytes")
_SERVED = {"handler": "subroute", "routes": [{"handle": [{"handler": "static_response", "status_code": 404}]}]}


def question(text: str) -> str:
    """The text for Caddy to adapt. Refused when the Caddyfile reads a file or a variable, or lacks the import of
    sites."""
    lines = text.splitlines()
    if lines.count(IMPORT) != 1:
        raise Refused(f"the Caddyfile must have the line `{IMPORT}` once", code="caddyfile-import-line")
    rest = "\n".join(line for line in lines if line != IMPORT)
    if found := _READS.search(rest):
        raise Refused(
            f"the Caddyfile must not contain {found[0].strip()!r}: Caddy would read the host's files or environment",
            code="caddyfile-reads-host",
        )
    return f"{rest}\n{NOBODY} {{\n\trespond 404\n}}\n"


def judge_caddyfile(adapted: Mapping[str, Any]) -> None:
    """Refuse everything except the admin socket, the certificates' storage and issuers, and timeouts."""
    whole = fields(dict(adapted), "caddyfile", known=("admin", "storage", "apps", "logging"))
    admin = fields(whole.get("admin"), "caddyfile.admin", known=("listen", "config"))
    one_of(admin.get("listen"), _ADMIN, "caddyfile.admin.listen")
    same(admin.get("config"), {"persist": False}, "caddyfile.admin.config")
    same(whole.get("storage"), {"module": "file_system", "root": f"{paths.CADDY}/data"}, "caddyfile.storage")
    logging = fields(whole.get("logging", {}), "caddyfile.logging", known=("logs",))
    for name, log in dict(logging.get("logs", {})).items():
        fields(log, f"caddyfile.logging.logs.{name}", known=("level", "exclude", "include", "encoder"))
    apps = fields(whole.get("apps"), "caddyfile.apps", known=("http", "tls"))
    _judge_http(apps.get("http"))
    _judge_tls(apps.get("tls", {}))


def _judge_http(value: object) -> None:
    http = fields(value, "caddyfile.apps.http", known=("servers", "grace_period", "shutdown_delay"))
    servers = http.get("servers")
    if not isinstance(servers, dict) or len(servers) != 1:
        raise Refused("caddyfile.apps.http.servers: only the imported sites are allowed", code="caddyfile-own-sites")
    (server,) = servers.values()
    where = "caddyfile.apps.http.servers"
    known = fields(server, where, known=("listen", "routes", "strict_sni_host", "protocols", *_TIMES))
    same(known.get("listen"), [":443"], f"{where}.listen")
    route = {"match": [{"host": [NOBODY]}], "handle": [_SERVED], "terminal": True}
    same(known.get("routes"), [route], f"{where}.routes")


def _judge_tls(value: object) -> None:
    tls = fields(value, "caddyfile.apps.tls", known=("automation",))
    automation = fields(tls.get("automation", {}), "caddyfile.apps.tls.automation", known=("policies",))
    for path, item in entries(automation.get("policies", []), "caddyfile.apps.tls.automation.policies"):
        policy = fields(item, path, known=("subjects", "issuers"))
        same(policy.get("subjects", [NOBODY]), [NOBODY], f"{path}.subjects")
        for place, issuer in entries(policy.get("issuers", []), f"{path}.issuers"):
            _judge_issuer(issuer, place)


def _judge_issuer(value: object, where: str) -> None:
    issuer = fields(value, where, known=("module", "ca", "test_ca", "email", "trusted_roots_pem_files"))
    same(issuer.get("module"), "acme", f"{where}.module")
    for key, pattern in (("ca", _HTTPS), ("test_ca", _HTTPS), ("email", _EMAIL)):
        if key in issuer:
            matches(issuer[key], pattern, f"{where}.{key}")
    same(issuer.get("trusted_roots_pem_files", [ACME_ROOT]), [ACME_ROOT], f"{where}.trusted_roots_pem_files")
