"""Six files and a command as Launchpad does it, as a process of its own: python own_job.py PORT USER KEY PIN FOLDER.

One connection and one exec: the files travel inline, and what receives them activates them.
"""

import sys
import time
from pathlib import Path

from launchpad.ssh.connection import Connection
from launchpad.ssh.endpoint import Endpoint
from launchpad.ssh.identity import Identity

port, user, key, pin, folder = sys.argv[1:]
endpoint = Endpoint(host="web-1", address="127.0.0.1", port=int(port), user=user, fingerprints=frozenset({pin}))
files = {path.name: f"{path.read_text()}{time.time_ns()}" for path in sorted(Path(folder).glob("file-*"))}
with Connection(endpoint, identity=Identity(key_files=(Path(key),), agent=False)) as connection:
    reply = connection.ask("submit", {"id": "bench-0000000001", "operation": {"files": files}})
sys.exit(reply["outcome"] != "done")
