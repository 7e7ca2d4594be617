"""The rendered site in a real Caddy: holds requests, says when it cannot, logs little, adds and takes headers.

Caddy is given what `caddy adapt` made of the host's Caddyfile and the site, with addresses on this machine and without
TLS; timings are shortened where a test waits for them.
"""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from benchkit.ports import free_port

from launchpad.render.caddyfile import render_caddyfile
from launchpad.render.templates import TemplateSource
from tests.render.example import TEMPLATES, fleet_of, rendered
from tests.render.tools import adapt, caddy_program

pytestmark = pytest.mark.programs
HOST = "alice.example.com"
SOON = int(0.2 * 1e9)


class App(BaseHTTPRequestHandler):
    """What runs behind the site."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        got = len(self.rfile.read(size))
        facts = {"path": self.path, "got": got, "headers": dict(self.headers), "caller": self.client_address[1]}
        text = json.dumps(facts)
        self.send_response(200)
        self.send_header("Server", "leaky/1.0")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Site:
    """A Caddy that runs one site, and the app behind it."""

    def __init__(self, folder: Path, try_seconds: float) -> None:
        self.port = free_port()
        self.app_ports = (free_port(), free_port())
        self.configuration = folder / "caddy.json"
        self.configuration.write_text(json.dumps(self._local(folder, try_seconds)))
        self.log = folder / "log"

    def _local(self, folder: Path, try_seconds: float) -> Any:
        """The host's whole configuration, on this machine."""
        caddyfile = render_caddyfile(fleet_of().host("web-1"), templates=TemplateSource(shipped=TEMPLATES))
        lines = [line for line in caddyfile.splitlines() if not line.startswith("import ")]
        adapted = adapt("\n".join(lines) + "\n" + rendered("alice").files["site.caddy"])
        adapted["admin"] = {"disabled": True}
        adapted["storage"]["root"] = str(folder / "storage")
        del adapted["apps"]["tls"]
        (server,) = adapted["apps"]["http"]["servers"].values()
        server["listen"] = [f"127.0.0.1:{self.port}"]
        server["automatic_https"] = {"disable": True}
        (proxy,) = (item for item in _handlers(server["routes"]) if item["handler"] == "reverse_proxy")
        proxy["upstreams"] = [{"dial": f"127.0.0.1:{port}"} for port in self.app_ports]
        proxy["load_balancing"]["try_duration"] = int(try_seconds * 1e9)
        proxy["health_checks"]["active"]["interval"] = SOON
        return adapted

    @contextmanager
    def running(self) -> Iterator[Site]:
        with self.log.open("w") as log:
            words = [caddy_program(), "run", "--config", str(self.configuration)]
            environment = {"HOME": str(self.configuration.parent)}
            with subprocess.Popen(words, stdout=log, stderr=log, env=environment) as process:
                try:
                    until(lambda: answers(self.port))
                    yield self
                finally:
                    process.terminate()

    @contextmanager
    def app(self, side: int = 0) -> Iterator[None]:
        server = ThreadingHTTPServer(("127.0.0.1", self.app_ports[side]), App)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def ask(self, path: str = "/", *, method: str = "GET", body: bytes = b"", **headers: Any) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(method, path, body=body, headers={"Host": HOST} | headers)
        answer = connection.getresponse()
        answer.text = answer.read().decode()  # type: ignore[attr-defined]
        connection.close()
        return answer

    def logged(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]


def _handlers(routes: list[Any]) -> Iterator[Any]:
    for route in routes:
        for handler in route["handle"]:
            yield handler
            yield from _handlers(handler.get("routes", []))


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def until(condition: Any, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.02)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Site(tmp_path, try_seconds=10).running() as running:
        yield running


def test_headers_are_clean_on_the_way_out(site: Site) -> None:
    with site.app():
        answer = site.ask("/x?y=1")
    assert answer.status == 200 and json.loads(answer.text)["path"] == "/x?y=1"
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert answer.headers["Server"] is None and answer.headers["Via"] is None


