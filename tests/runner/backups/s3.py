"""An S3 server of one test's own: rclone's, over a folder, with one bucket and one key pair."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

BUCKET = "backups"
KEY_ID, SECRET = "the-id-that-hosts-have", "the-secret-that-hosts-have"
RCLONE = Path(sys.executable).with_name("rclone")
SECONDS = 20


@contextmanager
def s3_server(folder: Path, port: int, *, within: Sequence[str] = ()) -> Iterator[None]:
    """Serve what lies in the folder, a bucket for each folder in it; `within` are the words that start a program in
    another network."""
    (folder / BUCKET).mkdir(parents=True, exist_ok=True)
    argv = [*within, str(RCLONE), "serve", "s3", "--addr", f"127.0.0.1:{port}", "--config", os.devnull, str(folder)]
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "RCLONE_AUTH_KEY": f'"{KEY_ID},{SECRET}"'}
    environment["RCLONE_CACHE_DIR"] = str(folder.parent / "rclone")
    said = folder.parent / "rclone.log"
    with said.open("wb") as log, subprocess.Popen(argv, env=environment, stdout=log, stderr=log) as process:
        try:
            begun = time.monotonic()
            while b"Starting s3 server" not in said.read_bytes():
                assert process.poll() is None and time.monotonic() - begun < SECONDS, said.read_text()
                time.sleep(0.02)
            yield
        finally:
            process.terminate()
