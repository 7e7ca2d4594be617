"""What nobody listed: the analysers' author had not heard of these when they were written.

The cause is the name that somebody gave the analyser afterwards, or `unknown`; anything else is a wrong accusation.
"""

from __future__ import annotations

from tests.runner.diagnosing.strangers.app_situations import Row, dies, says, turn
from tests.runner.diagnosing.strangers.host_situations import backup
from tests.runner.diagnosing.strangers.stage import StrangeHost


def neighbour_killed(host: StrangeHost) -> None:
    """The host itself has no memory left, and the kernel takes restic, then alice's node; no limit of hers is reached."""
    host.write("/proc/meminfo", b"MemTotal:        8138904 kB\nMemFree:           91224 kB\nMemAvailable:     120388 kB\nSwapTotal:             0 kB\n")  # fmt: skip
    host.dmesg(
        "restic invoked oom-killer: gfp_mask=0x140cca(GFP_HIGHUSER_MOVABLE|__GFP_COMP), order=0, oom_score_adj=0",
        "Out of memory: Killed process 31877 (restic) total-vm:3121200kB, anon-rss:1801236kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:5216kB oom_score_adj:0",
        "Out of memory: Killed process 21733 (node) total-vm:22301120kB, anon-rss:801236kB, file-rss:0kB, shmem-rss:0kB, UID:101000 pgtables:9216kB oom_score_adj:0",
    )  # fmt: skip


def read_only(host: StrangeHost) -> None:
    host.dmesg(
        "I/O error, dev vda, sector 18874368 op 0x1:(WRITE) flags 0x800 phys_seg 4 prio class 2",
        "EXT4-fs error (device vda1): ext4_journal_check_start:84: comm dockerd: Detected aborted journal",
        "EXT4-fs (vda1): Remounting filesystem read-only", priority=2,
    )  # fmt: skip
    host.app("[state] persist failed: Error: EROFS: read-only file system, open '/home/node/.openclaw/state/x'", "  errno: -30, code: 'EROFS'")  # fmt: skip


def btrfs_read_only(host: StrangeHost) -> None:
    host.dmesg("BTRFS error (device loop0 state A): Transaction aborted (error -5)",
               "BTRFS error (device loop0 state EA): bdev /dev/loop0 errs: wr 12, rd 0, flush 0, corrupt 0, gen 0")  # fmt: skip
    host.dmesg("BTRFS info (device loop0 state EA): forced readonly", priority=6)
    host.app("SqliteError: attempt to write a readonly database", "  code: 'SQLITE_READONLY'")


def jumped(host: StrangeHost) -> None:
    """The virtual machine was suspended for a night."""
    host.unit("chronyd", "Forward time jump detected!", "Can't synchronise: no selectable sources (3 unreachable sources)",
              "System clock wrong by 28812.118120 seconds")  # fmt: skip
    host.app("[gateway] TLS error: certificate is not yet valid code=CERT_NOT_YET_VALID")


def port_taken(host: StrangeHost) -> None:
    """A Debian package started a web server of its own before Caddy."""
    host.caddy({"level": "error", "msg": "unable to start: loading initial config: loading new config: http app module: start: listening on :443: listen tcp :443: bind: address already in use"})  # fmt: skip
    host.caddy_down = True
    host.programs["ss"] = (
        'tcp LISTEN 0 511 0.0.0.0:80  0.0.0.0:* users:(("apache2",pid=733,fd=4))\n'
        'tcp LISTEN 0 511 0.0.0.0:443 0.0.0.0:* users:(("apache2",pid=733,fd=6))\n'
    )


def layer_gone(host: StrangeHost) -> None:
    host.operation_failed(
        "start",
        "Docker: error creating overlay mount to /var/lib/docker/overlay2/8f1b/merged: no such file or directory",
    )
    host.unit("dockerd", 'Handler for POST /v1.45/containers/91/start returned error: error creating overlay mount to '
                         '/var/lib/docker/overlay2/8f1b/merged: stat /var/lib/docker/overlay2/l/QX7: no such file or directory')  # fmt: skip
    host.becomes("exited", exit_code=128)


