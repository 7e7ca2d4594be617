"""A real Prometheus scrapes the metrics: every query of the dashboard gives a series, every rule is evaluated."""

from __future__ import annotations

import http.server
import json
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from benchkit.ports import free_port

from launchpad.operations.observation.metrics import UP
from launchpad.runner.metering.exposition import metrics_text
from tests.runner.metering.metered import prometheus
from tests.runner.metering.test_exposition import host
from tests.runner.metering.test_rules import DASHBOARD, RULES, rules
from tests.runner.verbs.view import MemoryView

__all__ = ["host"]
Ask = Callable[[str], Any]
MOST_SECONDS = 60


@pytest.fixture
def ask(host: MemoryView, tmp_path: Path) -> Iterator[Ask]:
    """Prometheus' API, while Prometheus scrapes the host in memory each second."""
    text = f'{metrics_text(host)}# HELP {UP} Up.\n# TYPE {UP} gauge\n{UP}{{host="web-1"}} 1\n'.encode()

    class Exporter(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Exporter)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    target = f"127.0.0.1:{server.server_address[1]}"
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [{"job_name": "launchpad", "static_configs": [{"targets": [target]}]}],
    }
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = free_port()
    words = ["--config.file", str(tmp_path / "prometheus.yml"), "--storage.tsdb.path", str(tmp_path / "data")]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [prometheus("prometheus"), *words, "--web.listen-address", f"127.0.0.1:{port}"], stdout=log, stderr=log
        )

    def asked(path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/{path}", timeout=10) as answer:
            return json.load(answer)["data"]

    try:
        yield asked
    finally:
        process.terminate()
        process.wait()
        server.shutdown()
        server.server_close()


def found(read: Callable[[], Any]) -> Any:
    """What is read, once it is something."""
    end = time.monotonic() + MOST_SECONDS
    while time.monotonic() < end:
        try:
            if said := read():
                return said
        except OSError:  # it is not up yet
            pass
        time.sleep(0.2)
    return None


def series(ask: Ask, query: str) -> list[Any]:
    return list(ask(f"query?query={quote(query)}")["result"])


@pytest.mark.programs
def test_every_query_gives_a_series_and_every_rule_is_evaluated(ask: Ask) -> None:
    board = json.loads(DASHBOARD.read_text())
    asked = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    queries = [query.replace("$host", ".*").replace("$tenant", ".*") for query in asked]
    empty = [query for query in queries if not found(partial(series, ask, query))]
    assert len(queries) > 20 and empty == []

    def evaluated() -> dict[str, str]:
        known = {item["name"]: item["health"] for group in ask("rules")["groups"] for item in group["rules"]}
        return {} if "unknown" in known.values() else known

    assert found(evaluated) == dict.fromkeys(rules(), "ok")
