"""The zones of Hetzner's cloud API, as its client library asks for them: stateful, over HTTP, and able to fail.

Source: the paths and fields of the library's zones, https://docs.hetzner.cloud/reference/cloud#zones.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

ENDED: dict[str, Any] = {
    "id": 1,
    "command": "set_rrset_records",
    "status": "success",
    "progress": 100,
    "resources": [],
    "error": None,
}


@dataclass
class Api:
    """What it has: (zone, name, type) -> the records' values."""

    token: str
    zones: list[str]
    records: dict[tuple[str, str, str], list[str]] = field(default_factory=dict)
    ttls: dict[tuple[str, str, str], int] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)
    """What was written, in order."""
    fails: str = ""
    """The code that every change fails with."""
    ends: dict[str, Any] = field(default_factory=lambda: ENDED)
    """How a change ended, once it is asked about."""
    url: str = ""

    def zone(self, name: str) -> dict[str, Any]:
        return {"id": self.zones.index(name) + 1, "name": name, "mode": "primary", "ttl": 3600}

    def rrset(self, key: tuple[str, str, str]) -> dict[str, Any]:
        zone, name, kind = key
        records = [{"value": value, "comment": ""} for value in self.records[key]]
        number = self.zones.index(zone) + 1
        return {
            "id": f"{name}/{kind}",
            "name": name,
            "type": kind,
            "ttl": self.ttls.get(key),
            "zone": number,
            "records": records,
        }


@contextmanager
def hetzner(api: Api) -> Iterator[Api]:
    """Serve it on the loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer(self.seen)

        def do_POST(self) -> None:
            self.answer(self.changed)

        def answer(self, what: Any) -> None:
            if self.headers["Authorization"] != f"Bearer {api.token}":
                return self.say(401, {"error": {"code": "unauthorized", "message": "unable to authenticate"}})
            return self.say(*what())

        def seen(self) -> tuple[int, Any]:
            asked = urlsplit(self.path)
            parts, query = asked.path.strip("/").split("/"), parse_qs(asked.query)
            if parts == ["zones"]:
                return 200, {"zones": [api.zone(name) for name in api.zones]} | paged(len(api.zones))
            if parts[0] == "actions":
                return 200, {"actions": [api.ends]} | paged(1) if len(parts) == 1 else {"action": api.ends}
            zone, name, kinds = api.zones[int(parts[1]) - 1], query["name"][0], query["type"]
            found = [api.rrset(key) for key in api.records if key[:2] == (zone, name) and key[2] in kinds]
            return 200, {"rrsets": found} | paged(len(found))

        def changed(self) -> tuple[int, Any]:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            parts = urlsplit(self.path).path.strip("/").split("/")
            if api.fails:
                return 403 if api.fails == "forbidden" else 422, {"error": {"code": api.fails, "message": "it is not"}}
            made = parts[3:] == []
            name, kind = (body["name"], body["type"]) if made else (parts[3], parts[4])
            key = (api.zones[int(parts[1]) - 1], name, kind)
            if made and key in api.records:
                return 409, {"error": {"code": "uniqueness_error", "message": "it is there"}}
            if parts[-1] == "change_ttl":
                api.ttls[key] = body["ttl"]
                api.changes.append(f"{name} {kind} for {body['ttl']} s")
                return 201, {"action": ENDED}
            api.records[key] = [item["value"] for item in body["records"]]
            api.ttls |= {key: body["ttl"]} if made else {}
            api.changes.append(f"{name} {kind} {' '.join(api.records[key])}")
            return 201, {"action": ENDED} | ({"rrset": api.rrset(key)} if made else {})

        def say(self, status: int, body: Any) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    api.url = f"http://127.0.0.1:{server.server_port}"
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    serving.start()
    try:
        yield api
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


def paged(count: int) -> dict[str, Any]:
    """The one page of so many."""
    page = {"page": 1, "per_page": 50, "previous_page": None, "next_page": None, "last_page": 1, "total_entries": count}
    return {"meta": {"pagination": page}}
