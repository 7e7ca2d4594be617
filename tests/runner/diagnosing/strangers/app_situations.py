"""What happens inside and around a tenant's app: (name, the cause that is right, what the host shows)."""

from __future__ import annotations

from launchpad.runner import paths
from tests.runner.diagnosing.strangers.stage import GB, Situation, StrangeHost

Row = tuple[str, str, Situation]


def says(*texts: str, ago: float = 3.0, every: float = 45.0) -> Situation:
    return lambda host: host.app(*texts, ago=ago, every=every)


def dies(exit_code: int, *lines: str, oom_killed: bool = False, how: str = "") -> Situation:
    return lambda host: host.dies(exit_code=exit_code, oom_killed=oom_killed, lines=lines, how=how)


def quota(*texts: str) -> Situation:
    def play(host: StrangeHost) -> None:
        host.quotas[paths.data("alice")] = (64 << 20, 64 << 20)
        host.app(*texts)

    return play


def killed_at(limit: int) -> Situation:
    """The kernel kills alice's node at its limit, as dmesg has it."""

    def play(host: StrangeHost) -> None:
        host.used[host.container("alice")] = (0, limit)
        host.dmesg(
            "node invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0",
            "memory: usage 1048576kB, limit 1048576kB, failcnt 1187",
            "Memory cgroup out of memory: Killed process 21733 (node) total-vm:22301120kB, anon-rss:1001236kB, "
            "file-rss:45056kB, shmem-rss:0kB, UID:101000 pgtables:9216kB oom_score_adj:0",
        )
        host.dies(exit_code=137, oom_killed=True, lines=("[agent/embedded] embedded run start: runId=91",))

    return play


def turn(error: str) -> tuple[str, ...]:
    """An agent's turn that ends with an error, twice, in OpenClaw's lines."""
    return (
        "[agent/embedded] embedded run start: runId=4f sessionId=main provider=anthropic model=claude-sonnet-4-5",
        f"[agent/embedded] embedded run agent end: runId=4f isError=true error={error}",
        f'[diagnostic] lane task error: lane=main durationMs=812 error="FailoverError: {error}"',
        "[agent/embedded] embedded run start: runId=50 sessionId=main provider=anthropic model=claude-sonnet-4-5",
        f"[agent/embedded] embedded run agent end: runId=50 isError=true error={error}",
        f'[diagnostic] lane task error: lane=main durationMs=790 error="FailoverError: {error}"',
    )


