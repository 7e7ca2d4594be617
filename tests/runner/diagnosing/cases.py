"""A host that is well, as it is collected, and each fault that an analyser names: what differs from that host."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from typing import Any

from launchpad.runner.backups.inside import GONE
from launchpad.runner.backups.s3 import REFUSALS
from launchpad.runner.diagnosing.collected import Collected
from launchpad.runner.hint import hint_as_json
from launchpad.runner.host import RUN_PROVISION
from launchpad.runner.waiting import OUT_OF_MEMORY

NOW = 1_790_000_000.0
GB = 1 << 30
Fault = Callable[[dict[str, Any]], None]
"""Changes the sections of a host that is well."""


def line(text: str, *, ago: float = 60.0) -> str:
    """A line of a log, as the collector keeps it."""
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(NOW - ago))}Z {text}"


def tenant(name: str, number: int = 1) -> dict[str, Any]:
    """A tenant that is well and busy."""
    slot = number
    return {
        "record": {
            "tenant": name,
            "slot": slot,
            "app": "openclaw",
            "version": "2026.9.6",
            "release": "0123456789ab",
            "started": "0123456789ab",
            "side": "a",
            "running": True,
            "retired": False,
            "domains": [f"{name}.example.com"],
            "secrets": {"ANTHROPIC_API_KEY": 1, "TELEGRAM_BOT_TOKEN": 1},
            "disk_mb": 4096,
        },
        "manifest": {
            "short": "0123456789ab",
            "services": ["app"],
            "volumes": ["state"],
            "secrets": {"ANTHROPIC_API_KEY": 1},
        },
        "containers": [
            {
                "name": f"lp-{name}-a-app-1",
                "service": "app",
                "side": "a",
                "state": "running",
                "exit_code": 0,
                "oom_killed": False,
            }
        ],
        "probes": [
            {"kind": "ready", "service": "app", "name": "app:18789/startupz", "ok": True, "status": 200, "detail": ""}
        ],
        "drift": [],
        "breaker": {},
        "gone": "",
        "operation": None,
        "starting": False,
        "quota": [700 << 20, 4096 << 20],
        "memory": [800 << 20, 2048 << 20],
        "generations": {"count": 3},
        "operations": [{"kind": "deploy", "at": NOW - 5000, "outcome": "done", "message": "", "lines": []}],
        "targets": {"offsite": {"sent": {"at": NOW - 7000, "operation": "x"}, "failed": None}},
        "leads": {f"{name}.example.com": ["203.0.113.7"]},
        "certificates": {f"{name}.example.com": {"until": NOW + 5e6, "since": 0.0, "why": ""}},
        "log": {
            "app": [
                line("[gateway] listening on ws://0.0.0.0:18789", ago=3000),
                line("[telegram] [default] starting provider (@helper_bot)", ago=2990),
                line("[ws] webchat connected conn=1 remote=203.0.113.9", ago=900),
                line("[agent/embedded] embedded run start: runId=4f runs=1 provider=anthropic model=claude", ago=500),
                line("[tools] web_fetch failed: 401 Unauthorized from a page", ago=480),
                line("[tools] web_fetch failed: 503 Service Unavailable", ago=470),
                line("[agent/embedded] embedded run done: runId=4f durationMs=5012 aborted=false", ago=460),
                line("[agent/embedded] provider anthropic answered 529 overloaded_error; retrying", ago=300),
                line("[agent/embedded] embedded run done: runId=50 durationMs=7012 aborted=false", ago=290),
                line("[ws] disconnected code=1001 reason=going away", ago=100),
            ]
        },
    }


def sections(*names: str) -> dict[str, Any]:
    """A host that is well, with these tenants."""
    disk = {"total": 80 * GB, "free": 40 * GB, "inodes": 5_000_000, "inodes_free": 4_800_000}
    return {
        "machine": {
            "cpus": 4,
            "load": [0.4, 0.5, 0.5],
            "memory": {"total_mb": 8000, "available_mb": 5000, "swap_mb": 0},
            "disks": {
                "/": disk,
                "/var/lib/docker": disk,
                "/srv/launchpad": {"total": 40 * GB, "free": 20 * GB, "inodes": 0, "inodes_free": 0},
            },
            "pressure": {"io": {"some_avg60": 1.0, "full_avg60": 0.5}},
            "wait_ms": {"vda": 1.4},
        },
        "clock": {"runs": True, "synchronised": True, "offset": 0.0004},
        "resolver": {"servers": {"203.0.113.53": True}},
        "docker": {"answers": True, "unit": "active", "failure": []},
        "caddy": {"answers": True, "lines": []},
        "network": {"addresses": ["203.0.113.7", "2001:db8::7"], "gate": True},
        "account": {"findings": [], "facts": {}},
        "updates": {"reboot": False, "packages": []},
        "kernel": [line("eth0: link becomes ready")],
        "tenants": {name: tenant(name, number) for number, name in enumerate(names, 1)},
    }


def collected(*faults: Fault, names: tuple[str, ...] = ("alice", "bob"), of: str = "") -> Collected:
    """The host with these faults."""
    found = copy.deepcopy(sections(*names))
    for fault in faults:
        fault(found)
    return Collected(host="web-1", tenant=of, at=NOW, sections=found)


def said(*lines: str, ago: float = 60.0) -> Fault:
    """alice's app writes these lines, one each second, the last so many seconds ago."""

    def fault(found: dict[str, Any]) -> None:
        own = found["tenants"]["alice"]["log"]["app"]
        own += [line(text, ago=ago + len(lines) - number) for number, text in enumerate(lines)]

    return fault


