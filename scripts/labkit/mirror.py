"""A Debian mirror for the guests that downloads every file once: the second host's packages come from the disk.

Run by the lab as `python3 -m labkit.mirror STATE_FILE`; a provider's own mirror is what it stands for.
"""

import json
import os
import shutil
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from email.utils import formatdate, parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_FRESH_SECONDS = 3600


class Mirror(ThreadingHTTPServer):
    """Serves `/debian/…` and `/debian-security/…` from a folder, and fills it from the upstreams."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], folder: Path, upstreams: dict[str, str]) -> None:
        super().__init__(address, _Handler)
        self.folder = folder
        self.upstreams = upstreams
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    def file(self, path: str) -> Path | None:
        """The local copy of `path`, downloaded when it is missing or stale; None when there is no such file."""
        archive, _, rest = path.lstrip("/").partition("/")
        if archive not in self.upstreams or ".." in rest.split("/") or not rest:
            return None
        with self._guard:
            lock = self._locks.setdefault(path, threading.Lock())
        with lock:
            local = self.folder / archive / rest
            if not self._usable(local, rest):
                self._download(f"{self.upstreams[archive]}/{urllib.parse.quote(rest)}", local)
            return local if local.is_file() else None

    def _usable(self, local: Path, rest: str) -> bool:
        if not local.is_file():
            return False
        # A package or a by-hash index never changes under its name; the other indexes do.
        if rest.startswith("pool/") or "/by-hash/" in rest:
            return True
        return time.time() - local.stat().st_ctime < _FRESH_SECONDS

    def _download(self, url: str, local: Path) -> None:
        local.parent.mkdir(parents=True, exist_ok=True)
        partial = local.with_name(f".{local.name}.partial")
        try:
            with urllib.request.urlopen(url, timeout=60) as answer, partial.open("wb") as file:
                shutil.copyfileobj(answer, file, 1 << 20)
                modified = answer.headers.get("Last-Modified")
        except (urllib.error.URLError, OSError) as error:
            # Stale is better than nothing: a lab without the internet still installs what it has seen.
            print(f"{url}: {error}", file=sys.stderr, flush=True)
            partial.unlink(missing_ok=True)
            return
        if modified:
            moment = parsedate_to_datetime(modified).timestamp()
            os.utime(partial, (moment, moment))
        partial.replace(local)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Mirror

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        local = self.server.file(urllib.parse.unquote(urllib.parse.urlsplit(self.path).path))
        if local is None:
            self.send_error(404)
            return
        status = local.stat()
        if self._unchanged_since(status.st_mtime):
            self.send_response(304)
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(status.st_size))
        self.send_header("Last-Modified", formatdate(status.st_mtime, usegmt=True))
        self.end_headers()
        if with_body:
            with local.open("rb") as file:
                shutil.copyfileobj(file, self.wfile, 1 << 20)

    def _unchanged_since(self, modified: float) -> bool:
        asked = self.headers.get("If-Modified-Since")
        try:
            return bool(asked) and parsedate_to_datetime(str(asked)).timestamp() >= int(modified)
        except ValueError:
            return False

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of single requests: a provision makes hundreds."""


def main(settings_file: str) -> None:
    """Serve until killed, as the settings say: `host`, `port`, `folder`, `upstreams`."""
    settings = json.loads(Path(settings_file).read_text())
    server = Mirror((settings["host"], settings["port"]), Path(settings["folder"]), settings["upstreams"])
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
