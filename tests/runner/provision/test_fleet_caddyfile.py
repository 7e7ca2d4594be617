"""The fleet's Caddyfile: certificates and times, and nothing that serves, reads or listens."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from launchpad.runner import paths
from launchpad.runner.protocol import Refused
from launchpad.runner.provision.fleet_caddyfile import ACME_ROOT, NOBODY, judge_caddyfile, question
from tests.memory.system import ADAPTED
from tests.runner.provision.settings import CADDYFILE

ISSUER = {"module": "acme", "ca": "https://acme.example.com/dir", "email": "ops@example.com"}


def adapted(path: str = "", value: object = None) -> dict[str, Any]:
    """What Caddy makes of a good Caddyfile, with one value added or replaced."""
    whole: Any = copy.deepcopy(ADAPTED)
    whole["apps"]["tls"] = {
        "automation": {"policies": [{"issuers": [ISSUER | {"trusted_roots_pem_files": [ACME_ROOT]}]}]}
    }
    place = whole
    *above, last = path.split("/") if path else ("",)
    for part in above:
        place = place[int(part)] if isinstance(place, list) else place.setdefault(part, {})
    if path:
        place[int(last) if isinstance(place, list) else last] = value
    return dict(whole)


SERVER = "apps/http/servers/srv0"
POLICY = "apps/tls/automation/policies/0"
BAD = {
    "an admin port": ("admin/listen", "0.0.0.0:2019"),
    "another admin socket": ("admin/listen", "unix//srv/launchpad/tenants/alice/data/web/admin.sock"),
    "a remote admin": ("admin/remote", {"listen": ":2021"}),
    "an admin configuration that loads from elsewhere": ("admin/config", {"load": {"module": "http"}}),
    "another storage": ("storage/root", "/etc"),
    "a storage module": ("storage/module", "consul"),
    "a log into a file": ("logging/logs/default", {"writer": {"output": "file", "filename": "/etc/cron.d/x"}}),
    "a site of its own": (f"{SERVER}/routes/0/match", [{"host": ["alice.example.com"]}]),
    "a file server": (f"{SERVER}/routes/0/handle", [{"handler": "file_server", "root": "/"}]),
    "another port": (f"{SERVER}/listen", [":8443"]),
    "a listener wrapper": (f"{SERVER}/listener_wrappers", [{"wrapper": "proxy_protocol"}]),
    "trusted proxies": (f"{SERVER}/trusted_proxies", {"source": "static", "ranges": ["0.0.0.0/0"]}),
    "logged credentials": (f"{SERVER}/logs", {"should_log_credentials": True}),
    "a second server": ("apps/http/servers/srv1", {"listen": [":80"]}),
    "another app": ("apps/layer4", {}),
    "a certificate from a file": ("apps/tls/certificates", {"load_files": [{"certificate": "/etc/shadow"}]}),
    "an own authority": (f"{POLICY}/issuers/0", {"module": "internal"}),
    "an issuer without TLS": (f"{POLICY}/issuers/0/ca", "http://acme.example.com/dir"),
    "a root from elsewhere": (f"{POLICY}/issuers/0/trusted_roots_pem_files", ["/etc/launchpad/settings.json"]),
    "a DNS challenge by a program": (f"{POLICY}/issuers/0/challenges", {"dns": {"provider": {"name": "exec"}}}),
    "on-demand certificates": (f"{POLICY}/on_demand", True),
}


def test_a_good_one_passes() -> None:
    judge_caddyfile(adapted())
    judge_caddyfile(adapted(f"{SERVER}/idle_timeout", 300_000_000_000))
    judge_caddyfile(adapted("apps/http/grace_period", 10_000_000_000))
    judge_caddyfile(adapted("logging/logs/default", {"exclude": ["x"], "encoder": {"format": "filter"}}))


@pytest.mark.parametrize("case", BAD)
def test_anything_else_is_refused(case: str) -> None:
    with pytest.raises(Refused):
        judge_caddyfile(adapted(*BAD[case]))


def test_caddy_is_asked_without_the_sites() -> None:
    asked = question(CADDYFILE)
    assert paths.SITES not in asked
    assert NOBODY in asked


@pytest.mark.parametrize(
    "line",
    [
        "import /etc/passwd",
        "\timport /root/.ssh/*",
        "email {$SECRET}",
        "email {env.SECRET}",
        "respond {file./etc/shadow}",
        f"import {paths.SITES}/*.caddy",
    ],
)
def test_a_text_that_reads_the_host_is_never_shown_to_caddy(line: str) -> None:
    with pytest.raises(Refused):
        question(f"{CADDYFILE}{line}\n")


def test_the_sites_must_be_imported() -> None:
    with pytest.raises(Refused, match="import"):
        question("{\n}\n")
