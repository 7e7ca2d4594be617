#!/usr/bin/python3
"""Beacon: a small app with two services and a volume, whose versions each go wrong in their own way.

`beacon web` (port 8080), `beacon store` (port 8081), `beacon probe PATH` (exit 0 when the web answers 200).
"""

import base64
import hashlib
import json
import os
import signal
import socket
import sqlite3
import struct
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

DATA = Path(os.environ.get("BEACON_DATA", "/data"))
STORE = os.environ.get("BEACON_STORE_URL", "http://store:8081")
STORE_BY_NAME = os.environ.get("BEACON_STORE_NAME_URL", STORE)
STORE_SECONDS = 20.0
"""The web waits so long for its store, by either address, and then ends."""
PASSWORD = os.environ.get("STORE_PASSWORD", "")
"""What the store is initialised with, and lets nobody in without, as a database server does."""
DRAIN_SECONDS = 5.0
PERMANENT = 78
SHORTEST_KEY = 16
WORKING: list[float] = []
"""How long each piece of work takes that goes on by itself."""


@dataclass(frozen=True)
class Behaviour:
    """What one version does; the plain values are a healthy one."""

    exit_status: int | None = None
    schema: int = 1
    start_seconds: float = 0.0
    ready_seconds: float = float("inf")
    flap_seconds: tuple[float, float] | None = None
    """Not ready for the second of these, each time the first has gone by."""
    exit_seconds: float = float("inf")
    migration: str = ""
    """How the migration to its schema goes wrong: crash, corrupt, hang, memory or disk."""
    plugins: bool = False
    """Refuses for good a plugin in its volume that wants a newer version."""
    keyed: bool = False
    """Wants a key that it knows to be one: its token has to be long enough."""
    banner: str = "a light on the shore"


BEHAVIOURS = {
    "1.0.0": Behaviour(),
    "1.1.0": Behaviour(banner="a brighter light on the shore"),
    "1.2.0": Behaviour(start_seconds=float("inf")),
    "1.3.0": Behaviour(exit_status=1),
    "1.4.0": Behaviour(exit_status=PERMANENT),
    "1.5.0": Behaviour(ready_seconds=10.0),
    "1.6.0": Behaviour(banner="its image declares a volume of its own"),
    "1.7.0": Behaviour(banner="its image declares a volume that a mount covers"),
    "2.0.0": Behaviour(schema=2),
    "2.1.0": Behaviour(schema=2, start_seconds=15.0),
    "3.0.0": Behaviour(schema=3, migration="crash"),
    "3.1.0": Behaviour(schema=3, migration="corrupt"),
    "3.2.0": Behaviour(schema=3, migration="hang"),
    "3.3.0": Behaviour(schema=3, migration="memory"),
    "3.4.0": Behaviour(schema=3, migration="disk"),
    "3.5.0": Behaviour(schema=3, exit_seconds=8.0),
    "3.6.0": Behaviour(schema=3, flap_seconds=(7.0, 3.0)),
    "3.7.0": Behaviour(schema=3, plugins=True),
    "3.8.0": Behaviour(schema=3, keyed=True),
}


def leave(message: str, status: int) -> None:
    """Say why, and exit."""
    print(f"beacon: {message}", file=sys.stderr, flush=True)
    sys.exit(status)


