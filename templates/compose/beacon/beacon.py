"""A small app to try Launchpad with: a web service that keeps lines in another service's volume. No dependencies.

GET  /           the marker of this release
GET  /ready      200 once it serves, 503 before
GET  /lines      how many lines are kept, and the SHA-256 of them all
POST /lines      keeps the body as one more line
GET  /key        the SHA-256 of the secret BEACON_KEY, so that its arrival can be proven without saying it
GET  /slow?N     answers after N seconds, so that a drain can be watched
GET  /echo       a WebSocket that says back what it hears
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import signal
import struct
import sys
import time
from collections.abc import Mapping

KEEPER_PORT = 9000
LONGEST_BODY = 1 << 20
GREETING = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3

Answer = tuple[int, object]


async def main(role: str) -> None:
    """Serve until SIGTERM, then finish what is under way."""
    port = KEEPER_PORT if role == "keeper" else int(os.environ["BEACON_PORT"])
    service = Keeper(os.environ["BEACON_LINES"]) if role == "keeper" else Web(os.environ)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    open_requests: set[asyncio.Task[None]] = set()
    sockets: set[asyncio.StreamWriter] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(serve(service, sockets, reader, writer))
        open_requests.add(task)
        task.add_done_callback(open_requests.discard)

    server = await asyncio.start_server(accept, "0.0.0.0", port)
    print(f"{role} listens on {port}", flush=True)
    await stopping.wait()
    server.close()
    for writer in sockets:  # a WebSocket never ends by itself
        writer.close()
    if open_requests:
        await asyncio.wait(open_requests, timeout=20)
    print(f"{role} stopped", flush=True)


async def serve(
    service: Keeper | Web,
    sockets: set[asyncio.StreamWriter],
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    """One request on one connection; a WebSocket stands in `sockets` while it lasts."""
    try:
        method, target, headers = await read_head(reader)
        if headers.get("upgrade", "").lower() == "websocket":
            sockets.add(writer)
            await echo(headers, reader, writer)
            return
        body = await reader.readexactly(min(int(headers.get("content-length", "0")), LONGEST_BODY))
        path, _, query = target.partition("?")
        status, value = await service.answer(method, path, query, body)
        await write_answer(writer, status, value)
    except (ConnectionError, asyncio.IncompleteReadError, ValueError):
        pass  # the client is gone, or did not speak HTTP
    finally:
        sockets.discard(writer)
        writer.close()


async def read_head(reader: asyncio.StreamReader) -> tuple[str, str, dict[str, str]]:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = lines[0].split(" ")
    pairs = (line.partition(":") for line in lines[1:] if line)
    return method, target, {name.lower(): value.strip() for name, _, value in pairs}


async def write_answer(writer: asyncio.StreamWriter, status: int, value: object) -> None:
    body = json.dumps(value).encode() + b"\n"
    head = f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    writer.write(head.encode() + b"Connection: close\r\n\r\n" + body)
    await writer.drain()


class Web:
    """What the world sees."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.marker = environment["BEACON_MARKER"]
        self.behaviour = environment["BEACON_BEHAVIOUR"]
        self.keeper = environment["BEACON_KEEPER"]
        self.key = environment.get("BEACON_KEY")
        self.ready_at = time.monotonic() + float(environment["BEACON_START_SECONDS"])
        if self.behaviour == "exits":
            sys.exit("told to exit")

    async def answer(self, method: str, path: str, query: str, body: bytes) -> Answer:
        if path == "/ready":
            ready = self.behaviour != "never-ready" and time.monotonic() >= self.ready_at
            return (200, {"ready": True}) if ready else (503, {"ready": False})
        if path == "/lines":
            return await self.ask_keeper(method, body)
        if path == "/key":
            return 200, {"sha256": hashlib.sha256(self.key.encode()).hexdigest() if self.key else None}
        if path == "/slow":
            await asyncio.sleep(min(float(query or 1), 60))
        return (200, {"marker": self.marker}) if path in ("/", "/slow") else (404, {"error": "not found"})

    async def ask_keeper(self, method: str, body: bytes) -> Answer:
        try:
            reader, writer = await asyncio.open_connection(self.keeper, KEEPER_PORT)
        except OSError as error:
            return 503, {"error": f"the keeper is away: {error.strerror}"}
        writer.write(f"{method} /lines HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = await reader.read()
        writer.close()
        head, _, value = answer.partition(b"\r\n\r\n")
        return int(head.split(b" ")[1]), json.loads(value)


class Keeper:
    """What keeps the lines; one write at a time, each on the disk before it is answered."""

    def __init__(self, path: str) -> None:
        self.path = path

    async def answer(self, method: str, path: str, query: str, body: bytes) -> Answer:
        if path != "/lines":
            return 404, {"error": "not found"}
        with open(self.path, "a+b") as file:
            if method == "POST":
                file.write(body.replace(b"\n", b" ") + b"\n")
                file.flush()
                os.fsync(file.fileno())
            file.seek(0)
            lines = file.read()
        return 200, {"lines": lines.count(b"\n"), "sha256": hashlib.sha256(lines).hexdigest()}


async def echo(headers: dict[str, str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A WebSocket, until the client closes it; one frame a message, at most 64 KiB."""
    accept = base64.b64encode(hashlib.sha1(headers["sec-websocket-key"].encode() + GREETING).digest()).decode()
    upgrade = "HTTP/1.1 101 -\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    writer.write(f"{upgrade}Sec-WebSocket-Accept: {accept}\r\n\r\n".encode())
    while True:
        kind, length = await reader.readexactly(2)
        length &= 0x7F
        if length == 127:
            raise ValueError("a frame of more than 64 KiB")
        if length == 126:
            (length,) = struct.unpack(">H", await reader.readexactly(2))
        mask = await reader.readexactly(4)
        data = bytes(byte ^ mask[index % 4] for index, byte in enumerate(await reader.readexactly(length)))
        opcode = {0x9: 0xA}.get(kind & 0xF, kind & 0xF)  # a ping is answered by a pong, the rest in kind
        size = bytes([length]) if length < 126 else b"\x7e" + struct.pack(">H", length)
        writer.write(bytes([0x80 | opcode]) + size + data)
        await writer.drain()
        if opcode == 0x8:
            return


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