def connections_full(host: StrangeHost) -> None:
    host.dmesg(*["nf_conntrack: nf_conntrack: table full, dropping packet"] * 6, priority=4)


def caddy_files(host: StrangeHost) -> None:
    host.caddy(*[{"level": "error", "logger": "http", "msg": "http: Accept error: accept tcp [::]:443: accept4: too many open files; retrying in 1s"}] * 5)  # fmt: skip


def subnet_taken(host: StrangeHost) -> None:
    host.operation_failed("deploy", "Docker: Pool overlaps with other one on this address space")


SITUATIONS: tuple[Row, ...] = (
    ("the host is out of memory", "host-memory", neighbour_killed),
    ("a file system became read-only", "read-only", read_only),
    ("Btrfs became read-only", "read-only", btrfs_read_only),
    ("the clock jumped", "clock", jumped),
    ("another web server has the ports", "port-taken", port_taken),
    ("a layer of an image is gone", "image-damaged", layer_gone),
    ("the table of connections is full", "connections-full", connections_full),
    ("Caddy has no file left", "open-files", caddy_files),
    ("the network overlaps", "network-taken", subnet_taken),
    ("no process more", "too-many-processes", says(
        *["[tools] exec failed: Error: spawn /bin/bash EAGAIN", "  errno: -11, code: 'EAGAIN', syscall: 'spawn /bin/bash'"] * 3)),
    ("no thread more", "too-many-processes", dies(
        2, "runtime: failed to create new OS thread (have 9 already; errno=11)", "runtime: may need to increase max user "
        "processes (ulimit -u)", "fatal error: newosproc")),
    ("no file more", "open-files", says(
        *["[tools] read failed: Error: EMFILE: too many open files, open '/home/node/.openclaw/workspace/a.md'"] * 4)),
    ("no watcher more", "open-files", says(
        *["[config] reload disabled: Error: ENOSPC: System limit for number of file watchers reached, watch "
          "'/home/node/.openclaw/openclaw.json'"] * 2)),
    ("a database is locked", "database-locked", says(
        *["[memory] sync failed: SqliteError: database is locked", "  code: 'SQLITE_BUSY'"] * 4)),
    ("a database is damaged", "database-damaged", dies(
        1, "[state] opening /home/node/.openclaw/state/openclaw.sqlite", "SqliteError: database disk image is malformed",
        "  code: 'SQLITE_CORRUPT'")),
    ("a proxy's certificate in between", "provider-certificate", says(*turn(
        "TypeError: fetch failed cause=Error: self-signed certificate in certificate chain code=SELF_SIGNED_CERT_IN_CHAIN"))),
    ("old root certificates", "provider-certificate", says(*turn(
        "TypeError: fetch failed cause=Error: certificate has expired code=CERT_HAS_EXPIRED"))),
    ("a lock of a dead backup", "target-locked", backup(
        "restic: unable to create lock in backend: repository is already locked by PID 1342 on web-1 by root (UID 0, GID "
        "0); lock was created at 2026-11-28 02:11:12 (43h18m12s ago)")),
    ("a pull limit", "registry-limit", lambda host: host.operation_failed(
        "deploy", "cannot pull docker.io/library/redis@sha256:1f: toomanyrequests: You have reached your unauthenticated "
        "pull rate limit. https://www.docker.com/increase-rate-limit")),
    ("another processor", "wrong-architecture", dies(255, "exec /usr/bin/tini: exec format error")),
    ("a file is somebody else's", "file-rights", dies(
        1, "Error: EACCES: permission denied, open '/home/node/.openclaw/openclaw.json'", "  errno: -13, code: 'EACCES'")),
    ("a black hole behind the MTU", "registry-down|network", lambda host: host.operation_failed(
        "upgrade", 'cannot pull ghcr.io/acme/assistant@sha256:4be1: Get "https://ghcr.io/v2/": net/http: TLS handshake timeout')),
    ("another gateway", "database-locked|crash-loop", dies(
        1, "Gateway failed to start: gateway already running (pid 7); lock timeout after 5000ms",
        "If the gateway is supervised, stop it with: openclaw gateway stop")),
)  # fmt: skip
