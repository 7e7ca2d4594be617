"""Asks the real machine every question, inside a guest, with nothing but its own Python; a line of JSON an answer.

`python3 -I driver.py` with {"image": …, "missing": …} on standard input, in a folder that holds launchpad/ and tests/.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from launchpad.runner.machine import Machine
from tests.contract import machine_boundaries, machine_containers, machine_disk
from tests.contract.suite import CONTRACT, Question, questions
from tests.contract.world import PORT, App, World, clean

MACHINE = questions((machine_disk, machine_boundaries, machine_containers), "machine_")
"""What only the real machine is asked."""
EVERYTHING = CONTRACT | MACHINE
FIRST_SLOT = 3001

SERVER = f"""
import http.server, socket, time
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/drip":
            for byte in b"HTTP/1.0 200 OK":
                self.wfile.write(bytes([byte])); self.wfile.flush(); time.sleep(0.5)
        if self.path.startswith("/reach/"):
            begun = time.monotonic()
            try:
                socket.create_connection((self.path.split("/")[2], {PORT}), timeout=5).close()
            except OSError:
                self.send_response(502 if time.monotonic() - begun < 2 else 504); self.end_headers(); return
        self.send_response(200); self.end_headers(); self.wfile.write(b"hello")
print("hello")
http.server.ThreadingHTTPServer(("", {PORT}), Answer).serve_forever()
"""


def main() -> None:
    given = json.load(sys.stdin)
    host = Machine()
    for number, (name, question) in enumerate(EVERYTHING.items()):
        if name not in given.get("only", EVERYTHING):
            continue
        world = World(
            tenant=f"contract-{number}",
            slot=FIRST_SLOT + number,
            good=App(given["image"], ("python3", "-u", "-c", SERVER)),
            crash=App(given["image"], ("python3", "-c", "import sys; print('goodbye'); sys.exit(1)")),
            missing_image=given["missing"],
        )
        print(json.dumps(answer(host, name, question, world)), flush=True)


def answer(host: Machine, name: str, question: Question, world: World) -> dict[str, object]:
    """{"name", "error", "seconds"}; the error is empty when the promise is kept."""
    begun, error = time.monotonic(), ""
    try:
        clean(host, world)
        question(host, world)
    except Exception:
        error = traceback.format_exc()
    finally:
        clean(host, world)
    return {"name": name, "error": error, "seconds": round(time.monotonic() - begun, 3)}


if __name__ == "__main__":
    main()
