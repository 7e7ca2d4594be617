"""What happens to the host, its edge and its backups: (name, the cause that is right, what the host shows)."""

from __future__ import annotations

from launchpad.runner.view import ClockState
from tests.runner.diagnosing.strangers.app_situations import Row
from tests.runner.diagnosing.strangers.stage import GB, Situation, StrangeHost, df

DISKS = ("/", "/var/lib/docker", "/srv/launchpad")


def full(path: str, *, inodes: bool = False) -> Situation:
    def play(host: StrangeHost) -> None:
        for own in (path, *(("/var/lib/docker",) if path == "/" else ())):
            host.disks[own] = df(80 * GB, 30 * GB, 5_000_000, 0) if inodes else df(80 * GB, 0)
        host.app(
            "[state] persist failed: Error: ENOSPC: no space left on device, write",
            "  errno: -28, code: 'ENOSPC', syscall: 'write'",
        )
        host.caddy({"logger": "tls.cache.maintenance", "msg": "could not clean default/global storage", "error": "write /data/caddy/last_clean.json: no space left on device"})  # fmt: skip
        host.unit("dockerd", "error writing log entry: write /var/lib/docker/containers/91/local-logs/container.log: no space left on device")  # fmt: skip

    return play


def docker_down(unit: str, *words: str) -> Situation:
    def play(host: StrangeHost) -> None:
        host.docker_down, host.last_words = True, words
        if words:
            host.failed_unit("docker.service")
            host.unit(
                "systemd",
                "docker.service: Main process exited, code=exited, status=1/FAILURE",
                f"docker.service: Failed with result '{unit}'.",
            )
            host.unit("dockerd", *words)
        else:
            host.unit("systemd", "Stopped docker.service - Docker Application Container Engine.")

    return play


def caddy_down(*said: dict[str, str]) -> Situation:
    def play(host: StrangeHost) -> None:
        host.caddy(*said)
        host.caddy_down = True

    return play


def no_resolver(host: StrangeHost) -> None:
    host.servers = {"203.0.113.53": False, "203.0.113.54": False}
    host.led.clear()
    host.app(*["[agent/embedded] embedded run agent end: runId=4f isError=true error=TypeError: fetch failed cause=Error: "
               "getaddrinfo EAI_AGAIN api.anthropic.com"] * 3)  # fmt: skip
    host.unit("dockerd", 'Handler for POST /v1.45/images/create returned error: Get "https://ghcr.io/v2/": dial tcp: lookup '
                         "ghcr.io: Temporary failure in name resolution")  # fmt: skip


def elsewhere(host: StrangeHost) -> None:
    host.led["alice.example.com"] = frozenset({"198.51.100.9"})


def nowhere(host: StrangeHost) -> None:
    host.led["alice.example.com"] = frozenset()
    host.refuses(
        "HTTP 400 urn:ietf:params:acme:error:dns - DNS problem: NXDOMAIN looking up A for alice.example.com - check that a "
        "DNS record exists for this domain; DNS problem: NXDOMAIN looking up AAAA for alice.example.com - check that a "
        "DNS record exists for this domain",
        kind="dns",
    )


def refuses(error: str, kind: str = "", authority: str = "") -> Situation:
    return lambda host: host.refuses(error, kind=kind, **({"authority": authority} if authority else {}))


def clock(runs: bool, synchronised: bool, offset: float) -> Situation:
    def play(host: StrangeHost) -> None:
        host.chrony = ClockState(runs=runs, synchronised=synchronised, offset=offset)
        host.programs["timedatectl"] = "NTPSynchronized=no\n"
        host.account(
            findings=[
                {
                    "subject": "clock",
                    "message": "chrony has no time server that answers",
                    "hint": "",
                    "tenant": "",
                    "since": host.now() - 900,
                }
            ]
        )

    return play


def backup(message: str) -> Situation:
    return lambda host: host.backup_failed(message)


def slow(host: StrangeHost) -> None:
    host.write("/proc/pressure/io", b"some avg10=88.10 avg60=81.44 avg300=60.02 total=9187234\n"
                                    b"full avg10=79.71 avg60=70.13 avg300=52.20 total=8187234\n")  # fmt: skip
    host.dmesg("INFO: task btrfs-transacti:312 blocked for more than 120 seconds.",
               "INFO: task jbd2/vda1-8:201 blocked for more than 120 seconds.")  # fmt: skip


def no_gate(host: StrangeHost) -> None:
    host.filter.tables.clear() if hasattr(host.filter, "tables") else None
    host.programs["nft"] = ""
    host.opened.clear()
    host.failed_unit("nftables.service")
    host.account(findings=[{"subject": "firewall", "message": "the firewall's table inet launchpad is not in the kernel", "hint": "launchpad provision web-1", "tenant": "", "since": host.now() - 60}])  # fmt: skip


def reboot(host: StrangeHost) -> None:
    host.write("/run/reboot-required", b"*** System restart required ***\n")
    host.write("/run/reboot-required.pkgs", b"linux-image-6.12.57+deb13-amd64\nlibc6\n")


