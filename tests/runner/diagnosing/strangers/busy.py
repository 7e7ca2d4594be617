"""Busy hosts on which nothing is wrong: what the logs of tenants, Caddy, Docker and the kernel are full of anyway."""

from __future__ import annotations

import random

from tests.runner.diagnosing.strangers.stage import Situation, StrangeHost

APP = (
    "[gateway] listening on ws://0.0.0.0:18789 (PID 7)",
    "[ws] webchat connected conn={n} remote=172.30.7.1 client=openclaw-control-ui webchat v2026.9.6",
    "[ws] closed before connect conn={n} remote=172.30.7.1 fwd=198.51.100.4 code=1008 reason=pairing required",
    "[ws] unauthorized conn={n} remote=172.30.7.1 client=openclaw-control-ui reason=token_mismatch",
    "[ws] closed before connect conn={n} remote=172.30.7.1 fwd=192.0.2.77 origin=https://evil.example host=alice.example.com "
    "code=1008 reason=origin not allowed",
    "[http] 401 POST /hooks/agent remote=192.0.2.8",
    "[http] 403 GET /wp-login.php remote=192.0.2.8",
    "[telegram] [default] starting provider (@helper_bot)",
    "[telegram] getUpdates failed: Network request for 'getUpdates' failed! retrying in 2s",
    "[telegram] sendMessage failed: Call to 'sendMessage' failed! (400: Bad Request: message is not modified)",
    "[telegram] sendMessage failed: Call to 'sendMessage' failed! (403: Forbidden: bot was blocked by the user)",
    "[telegram] Call to 'sendMessage' failed! (429: Too Many Requests: retry after 4)",
    "[discord] gateway: WebSocket connection closed with code 1006; reconnecting",
    "[agent/embedded] embedded run start: runId={n} sessionId=main provider=anthropic model=claude-sonnet-4-5",
    "[agent/embedded] embedded run agent end: runId={n} isError=true error=HTTP 529 overloaded_error: Overloaded",
    "[agent/embedded] embedded run agent end: runId={n} isError=false",
    "[agent/embedded] embedded run done: runId={n} durationMs=8123 aborted=false",
    "[tools] exec failed: Command exited with code 1: cat: /etc/shadow: Permission denied",
    "[tools] exec failed: cp: error writing '/tmp/big.iso': No space left on device",
    "[tools] exec failed: sh: 1: ulimit: error setting limit (Operation not permitted); fork: Resource temporarily unavailable",
    "[tools] web_fetch failed: HTTP 402 Payment Required https://news.example.org/paywall",
    "[tools] web_fetch failed: HTTP 409 Conflict https://api.example.org/items",
    "[tools] web_fetch failed: HTTP 401: invalid x-api-key (https://weather.example.org/v1)",
    "[tools] web_fetch failed: certificate has expired https://old.example.org/",
    "[tools] web_fetch failed: getaddrinfo ENOTFOUND no-such-name.example",
    "[tools] read failed: ENOENT: no such file or directory, access '/home/node/.openclaw/workspace/notes.md'",
    "[tools] exec: docker pull acme/x failed: toomanyrequests: You have reached your pull rate limit",
    "[tools] exec output: psql: FATAL: sorry, too many clients already",
    "[cron] job summary: why does restic say 'wrong password or no key found'? (done)",
    "[cron] job summary: explain 'JavaScript heap out of memory' and 'database is locked' (done)",
    "[memory] SqliteError: database is locked; retrying in 50ms",
    "[memory] sync done files=12 durationMs=340",
    "[plugins] npm warn deprecated inflight@1.0.6: This module is not supported, and leaks memory.",
    "[skills] user asked about exit code 78 and quota exceeded in Google Sheets",
)  # fmt: skip
CADDY = (
    {"level": "info", "logger": "http.log.access.log0", "msg": "handled request", "status": 200, "duration": 0.012},
    {"level": "info", "logger": "http.log.access.log0", "msg": "handled request", "status": 403, "duration": 0.002},
    {"level": "error", "logger": "http.log.error", "msg": "dial tcp 172.30.7.2:18789: connect: connection refused", "status": 502},
    {"level": "error", "logger": "http.log.error", "msg": "context canceled", "status": 499},
    {"level": "debug", "logger": "http.stdlib", "msg": "http: TLS handshake error from 192.0.2.7:4711: no certificate available for '203.0.113.7'"},
    {"level": "warn", "logger": "tls", "msg": "stapling OCSP", "error": "no OCSP stapling for [alice.example.com]: no OCSP server specified in certificate"},
    {"level": "warn", "logger": "http", "msg": "HTTP/2 skipped because it requires TLS", "network": "tcp", "addr": ":80"},
    {"level": "error", "logger": "http.handlers.reverse_proxy", "msg": "aborting with incomplete response", "error": "http2: stream closed"},
    {"level": "info", "logger": "tls.obtain", "msg": "certificate obtained successfully", "identifier": "alice.example.com"},
    {"level": "error", "logger": "tls.obtain", "msg": "will retry", "error": "[alice.example.com] Obtain: [alice.example.com] creating new order: HTTP 429 urn:ietf:params:acme:error:rateLimited - Service busy; retry later.", "attempt": 1},
)  # fmt: skip
KERNEL = (
    (4, "eth0: Caught tx_queue_len zero misconfig"),
    (4, "TCP: request_sock_TCP: Possible SYN flooding on port 0.0.0.0:443. Sending cookies."),
    (4, "kauditd_printk_skb: 12 callbacks suppressed"),
    (3, "Memory cgroup out of memory: Killed process 4711 (python3) total-vm:2301120kB, anon-rss:901236kB, file-rss:45056kB, shmem-rss:0kB, UID:107000 pgtables:916kB oom_score_adj:0"),
    (6, "br-lp-7: port 1(veth9f2) entered forwarding state"),
    (4, "sd 0:0:0:0: [sda] Incomplete mode parameter data"),
    (4, "overlayfs: fs on '/var/lib/docker/overlay2/l/AX' does not support file handles, falling back to xino=off."),
)  # fmt: skip
JOURNAL = (
    ("sshd", "error: kex_exchange_identification: Connection closed by remote host"),
    ("sshd", "Failed password for invalid user admin from 192.0.2.55 port 41222 ssh2"),
    ("dockerd", 'time="2026-11-30T10:00:00Z" level=warning msg="ShouldRestart failed, container will not be restarted"'),
    ("dockerd", 'Handler for GET /v1.45/containers/nope/json returned error: No such container: nope'),
    ("chronyd", "Selected source 203.0.113.10 (ntp.example.net)"),
    ("systemd-resolved", "Using degraded feature set UDP instead of UDP+EDNS0 for DNS server 203.0.113.53."),
    ("launchpad-runner", "target offsite: repository is already locked, waiting up to 5m0s for the lock"),
    ("systemd", "apt-daily.service: Consumed 12.1s CPU time."),
)  # fmt: skip