SITUATIONS: tuple[Row, ...] = (
    ("quota: node", "quota-full", quota(
        "[state] write failed: Error: EDQUOT: disk quota exceeded, open '/home/node/.openclaw/agents/main/sessions/9.jsonl'",
        "  errno: -122, code: 'EDQUOT', syscall: 'open'")),
    ("quota: sqlite", "quota-full", quota("SqliteError: database or disk is full", "  code: 'SQLITE_FULL'")),
    ("memory: the kernel", "out-of-memory", killed_at(GB)),
    ("memory: the heap of node", "out-of-memory", dies(
        134,
        "<--- Last few GCs --->",
        "[7:0x7f2b8c000000]    84512 ms: Mark-Compact 1010.2 (1044.9) -> 1009.8 (1045.1) MB, 812.30 / 0.00 ms  "
        "(average mu = 0.083, current mu = 0.012) allocation failure; scavenge might not succeed",
        "FATAL ERROR: Ineffective mark-compacts near heap limit Allocation failed - JavaScript heap out of memory")),
    ("exit 78: an unknown key", "exit-78", dies(
        78,
        "Config invalid", "File: ~/.openclaw/openclaw.json", "Problem:", '  - gateway: Unrecognized key: "trustedProxy"',
        "Run: openclaw doctor --fix",
        how="exited 3 times with status 78: its configuration or its data is wrong")),
    ("exit 78: no mode", "exit-78", dies(
        78,
        "Gateway start blocked: set gateway.mode=local (current: unset) or pass --allow-unconfigured.",
        how="exited 3 times with status 78: its configuration or its data is wrong")),
    ("crash: TypeError", "crash-loop", dies(
        1,
        "TypeError: Cannot read properties of undefined (reading 'port')", "    at start (/app/dist/index.js:812:19)",
        "Node.js v24.21.0")),
    ("crash: a module is missing", "crash-loop", dies(
        1,
        "Error: Cannot find module '/app/node_modules/sharp/build/Release/sharp.node'", "code: 'MODULE_NOT_FOUND'",
        "Node.js v24.21.0")),
    ("no process", "no-process", lambda host: host.becomes("dead")),
    ("proxy: OpenClaw", "untrusted-proxy", says(
        "[ws] Proxy headers detected from untrusted address. Connection will not be treated as local. Configure "
        "gateway.trustedProxies to restore local client detection behind your proxy.",
        "[http] 403 GET / remote=172.30.7.1")),
    ("origin", "origin-refused", says(
        *["[ws] closed before connect conn=81 remote=172.30.7.1 fwd=198.51.100.4 origin=https://app.example.org "
          "host=alice.example.com code=1008 reason=origin not allowed (open the Control UI from the gateway host or "
          "allow it in gateway.controlUi.allowedOrigins)"] * 3)),
    ("key: Anthropic", "key-revoked", says(*turn(
        'HTTP 401: {"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"},"request_id":"req_011Ca"}'))),
    ("key: OpenAI", "key-revoked", says(*turn(
        "401 Incorrect API key provided: sk-proj-****9fQA. You can find your API key at https://platform.openai.com/account/api-keys."))),
    ("key: OpenRouter", "key-revoked", says(*turn('401 {"error":{"message":"User not found.","code":401}}'))),
    ("key: Google", "key-revoked", says(*turn(
        '400 {"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT"}}'))),
    ("key: an organization was disabled", "key-revoked", says(*turn(
        'HTTP 403: {"type":"error","error":{"type":"permission_error","message":"This organization has been disabled."}}'))),
    ("money: Anthropic", "key-without-money", says(*turn(
        'HTTP 400: {"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to '
        'access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits."}}'))),
    ("money: OpenAI", "key-without-money", says(*turn(
        "429 You exceeded your current quota, please check your plan and billing details."))),
    ("money: OpenRouter", "key-without-money", says(*turn(
        "402 This request requires more credits, or fewer max_tokens. You requested up to 32000 tokens, but can only afford 214."))),
    ("money: Google", "key-without-money", says(*turn(
        '403 {"error":{"code":403,"message":"This API method requires billing to be enabled.","status":"PERMISSION_DENIED"}}'))),
    ("provider: overloaded", "provider-down", says(*turn(
        'HTTP 529: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}') * 2)),
    ("provider: no connection", "provider-down", says(*turn(
        "TypeError: fetch failed cause=ConnectTimeoutError: Connect Timeout Error (attempted address: "
        "api.anthropic.com:443, timeout: 10000ms) code=UND_ERR_CONNECT_TIMEOUT") * 2)),
    ("provider: 502 of its own edge", "provider-down", says(*turn("502 <html><head><title>502 Bad Gateway</title>") * 2)),
    ("channel: Telegram", "channel-taken", says(
        *["[telegram] [default] getUpdates conflict: Call to 'getUpdates' failed! (409: Conflict: terminated by other "
          "getUpdates request; make sure that only one bot instance is running); retrying in 30s."] * 4)),
    ("channel: a webhook", "channel-taken", says(
        *["[telegram] [default] Call to 'getUpdates' failed! (409: Conflict: can't use getUpdates method while webhook "
          "is active; use deleteWebhook to delete the webhook first)"] * 4)),
    ("channel: WhatsApp", "channel-taken", says(
        *["[whatsapp] Web connection closed (status 440: Stream Errored (conflict)) type=replaced; connectionReplaced"] * 3)),
    ("channel: token", "channel-refused", says(
        *["[telegram] [default] channel exited: Call to 'getMe' failed! (401: Unauthorized)"] * 3)),
    ("channel: Discord", "channel-refused", says(
        *["[discord] gateway error: Error: Fatal Gateway error: 4004 Authentication failed."] * 3)),
    ("migration: schema", "migration-refused", dies(
        1,
        "[state] opening /home/node/.openclaw/state/openclaw.sqlite",
        "Error: state database schema version 18 is newer than this build supports (17). Upgrade OpenClaw or restore a "
        "backup made with this version.")),
    ("migration: PostgreSQL's files", "migration-refused", dies(
        1,
        "FATAL:  database files are incompatible with server",
        "DETAIL:  The data directory was initialized by PostgreSQL version 17, which is not compatible with this version 16.4.")),
    ("image: manifest", "image-gone", lambda host: host.operation_failed(
        "upgrade",
        "cannot pull ghcr.io/acme/assistant@sha256:4be1: manifest for ghcr.io/acme/assistant@sha256:4be1 not found: "
        "manifest unknown: manifest unknown")),
    ("image: containerd", "image-gone", lambda host: host.operation_failed(
        "deploy", 'cannot pull ghcr.io/acme/assistant@sha256:4be1: failed to resolve reference "ghcr.io/acme/assistant'
        '@sha256:4be1": ghcr.io/acme/assistant@sha256:4be1: not found')),
    ("registry: denied", "registry-login", lambda host: host.operation_failed(
        "deploy", "cannot pull ghcr.io/acme/assistant@sha256:4be1: pull access denied for ghcr.io/acme/assistant, "
        "repository does not exist or may require 'docker login': denied: requested access to the resource is denied")),
    ("registry: head", "registry-login", lambda host: host.operation_failed(
        "upgrade", 'cannot pull ghcr.io/acme/assistant@sha256:4be1: Head "https://ghcr.io/v2/acme/assistant/manifests/'
        'sha256:4be1": no basic auth credentials')),
    ("registry: silent", "registry-down", lambda host: host.operation_failed(
        "upgrade", 'cannot pull ghcr.io/acme/assistant@sha256:4be1: Get "https://ghcr.io/v2/": net/http: request canceled '
        "while waiting for connection (Client.Timeout exceeded while awaiting headers)")),
)  # fmt: skip