def of_alice(**changes: Any) -> Fault:
    return lambda found: found["tenants"]["alice"].update(changes)


def section(name: str, **changes: Any) -> Fault:
    return lambda found: found[name].update(changes)


def both(*faults: Fault) -> Fault:
    def fault(found: dict[str, Any]) -> None:
        for own in faults:
            own(found)

    return fault


def breaker(reason: str, *, exit_code: int = 1, out_of_memory: bool = False, lines: tuple[str, ...] = ()) -> Fault:
    """The watch gave alice up."""

    def fault(found: dict[str, Any]) -> None:
        own = found["tenants"]["alice"]
        own["breaker"] = {
            "at": NOW - 60,
            "service": "app",
            "reason": f"app {reason}",
            "exit_code": exit_code,
            "out_of_memory": out_of_memory,
            "deaths": 5,
            "lines": list(lines),
        }
        own["containers"][0] |= {"state": "exited", "exit_code": exit_code, "oom_killed": out_of_memory}
        own["probes"][0] |= {"ok": False, "status": 0, "detail": "did not answer on /startupz"}

    return fault


def failed(kind: str, message: str, lines: tuple[str, ...] = ()) -> Fault:
    """alice's last operation failed."""
    return lambda found: found["tenants"]["alice"]["operations"].append(
        {"kind": kind, "at": NOW - 20, "outcome": "undone", "message": message, "lines": list(lines)}
    )


def finding(subject: str, message: str, hint: object = hint_as_json(RUN_PROVISION), tenant: str = "") -> Fault:
    return lambda found: found["account"]["findings"].append(
        {"subject": subject, "message": message, "hint": hint, "tenant": tenant, "since": NOW - 30}
    )


def checked(layer: str, message: str) -> Fault:
    """The watch found this by the check of alice's app."""
    return lambda found: found["account"]["findings"].append(
        {"subject": layer, "message": message, "hint": "", "tenant": "alice", "since": NOW - 30, "grade": "warning"}
    )


def certificate(why: str) -> Fault:
    return of_alice(certificates={"alice.example.com": {"until": None, "since": NOW - 600, "why": why}})


def target(message: str) -> Fault:
    return of_alice(targets={"offsite": {"sent": None, "failed": {"at": NOW - 50, "message": message}}})


def _disk(path: str, **changes: Any) -> Fault:
    return lambda found: found["machine"]["disks"].update({path: found["machine"]["disks"][path] | changes})


def not_running(found: dict[str, Any]) -> None:
    """alice has never run here."""
    found["tenants"]["alice"]["record"]["running"] = False


