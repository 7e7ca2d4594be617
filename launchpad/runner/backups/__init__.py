"""Backups: generations of a tenant's data in restic repositories; a sandbox with the tenant's uid sends and fetches.

host_target.py   the places for backups that an operator may name
keeping.py       what the host keeps: the repository's key, sealed and wrapped; the state of each target
plan.py          judges a request and chooses the steps
effects.py       runs and undoes the steps
finding.py       finds the backup that a request names
fetching.py      fetches a backup, keeps it as a generation, or proves it
work.py          the sandbox's tasks
inside.py        the program in the sandbox: drops root first, then opens files and runs restic
restic.py        runs restic for inside.py
sqlite_files.py  checks SQLite files
"""