def test_the_app_learns_who_asks_and_a_client_cannot_say_it(site: Site) -> None:
    claimed: dict[str, Any] = {"X-Forwarded-For": "203.0.113.9"}
    with site.app():
        headers = json.loads(site.ask("/", **claimed).text)["headers"]
    assert headers["X-Forwarded-For"] == "127.0.0.1"
    assert headers["X-Forwarded-Host"] == HOST


def test_another_name_is_not_served(site: Site) -> None:
    with site.app():
        assert site.ask("/", Host="bob.example.com").text == ""


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_request_waits_while_nobody_is_there_and_is_then_answered(site: Site, method: str) -> None:
    answered: list[Any] = []
    asking = threading.Thread(target=lambda: answered.append(site.ask("/", method=method, body=b"x" * 1000)))
    asking.start()
    time.sleep(1)  # the length of the outage, which is what is tested
    assert asking.is_alive() and not answered
    with site.app(side=1):
        asking.join(10)
    assert [answer.status for answer in answered] == [200]
    assert json.loads(answered[0].text)["got"] == 1000


def test_every_request_has_a_connection_of_its_own(site: Site) -> None:
    """A kept one would pass the gate of a side that is drained."""
    with site.app():
        callers = {json.loads(site.ask().text)["caller"] for _ in range(4)}
    assert len(callers) == 4


def test_a_side_that_refuses_is_left_for_the_other(tmp_path: Path) -> None:
    """Within the time between two checks, which are too far apart here to tell."""
    site = Site(tmp_path, try_seconds=10)
    seldom = json.loads(site.configuration.read_text().replace(f'"interval": {SOON}', f'"interval": {60 * SOON}'))
    site.configuration.write_text(json.dumps(seldom))
    with site.app(side=1), ExitStack() as first:
        first.enter_context(site.app())
        with site.running():
            assert site.ask().status == 200
            first.close()
            begun = time.monotonic()
            assert [site.ask("/", method="POST", body=b"x").status for _ in range(4)] == [200] * 4
            assert time.monotonic() - begun < 2


def test_a_wait_without_end_is_a_503_that_says_when_to_come_back(tmp_path: Path) -> None:
    with Site(tmp_path, try_seconds=0.5).running() as site:
        answer = site.ask("/?token=visible", Authorization="Bearer visible", Cookie="visible")
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.text == "Not ready. Try again in a few seconds."
        until(lambda: any(line.get("status") == 503 for line in site.logged()))
    assert "visible" not in site.log.read_text()


def test_the_access_log_has_neither_queries_nor_headers(site: Site) -> None:
    with site.app():
        site.ask("/page?token=visible", Authorization="Bearer visible", Cookie="visible", Referer="https://x/?visible")
        until(lambda: any("access" in str(line.get("logger")) for line in site.logged()))
    (entry,) = (line for line in site.logged() if "access" in str(line.get("logger")))
    assert entry["request"]["uri"] == "/page" and entry["status"] == 200
    assert "visible" not in site.log.read_text()


def test_a_side_that_does_not_run_makes_no_noise(site: Site) -> None:
    with site.app():
        site.ask()
        until(lambda: any("access" in str(line.get("logger")) for line in site.logged()))
        before = len(site.logged())
        time.sleep(1)  # five rounds of checks, of which every one fails on the other side
        assert site.logged()[before:] == []


def test_too_large_a_body_is_refused(tmp_path: Path) -> None:
    site = Site(tmp_path, try_seconds=1)
    text = site.configuration.read_text()
    assert text.count('"max_size": 128000000') == 1
    site.configuration.write_text(text.replace('"max_size": 128000000', '"max_size": 1000'))
    with site.running(), site.app():
        assert site.ask("/", method="POST", body=b"x" * 1000).status == 200
        assert site.ask("/", method="POST", body=b"x" * 5000).status == 413