NOT_RUNNING: Fault = not_running
REFUSED = "the state has schema 3, and this version knows 2 at most"
FULL = _disk("/srv/launchpad", free=0)
FAULTS: Mapping[str, tuple[Fault, ...]] = {
    "disk-full": (
        both(FULL, breaker("died 5 times within 10 minutes", lines=("SQLITE_FULL: database or disk is full",))),
        _disk("/", free=4096),
        FULL,
    ),
    "inodes": (_disk("/", inodes_free=3),),
    "quota-full": (
        of_alice(quota=[4095 << 20, 4096 << 20]),
        both(of_alice(quota=[4096 << 20, 4096 << 20]), breaker("died 5 times within 10 minutes", lines=("errno 122",))),
    ),
    "slow-disk": (
        lambda found: found["machine"].update(wait_ms={"vda": 2800.0}),
        lambda found: found["machine"].update(
            wait_ms={"vda": 300.0}, pressure={"io": {"some_avg60": 55.0, "full_avg60": 40.0}}
        ),
        lambda found: found["machine"].update(pressure={"io": {"full_avg60": 91.0}}),
        lambda found: found["kernel"].append(line("INFO: task jbd2/vda1-8:212 blocked for more than 120 seconds.")),
    ),
    "out-of-memory": (
        both(
            of_alice(memory=[1023 << 20, 1024 << 20]),
            breaker("died 5 times, the last time because memory ran out", exit_code=137, out_of_memory=True),
        ),
        both(NOT_RUNNING, failed("deploy", f"notes 1: app {OUT_OF_MEMORY} while the release was watched")),
        breaker(
            "died 5 times",
            exit_code=134,
            lines=("FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",),
        ),
    ),
    "host-memory": (
        lambda found: found["machine"].update(memory={"total_mb": 4000, "available_mb": 20, "swap_mb": 0}),
    ),
    "exit-78": (
        breaker(
            "exited with 78 2 times: its configuration or its state is wrong",
            exit_code=78,
            lines=("Invalid config at /home/node/.openclaw/openclaw.json:", '- gateway: Unrecognized key: "prot"'),
        ),
        both(NOT_RUNNING, failed("deploy", "app ended with 78", ("Invalid config: Unrecognized key",))),
        breaker(
            "exited 2 times with status 78: its configuration or its data is wrong",
            exit_code=78,
            lines=("ready to read settings", "FATAL gateway token is shorter than 24 characters", "bye"),
        ),
    ),
    "crash-loop": (
        breaker(
            "died 5 times within 10 minutes, the last time with exit status 1", lines=("Error: cannot find module 'x'",)
        ),
    ),
    "docker-down": (
        section("docker", answers=False, unit="failed", failure=["failed to start daemon: invalid storage driver"]),
        both(section("docker", answers=False, unit="inactive"), section("caddy", answers=False)),
    ),
    "no-process": (
        lambda found: found["tenants"]["alice"]["containers"][0].update(state="dead"),
        of_alice(containers=[]),
    ),
    "caddy-down": (section("caddy", answers=False),),
    "resolver": (
        section("resolver", servers={"203.0.113.53": False}),
        both(section("resolver", servers={"203.0.113.53": False}), of_alice(leads={"alice.example.com": []})),
    ),
    "name-elsewhere": (
        of_alice(leads={"alice.example.com": ["198.51.100.9"]}),
        of_alice(leads={"alice.example.com": []}),
        both(
            of_alice(leads={"alice.example.com": ["198.51.100.9"]}),
            certificate("HTTP 403 unauthorized - 198.51.100.9: Invalid response from http://alice.example.com/: 404"),
        ),
    ),
    "certificate-limit": (
        certificate("HTTP 429 rateLimited - too many certificates (5) already issued for this exact set"),
    ),
    "certificate-caa": (certificate("HTTP 403 caa - CAA record for alice.example.com prevents issuance"),),
    "certificate-name": (certificate("HTTP 400 dns - DNS problem: SERVFAIL looking up A for alice.example.com"),),
    "certificate-unreached": (
        certificate("HTTP 400 connection - 203.0.113.7: Timeout during connect (likely firewall problem)"),
    ),
    "certificate-elsewhere": (
        certificate(
            "HTTP 403 unauthorized - 203.0.113.7: Invalid response from http://alice.example.com/.well-known: 404"
        ),
    ),
    "certificate-authority": (
        certificate('provisioning client: performing request: Get "https://acme/directory": dial tcp: i/o timeout'),
    ),
    "untrusted-proxy": (
        lambda found: found["tenants"]["alice"]["probes"][0].update(
            ok=False, status=403, detail="answered 403 on /startupz"
        ),
        said("[ws] Proxy headers detected from untrusted address. Connection will not be treated as local."),
        said('{"error":{"message":"Proxy client attribution is required.","type":"proxy_attribution_required"}}'),
    ),
    "origin-refused": (
        said(
            "[ws] closed before connect code=1008 reason=origin not allowed (open the Control UI from the gateway host)"
        ),
    ),
    "key-revoked": (
        checked("provider", "anthropic refuses the key: it was revoked, or is mistyped"),
        said(
            "[agent/embedded] embedded run agent end: runId=7 isError=true model=claude provider=anthropic error=401 x",
            "[agent/embedded] embedded run failover decision: runId=7 stage=assistant decision=surface_error "
            "reason=auth "
            "attempt=1 retry=- rotations=- from=anthropic/claude profile=-",
            "[agent/embedded] embedded run done: runId=7 sessionId=3 durationMs=912 aborted=false",
        ),
        said(
            "[agent/embedded] run failed: HTTP 401 "
            '{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}'
        ),
        said("[agent] lane task error: 401 Incorrect API key provided: [secret]"),
        said("[agent/embedded] embedded run failover decision: stage=assistant reason=auth provider=openrouter/x"),
    ),
    "channel-refused": (
        checked("channel", "telegram refuses the key: it was revoked, or is mistyped"),
        said(
            '[telegram] Telegram bot token unauthorized for account "default" (getMe returned 401 from '
            "Telegram; source: "
            "env). Update TELEGRAM_BOT_TOKEN with the current token"
        ),
    ),
    "key-without-money": (
        checked("provider", "openai accepts the key, and its account has no money left"),
        said(
            "[agent/embedded] embedded run failover decision: runId=7 stage=assistant decision=surface_error "
            "reason=billing "
            "attempt=1 retry=- rotations=- from=anthropic/claude profile=-",
            "[agent/embedded] embedded run done: runId=7 sessionId=3 durationMs=912 aborted=false",
        ),
        said(
            '[agent] 400 {"type":"error","error":{"message":"Your credit balance is too low to access the '
            'Anthropic API."}}'
        ),
        said("[agent] 429 You exceeded your current quota, please check your plan: insufficient_quota"),
    ),
    "provider-down": (
        checked("provider", "anthropic cannot be reached from the tenant"),
        said(*["[agent/embedded] anthropic: 529 overloaded_error"] * 4),
        said(*["[agent/embedded] provider openai request failed: ECONNREFUSED"] * 4),
    ),
    "channel-taken": (
        checked("channel", "telegram sends the bot's messages to another place"),
        said(
            "[telegram] getUpdates conflict: Call to 'getUpdates' failed! (409: Conflict: terminated by other "
            "getUpdates "
            "request; make sure that only one bot instance is running); retrying in 30s."
        ),
    ),
    "image-gone": (
        failed("deploy", "cannot pull ghcr.io/openclaw/openclaw@sha256:ab: manifest unknown"),
        failed(
            "upgrade",
            "cannot pull ghcr.io/openclaw/openclaw@sha256:ab: manifest for ghcr.io/x not found: manifest unknown",
        ),
    ),
    "registry-login": (
        failed(
            "deploy",
            'cannot pull ghcr.io/a/b@sha256:ab: Head "https://ghcr.io/v2/a/b": unauthorized: authentication required',
        ),
        failed(
            "deploy",
            "cannot pull x.io/a/b@sha256:ab: pull access denied for x.io/a/b, repository does "
            "not exist or may require 'docker login'",
        ),
    ),
    "migration-refused": (
        breaker(
            "exited with 78 2 times", exit_code=78, lines=("the state has schema 3, and this version knows 2 at most",)
        ),
        breaker(
            "exited with 78 2 times",
            exit_code=78,
            lines=("state schema 18 is newer than 17, which this version supports",),
        ),
        both(
            NOT_RUNNING,
            failed("deploy", "openclaw 2026.9.5: not ready", ("[state] schema version 18 is newer than supported 17",)),
        ),
    ),
    "change-undone": (
        failed("upgrade", "in the rehearsal, notes 3.0.0: app ended with 1", (REFUSED,)),
        failed("upgrade", "in the rehearsal, notes 3.0.0: app ended with 78", ("Invalid config: Unrecognized key",)),
        failed("upgrade", "in the rehearsal, notes 3.0.0 lost data: the table notes has 3 rows, not 12"),
        failed("upgrade", "notes 3.0.0: app ended with 1", (REFUSED,)),
        failed("deploy", "app ended with 78", ("Invalid config: Unrecognized key",)),
        failed("deploy", f"notes 1: app {OUT_OF_MEMORY} while the release was watched"),
        failed("rollback", "notes 1.0.0: app ended with 1", (REFUSED,)),
        failed("move", "web-2 did not answer"),
    ),
    "clock": (
        section("clock", runs=False, synchronised=False, offset=0.0),
        section("clock", offset=94.0),
    ),
    "time-server": (
        both(section("clock", synchronised=False), finding("clock", "chrony has no time server that answers", "")),
    ),
    "firewall": (
        finding("firewall", "the firewall's table is missing"),
        section("network", gate=False),
    ),
    "watch-down": (finding("watch", "not watched"),),
    "settings-changed": (finding("access", "sshd has `permitrootlogin yes` for root, not `no`"),),
    "update-pending": (section("updates", reboot=True, packages=["linux-image-amd64"]),),
    "target-full": (
        target("restic: write /srv/target: no space left on device"),
        target("restic: unexpected HTTP response (507)"),
    ),
    "target-gone": (
        target("203.0.113.88 port 8000 cannot be reached: Connection refused"),
        target(f"s3 {REFUSALS['NoSuchBucket']}"),
        target(GONE),
    ),
    "target-key": (
        target("restic: wrong password or no key found"),
        target(f"storage.example.com {REFUSALS['InvalidAccessKeyId']}"),
        target(f"storage.example.com {REFUSALS['SignatureDoesNotMatch']}"),
    ),
}
