"""Evidence as real hosts show it, written by somebody who had not read the analysers, and kept apart from `cases.py`.

The words are those of Docker, Caddy, restic, systemd, the kernel, node, SQLite and OpenClaw; the way is the whole one: a
host in memory is collected, redacted and analysed.
"""