SITUATIONS: tuple[Row, ...] = (
    ("disk: the host's", "disk-full", full("/")),
    ("disk: the tenants'", "disk-full", full("/srv/launchpad")),
    ("inodes", "inodes", full("/", inodes=True)),
    ("docker: failed", "docker-down", docker_down(
        "exit-code",
        "unable to configure the Docker daemon with file /etc/docker/daemon.json: invalid character '}' looking for "
        "beginning of object key string")),
    ("docker: stopped", "docker-down", docker_down("")),
    ("caddy: stopped", "caddy-down", caddy_down(
        {"level": "info", "msg": "shutting down apps, then terminating", "signal": "SIGTERM"})),
    ("resolver", "resolver", no_resolver),
    ("name: elsewhere", "name-elsewhere", elsewhere),
    ("name: NXDOMAIN", "name-elsewhere|certificate-name", nowhere),
    ("certificate: limit", "certificate-limit", refuses(
        "HTTP 429 urn:ietf:params:acme:error:rateLimited - too many certificates (5) already issued for this exact set of "
        "identifiers in the last 168h0m0s, retry after 2026-12-01 04:12:33 UTC: see https://letsencrypt.org/docs/"
        "rate-limits/#new-certificates-per-exact-set-of-identifiers")),
    ("certificate: too many failures", "certificate-limit", refuses(
        "HTTP 429 urn:ietf:params:acme:error:rateLimited - too many failed authorizations (5) for \"alice.example.com\" in "
        "the last 1h0m0s, retry after 2026-11-30 22:04:51 UTC: see https://letsencrypt.org/docs/rate-limits/")),
    ("certificate: CAA", "certificate-caa", refuses(
        "HTTP 403 urn:ietf:params:acme:error:caa - While processing CAA for alice.example.com: CAA record for example.com "
        "prevents issuance", "caa")),
    ("certificate: firewall", "certificate-unreached", refuses(
        "HTTP 400 urn:ietf:params:acme:error:connection - 203.0.113.7: Fetching http://alice.example.com/.well-known/"
        "acme-challenge/Zr8: Timeout during connect (likely firewall problem)", "connection")),
    ("certificate: refused", "certificate-unreached", refuses(
        "HTTP 400 urn:ietf:params:acme:error:connection - 203.0.113.7: Fetching http://alice.example.com/.well-known/"
        "acme-challenge/Zr8: Connection refused", "connection")),
    ("certificate: another server", "certificate-elsewhere", refuses(
        "HTTP 403 urn:ietf:params:acme:error:unauthorized - 198.51.100.9: Invalid response from http://alice.example.com/"
        ".well-known/acme-challenge/Zr8: 404", "unauthorized")),
    ("certificate: DNS", "certificate-name", refuses(
        "HTTP 400 urn:ietf:params:acme:error:dns - DNS problem: SERVFAIL looking up A for alice.example.com - the domain's "
        "nameservers may be malfunctioning", "dns")),
    ("certificate: authority", "certificate-authority", refuses(
        'provisioning client: performing request: Get "https://acme-v02.api.letsencrypt.org/directory": dial tcp '
        "172.65.32.248:443: i/o timeout")),
    ("certificate: authority's error", "certificate-authority", refuses(
        "HTTP 503 urn:ietf:params:acme:error:serverInternal - The service is down for maintenance or had an internal error. "
        "Check https://letsencrypt.status.io/ for more details.")),
    ("clock: no sources", "clock|time-server|none", clock(True, False, 0.0)),
    ("clock: chrony dead", "clock", clock(False, False, 0.0)),
    ("clock: minutes off", "clock", clock(True, True, 312.4)),
    ("firewall", "firewall", no_gate),
    ("update", "update-pending", reboot),
    ("target: sftp full", "target-full", backup(
        "restic: Save(<data/1f9a72cc1a>) failed: sftp: \"write\": no space left on device")),
    ("target: rest full", "target-full", backup(
        "restic: unable to save snapshot: server response unexpected: 507 Insufficient Storage (507)")),
    ("target: MinIO full", "target-full", backup(
        "restic: Save(<data/1f9a72cc1a>) failed: client.PutObject: Storage backend has reached its minimum free drive "
        "threshold. Please delete a few objects to proceed.")),
    ("target: quota", "target-full", backup(
        "restic: Save(<data/1f9a72cc1a>) failed: client.PutObject: Quota exceeded, limit reached on the subscription")),
    ("target: silent", "target-gone", backup("restic: backup.example.net port 22 cannot be reached: Connection refused")),
    ("target: no route", "target-gone", backup("restic: backup.example.net port 443 cannot be reached: No route to host")),
    ("target: no repository", "target-gone", backup(
        "restic: repository does not exist: unable to open config file: stat /srv/restic/alice/config: no such file or directory")),
    ("target: no name", "target-gone", backup(
        "restic: backup.example.net port 22 cannot be reached: Name or service not known")),
    ("target: wrong password", "target-key", backup("restic: wrong password or no key found")),
    ("target: S3 key", "target-key", backup(
        "restic: unable to open config file: Stat: The Access Key Id you provided does not exist in our records.")),
    ("target: S3 denied", "target-key", backup(
        "restic: unable to open config file: Stat: Access Denied.")),
    ("target: ssh key", "target-key", backup(
        "restic: unable to open repository at sftp://u1@backup.example.net//r: u1@backup.example.net: Permission denied (publickey).")),
    ("target: 401", "target-key", backup(
        "restic: unable to open config file: unexpected HTTP response (401): 401 Unauthorized")),
    ("slow disk", "slow-disk", slow),
)  # fmt: skip