def connect(file: str) -> sqlite3.Connection:
    """A connection to a database in the volume; every change is on the disk when its statement ends."""
    connection = sqlite3.connect(DATA / file, timeout=10, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    return connection


def open_state(schema: int) -> None:
    """Bring the web's database to `schema` in place; a newer one is refused for good, as OpenClaw does."""
    database = connect("beacon.sqlite")
    found = database.execute("PRAGMA user_version").fetchone()[0]
    if found > schema:
        leave(f"the state has schema {found}, and this version knows {schema} at most", PERMANENT)
    if found < 1:
        database.executescript("CREATE TABLE marker (text TEXT NOT NULL); PRAGMA user_version = 1;")
    if found < 2 <= schema:
        database.executescript(
            "BEGIN; ALTER TABLE marker RENAME COLUMN text TO content;"
            "ALTER TABLE marker ADD COLUMN migrated INTEGER DEFAULT 1; PRAGMA user_version = 2; COMMIT;"
        )
    if found < 3 <= schema:
        database.execute("PRAGMA user_version = 3")
    database.close()


def go_wrong(how: str) -> None:
    """What some migrations do once the schema is the new one, before anything answers."""
    match how:
        case "crash":
            leave("the migration failed halfway", 1)
        case "corrupt":
            for file in DATA.glob("beacon.sqlite*"):
                file.write_bytes(os.urandom(8192))
            leave("database disk image is malformed", 1)
        case "hang":
            threading.Event().wait()
        case "memory":
            kept = []
            while True:
                kept.append(os.urandom(1 << 24))
        case "disk":
            with (DATA / "temporary").open("wb") as file:
                while True:
                    file.write(os.urandom(1 << 20))


def judge_plugins(version: str) -> None:
    """A plugin is a file that names the version it wants at least; one that wants a newer one is not loaded."""
    for plugin in DATA.glob("*.plugin"):
        wanted = plugin.read_text().strip()
        if [*map(int, wanted.split("."))] > [*map(int, version.split("."))]:
            leave(f"{plugin.name} wants {wanted}, and this is {version}", PERMANENT)


class Server(ThreadingHTTPServer):
    """Counts the requests in flight, so that a SIGTERM can wait for them."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("", port), handler)
        self.draining = threading.Event()
        self.started = time.time()
        self.in_flight = 0
        self.guard = threading.Condition()

    def run(self) -> None:
        """Serve until SIGTERM, then finish what is under way, five seconds at most."""
        signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=self.shutdown).start())
        signal.signal(signal.SIGINT, signal.getsignal(signal.SIGTERM))
        self.serve_forever(poll_interval=0.1)
        self.draining.set()
        self.socket.close()
        with self.guard:
            self.guard.wait_for(lambda: self.in_flight == 0, timeout=DRAIN_SECONDS)
        print("beacon: drained", flush=True)


class Handler(BaseHTTPRequestHandler):
    """What both services share: counting, JSON answers, bodies."""

    protocol_version = "HTTP/1.1"
    version = ""
    server: Server

    def do_GET(self) -> None:
        with self.server.guard:
            self.server.in_flight += 1
        try:
            url = urllib.parse.urlsplit(self.path)
            self.answer(url.path, dict(urllib.parse.parse_qsl(url.query)))
        finally:
            with self.server.guard:
                self.server.in_flight -= 1
                self.server.guard.notify_all()

    do_POST = do_PUT = do_GET

    def answer(self, path: str, query: dict[str, str]) -> None:
        raise NotImplementedError

    def body(self) -> str:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()

    def reply(self, status: int, value: object) -> None:
        content = (value if isinstance(value, str) else json.dumps(value)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if isinstance(value, str) else "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Beacon-Version", self.version)
        if self.server.draining.is_set():
            self.close_connection = True
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        if "z HTTP" not in str(args[0]):
            print(f"{self.client_address[0]} {format % args}", flush=True)


class Web(Handler):
    """The public service."""

    behaviour = Behaviour()

    def answer(self, path: str, query: dict[str, str]) -> None:
        match path:
            case "/startupz" | "/readyz":
                self.reply(200, "ready") if self.ready() else self.reply(503, "not ready")
            case "/healthz":
                self.reply(200, "alive")
            case "/":
                self.reply(200, self.facts())
            case "/marker":
                self.reply(200, self.marker(self.body() if self.command != "GET" else None))
            case "/slow":
                time.sleep(int(query.get("ms", "1000")) / 1000)
                self.reply(200, "slow")
            case "/work":
                threading.Thread(target=work, args=(int(query.get("ms", "1000")) / 1000,), daemon=True).start()
                self.reply(200, "at work")
            case "/idle":
                self.reply(503, "at work") if WORKING else self.reply(200, "idle")
            case "/secret-hash":
                self.reply(200, hashlib.sha256(os.environ.get("BEACON_TOKEN", "").encode()).hexdigest())
            case "/headers":
                self.reply(200, {"client": self.client_address[0], "headers": dict(self.headers.items())})
            case "/fetch":
                self.reply(200, reach(query.get("url", "")))
            case "/ws":
                self.websocket()
            case _:
                self.reply(404, "no such page")

    def ready(self) -> bool:
        age = time.time() - self.server.started
        if self.behaviour.flap_seconds:
            well, ill = self.behaviour.flap_seconds
            if age % (well + ill) >= well:
                return False
        return self.behaviour.start_seconds <= age < self.behaviour.ready_seconds and not self.server.draining.is_set()

    def facts(self) -> dict[str, object]:
        return {
            "app": "beacon",
            "version": self.version,
            "banner": self.behaviour.banner,
            "schema": self.behaviour.schema,
            "marker": self.marker(None),
            "hits": count_hit(),
            "work": kept("work"),
            "started": self.server.started,
            "pid": os.getpid(),
        }

    def marker(self, text: str | None) -> str:
        column = "content" if self.behaviour.schema > 1 else "text"
        database = connect("beacon.sqlite")
        try:
            if text is not None:
                database.execute("BEGIN IMMEDIATE")
                database.execute("DELETE FROM marker")
                database.execute(f"INSERT INTO marker ({column}) VALUES (?)", (text,))
                database.execute("COMMIT")
            row = database.execute(f"SELECT {column} FROM marker").fetchone()
            return str(row[0]) if row else ""
        finally:
            database.close()

    def websocket(self) -> None:
        key = self.headers.get("Sec-WebSocket-Key", "")
        digest = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(digest).decode())
        self.end_headers()
        self.close_connection = True
        echo(self)


def echo(handler: Handler) -> None:
    """Echo WebSocket messages and answer pings until either side closes; ping every 10 s, say 1001 when draining."""
    TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
    handler.connection.settimeout(0.5)
    quiet_since = time.monotonic()
    while True:
        if handler.server.draining.is_set():
            send_frame(handler, CLOSE, struct.pack("!H", 1001))
            return
        try:
            # Nothing is consumed when the time runs out here: the rest of a frame follows its first bytes at once.
            if not handler.connection.recv(1, socket.MSG_PEEK):
                return
        except TimeoutError:
            if time.monotonic() - quiet_since > 10:
                send_frame(handler, PING, b"")
                quiet_since = time.monotonic()
            continue
        except OSError:
            return
        handler.connection.settimeout(10)
        first, second = read_exactly(handler, 2)
        size = second & 0x7F
        if size > 125:
            size = int.from_bytes(read_exactly(handler, 2 if size == 126 else 8), "big")
        mask = read_exactly(handler, 4) if second & 0x80 else bytes(4)
        payload = bytes(byte ^ mask[place % 4] for place, byte in enumerate(read_exactly(handler, size)))
        handler.connection.settimeout(0.5)
        kind = first & 0x0F
        if kind == CLOSE:
            send_frame(handler, CLOSE, payload)
            return
        if kind == PING:
            send_frame(handler, PONG, payload)
        elif kind != PONG:
            send_frame(handler, kind or TEXT, payload)


def read_exactly(handler: Handler, size: int) -> bytes:
    """Read `size` bytes straight from the socket: a buffering reader would hide frames from the next look at it."""
    content = b""
    while len(content) < size:
        part = handler.connection.recv(size - len(content))
        if not part:
            raise ConnectionResetError
        content += part
    return content


def send_frame(handler: Handler, kind: int, payload: bytes) -> None:
    """Send one whole WebSocket frame."""
    size = len(payload)
    length = bytes([size]) if size < 126 else b"\x7e" + struct.pack("!H", size)
    if size > 65535:
        length = b"\x7f" + struct.pack("!Q", size)
    handler.connection.sendall(bytes([0x80 | kind]) + length + payload)


def reach(url: str) -> dict[str, object]:
    """Try a TCP connection to where `url` points: what the tenant's egress rules allow."""
    target = urllib.parse.urlsplit(url)
    port = target.port or (443 if target.scheme == "https" else 80)
    try:
        with socket.create_connection((target.hostname or "", port), timeout=3):
            return {"reachable": True, "error": ""}
    except OSError as error:
        return {"reachable": False, "error": str(error)}


def await_store() -> None:
    """Wait until the store answers by its address and by its name; without it this service is nothing."""
    end = time.monotonic() + STORE_SECONDS
    for where in (STORE, STORE_BY_NAME):
        request = urllib.request.Request(f"{where}/keys/hits", headers={"Store-Password": PASSWORD})
        while True:
            try:
                urllib.request.urlopen(request, timeout=5)
            except urllib.error.HTTPError as error:
                if error.code == 403:
                    leave(f"the store at {where} refuses the password", 1)
                break
            except OSError as error:
                if time.monotonic() > end:
                    leave(f"the store does not answer at {where}: {error}", 1)
                time.sleep(0.1)
            else:
                break


def work(seconds: float) -> None:
    """Work that nobody waits for, as a turn of an agent is; the store counts it when it is done."""
    WORKING.append(seconds)
    time.sleep(seconds)
    count_hit("work")
    WORKING.remove(seconds)


def count_hit(key: str = "hits") -> int | None:
    """Count a visit in the store; None when it does not answer."""
    headers = {"Store-Password": PASSWORD}
    request = urllib.request.Request(f"{STORE}/increment/{key}", method="POST", data=b"", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=1) as answer:
            return int(json.load(answer)["value"])
    except (OSError, ValueError):
        return None


def kept(key: str) -> int | None:
    """What the store has under this key."""
    try:
        request = urllib.request.Request(f"{STORE}/keys/{key}", headers={"Store-Password": PASSWORD})
        with urllib.request.urlopen(request, timeout=1) as answer:
            return int(json.load(answer)["value"])
    except (OSError, ValueError):
        return None


class Store(Handler):
    """The private service: numbers and texts by name, in a volume of its own."""

    password = ""
    """The digest of the password that its data was made with; empty when there was none."""

    def answer(self, path: str, query: dict[str, str]) -> None:
        verb, _, key = path.strip("/").partition("/")
        if verb in ("startupz", "readyz", "healthz"):
            self.reply(200, "ready")
            return
        if self.password not in ("", digest(self.headers.get("Store-Password", ""))):
            self.reply(403, "wrong password")
            return
        database = connect("store.sqlite")
        try:
            if verb == "increment" and self.command == "POST":
                change = "INSERT INTO pair VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = value + ?2"
                database.execute(change, (key, int(query.get("by", "1"))))
            elif verb == "keys" and self.command == "PUT":
                database.execute("INSERT OR REPLACE INTO pair VALUES (?, ?)", (key, self.body()))
            row = database.execute("SELECT value FROM pair WHERE key = ?", (key,)).fetchone()
            self.reply(200 if row else 404, {"value": row[0] if row else None})
        finally:
            database.close()


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def open_store() -> str:
    """The store's database, made at the first start, and the digest of the password that it was made with."""
    database = connect("store.sqlite")
    database.execute("BEGIN IMMEDIATE")
    fresh = not database.execute("SELECT 1 FROM sqlite_schema WHERE name = 'pair'").fetchone()
    database.execute("CREATE TABLE IF NOT EXISTS pair (key TEXT PRIMARY KEY, value)")
    if fresh and PASSWORD:
        database.execute("CREATE TABLE password (digest TEXT)")
        database.execute("INSERT INTO password VALUES (?)", (digest(PASSWORD),))
    database.execute("COMMIT")
    guarded = database.execute("SELECT 1 FROM sqlite_schema WHERE name = 'password'").fetchone()
    found = database.execute("SELECT digest FROM password").fetchone() if guarded else None
    database.close()
    return str(found[0]) if found else ""


def main(words: list[str]) -> None:
    """Start one service, or ask the web one question."""
    version = Path("/usr/local/share/beacon/version").read_text().strip()
    match words:
        case ["web"]:
            behaviour = BEHAVIOURS[version]
            if behaviour.exit_status is not None:
                leave(f"{version} cannot start", behaviour.exit_status)
            await_store()
            open_state(behaviour.schema)
            go_wrong(behaviour.migration)
            if behaviour.plugins:
                judge_plugins(version)
            if behaviour.keyed and len(os.environ.get("BEACON_TOKEN", "")) < SHORTEST_KEY:
                leave("the key is wrong", 1)
            if behaviour.exit_seconds < float("inf"):
                threading.Timer(behaviour.exit_seconds, lambda: os._exit(1)).start()
            Web.version, Web.behaviour = version, behaviour
            print(f"beacon {version}: {behaviour.banner}", flush=True)
            Server(8080, Web).run()
        case ["store"]:
            Store.version, Store.password = version, open_store()
            print(f"beacon store {version}", flush=True)
            Server(8081, Store).run()
        case ["probe", address]:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:8080{address}", timeout=3)
            except OSError as error:
                leave(str(error), 1)
        case _:
            leave("say web, store or probe PATH", 2)


if __name__ == "__main__":
    main(sys.argv[1:])
