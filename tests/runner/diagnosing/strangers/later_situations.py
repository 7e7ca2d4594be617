"""More of both kinds, first played after the analysers had been mended for the other situations."""

from __future__ import annotations

from tests.runner.diagnosing.strangers.app_situations import Row, dies, says, turn
from tests.runner.diagnosing.strangers.host_situations import backup, refuses
from tests.runner.diagnosing.strangers.stage import StrangeHost


def disk_dies(host: StrangeHost) -> None:
    host.dmesg("nvme nvme0: I/O tag 112 (opcode 0x1) QID 3 timeout, aborting", "critical medium error, dev nvme0n1, sector 41252 op 0x0:(READ) flags 0x0",
               "md/raid1:md0: Disk failure on nvme0n1p2, disabling device.")  # fmt: skip


def network_card(host: StrangeHost) -> None:
    host.dmesg(
        "NETDEV WATCHDOG: CPU: 1: transmit queue 0 timed out 5120 ms",
        "virtio_net virtio0 eth0: TX timeout on queue: 0",
        priority=4,
    )


def dockers_port(host: StrangeHost) -> None:
    host.caddy({"level": "error", "msg": "unable to start: loading initial config: loading new config: http app module: start: listening on :80: listen tcp :80: bind: address already in use"})  # fmt: skip
    host.caddy_down = True
    host.programs["ss"] = 'tcp LISTEN 0 511 *:80 *:* users:(("nginx",pid=901,fd=6),("nginx",pid=902,fd=6))\n'


LISTED: tuple[Row, ...] = (
    ("key: xAI", "key-revoked", says(*turn('400 {"code":"Client specified an invalid argument","error":"Incorrect API key provided: xa***9f. You can obtain an API key from https://console.x.ai."}'))),
    ("key: Mistral", "key-revoked", says(*turn('HTTP 401: {"message":"Unauthorized","request_id":"91"}'))),
    ("money: DeepSeek", "key-without-money", says(*turn('402 {"error":{"message":"Insufficient Balance","type":"unknown_error","code":"invalid_request_error"}}'))),
    ("money: Anthropic's limit", "key-without-money", says(*turn('HTTP 400: {"type":"error","error":{"type":"invalid_request_error","message":"You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC."}}'))),
    ("provider: Google", "provider-down", says(*turn('503 {"error":{"code":503,"message":"The model is overloaded. Please try again later.","status":"UNAVAILABLE"}}') * 2)),
    ("provider: reset", "provider-down", says(*turn("TypeError: fetch failed cause=Error: read ECONNRESET") * 2)),
    ("channel: Slack", "channel-refused", says(*["[slack] socket mode failed to start: Error: An API error occurred: invalid_auth"] * 3)),
    ("memory: the V8's other words", "out-of-memory", dies(134, "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory", "Aborted (core dumped)")),
    ("memory: Python", "crash-loop|out-of-memory", dies(1, "Traceback (most recent call last):", '  File "/app/main.py", line 9, in <module>', "MemoryError")),
    ("migration: Prisma", "migration-refused", dies(1, "Error: P3009", "migrate found failed migrations in the target database, new migrations will not be applied. Read more about how to resolve migration issues")),
    ("certificate: policy", "certificate-refused", refuses('HTTP 400 urn:ietf:params:acme:error:rejectedIdentifier - Cannot issue for "alice.example.com": The ACME server refuses to issue a certificate for this domain name, because it is forbidden by policy')),
    ("certificate: secondary validation", "certificate-unreached", refuses("HTTP 400 urn:ietf:params:acme:error:connection - During secondary validation: 203.0.113.7: Fetching http://alice.example.com/.well-known/acme-challenge/Zr8: Error getting validation data", "connection")),
    ("certificate: page of a parking service", "certificate-elsewhere", refuses("HTTP 403 urn:ietf:params:acme:error:unauthorized - The key authorization file from the server did not match this challenge. Expected \"Zr8.x\" (got \"<!DOCTYPE html>\")", "unauthorized")),
    ("certificate: CAA by another way", "certificate-caa", refuses("HTTP 403 urn:ietf:params:acme:error:caa - CAA record for alice.example.com prevents issuance", "caa")),
    ("target: full, sftp's failure", "target-full", backup("restic: Save(<data/1f9a>) failed: write /srv/restic/data/1f: disk quota exceeded")),
    ("target: certificate", "target-gone|target-failed", backup('restic: unable to open config file: Head "https://backup.example.net/r/config": tls: failed to verify certificate: x509: certificate has expired or is not yet valid')),
    ("target: host key", "target-gone|target-failed|target-key", backup("restic: unable to open repository at sftp://u1@backup.example.net//r: Host key verification failed.")),
    ("target: damaged", "target-failed|target-damaged", backup("restic: pack 1f9a72 contains 1 errors: ciphertext verification failed")),
)  # fmt: skip
UNLISTED: tuple[Row, ...] = (
    ("a disk dies", "disk-failing", disk_dies),
    ("the network card hangs", "network-card", network_card),
    ("nginx has port 80", "port-taken", dockers_port),
    ("shared memory is full", "shared-memory", says(*["[pg] ERROR:  could not resize shared memory segment \"/PostgreSQL.1804289383\" to 8388608 bytes: No space left on device"] * 3)),
    ("the model is gone", "model-gone", says(*turn('HTTP 404: {"type":"error","error":{"type":"not_found_error","message":"model: claude-3-opus-20240229"}}'))),
    ("the country is refused", "key-revoked|provider-refuses", says(*turn("403 Country, region, or territory not supported"))),
    ("Discord's intents", "channel-refused", says(*["[discord] gateway error: Error: Fatal Gateway error: 4014 Disallowed intents."] * 3)),
    ("a program is missing in the image", "crash-loop|image-wrong", dies(127, 'exec: "openclaw": executable file not found in $PATH')),
    ("a database's password", "crash-loop|database-login", dies(1, 'FATAL:  password authentication failed for user "app"')),
    ("the app's own port is taken", "crash-loop|port-taken", dies(1, "Error: listen EADDRINUSE: address already in use 0.0.0.0:18789")),
    ("a library is missing", "crash-loop|image-wrong", dies(1, "Error: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.38' not found (required by better_sqlite3.node)", "code: 'ERR_DLOPEN_FAILED'")),
    ("a proxy is dead", "registry-down|network", lambda host: host.operation_failed("deploy", 'cannot pull ghcr.io/acme/assistant@sha256:4be1: Get "https://ghcr.io/v2/": proxyconnect tcp: dial tcp 10.0.0.1:3128: connect: connection refused')),
    ("the registry's certificate", "registry-down|provider-certificate", lambda host: host.operation_failed("deploy", 'cannot pull registry.acme.example/assistant@sha256:4be1: Get "https://registry.acme.example/v2/": tls: failed to verify certificate: x509: certificate signed by unknown authority')),
)  # fmt: skip
