"""Backups: a generation of a tenant's data in restic repositories, sent and fetched by a sandbox as the tenant's uid.

host_target.py   where backups lie: what an operator may name, closed
keeping.py       what the host keeps: the repository's key and targets' credentials, sealed; what was sent when
plan.py          the steps of a backup
effects.py       what its steps do
fetching.py      a backup that comes back, is kept, or is proven
work.py          what the sandbox is sent to do
inside.py        the program in the sandbox: gives root up first, then opens files and runs restic
restic.py        restic's words, as inside.py uses them
sqlite_files.py  whether SQLite files are sound
"""