def busy(seed: int) -> Situation:
    """Two days of ordinary noise; alice and bob answer, work, and finish what they began."""

    def play(host: StrangeHost) -> None:
        chance = random.Random(seed)
        for tenant in ("alice", "bob"):
            for number in range(chance.randrange(80, 200)):
                host.app(chance.choice(APP).replace("{n}", f"{chance.getrandbits(40):x}"), tenant=tenant, ago=chance.uniform(60, 86_400) if number % 3 else chance.uniform(60, 3600))  # fmt: skip
            host.app(
                "[agent/embedded] embedded run start: runId=ff sessionId=main provider=anthropic model=claude-sonnet-4-5",
                "[agent/embedded] embedded run agent end: runId=ff isError=false",
                "[agent/embedded] embedded run done: runId=ff durationMs=4123 aborted=false",
                tenant=tenant, ago=25,
            )  # fmt: skip
        for _ in range(60):
            host.caddy(chance.choice(CADDY), ago=chance.uniform(30, 86_400))
        host.caddy(CADDY[8], ago=20)
        for _ in range(12):
            priority, text = chance.choice(KERNEL)
            host.dmesg(text, priority=priority, ago=chance.uniform(60, 86_400))
            name, text = chance.choice(JOURNAL)
            host.unit(name, text, ago=chance.uniform(60, 86_400))

    return play
