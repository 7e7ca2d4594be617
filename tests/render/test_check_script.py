"""OpenClaw's action `check`: what each provider's and channel's answer makes of a key, and that no key is printed."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from launchpad.runner.facts import Grade
from launchpad.runner.watching.app_answer import app_facts
from tests.render.example import TEMPLATES

pytestmark = [pytest.mark.skipif(shutil.which("node") is None, reason="Node is not here"), pytest.mark.programs]

SCRIPT = TEMPLATES / "compose/openclaw/check.mjs"
KEY = "sk-test-0123456789:abcdefghij-ABCDEFGHIJ"
WAYS = {
    "ANTHROPIC_API_KEY": "api.anthropic.com/v1/models",
    "OPENAI_API_KEY": "api.openai.com/v1/models",
    "OPENROUTER_API_KEY": "openrouter.ai/api/v1/key",
    "TELEGRAM_BOT_TOKEN": f"api.telegram.org/bot{KEY}/getMe",
    "DISCORD_BOT_TOKEN": "discord.com/api/v10/users/@me",
    "SLACK_BOT_TOKEN": "slack.com/api/auth.test",
}
TO_HERE = """
const there = globalThis.fetch;
globalThis.fetch = (address, options) => there(String(address).replace("https://", "http://127.0.0.1:PORT/"), options);
"""


class Provider(ThreadingHTTPServer):
    """Every provider at once: an address without its scheme → status and body. What it was asked, with the headers."""

    answers: dict[str, tuple[int, Any]]
    asked: list[tuple[str, dict[str, str]]]


@pytest.fixture
def provider() -> Iterator[Provider]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert isinstance(self.server, Provider)
            where = self.path.removeprefix("/")
            self.server.asked.append((where, {name.lower(): value for name, value in self.headers.items()}))
            status, body = self.server.answers.get(where, (200, {"ok": True, "result": {"url": ""}}))
            content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            self.send_response(status)
            if status == 302:
                self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/elsewhere")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None: ...

    with Provider(("127.0.0.1", 0), Handler) as server:
        server.answers, server.asked = {}, []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def check(provider: Provider, tmp_path: Path, *secrets: str, port: int = 0) -> tuple[int, dict[str, str]]:
    """Exit status, and secret → state; the customer has these secrets."""
    redirect = tmp_path / "redirect.mjs"
    redirect.write_text(TO_HERE.replace("PORT", str(port or provider.server_port)))
    environment = {"PATH": "/usr/bin:/bin", "OPENCLAW_STATE_DIR": str(tmp_path)} | dict.fromkeys(secrets, KEY)
    words = ["node", "--import", redirect.as_uri(), str(SCRIPT)]
    done = subprocess.run(words, capture_output=True, text=True, env=environment)
    assert KEY not in done.stdout + done.stderr and KEY[:12] not in done.stdout + done.stderr
    facts = app_facts(done.returncode, done.stdout, tenant="alice")
    assert Grade.unknown not in {fact.grade for fact in facts}, done.stdout
    return done.returncode, {item["secret"]: item["state"] for item in json.loads(done.stdout)["checks"]}


def test_keys_that_work_work(provider: Provider, tmp_path: Path) -> None:
    assert check(provider, tmp_path, *WAYS) == (0, dict.fromkeys(WAYS, "works"))
    headers = {where.split("/")[0]: found for where, found in provider.asked}
    assert headers["api.anthropic.com"]["x-api-key"] == KEY
    assert headers["api.openai.com"]["authorization"] == f"Bearer {KEY}"
    assert headers["discord.com"]["authorization"] == f"Bot {KEY}"


def test_whoever_has_no_key_is_not_asked(provider: Provider, tmp_path: Path) -> None:
    assert check(provider, tmp_path) == (0, {})
    assert provider.asked == []


@pytest.mark.parametrize(
    ("secret", "status", "body", "state"),
    [
        *((secret, 401, {}, "refused") for secret in WAYS if secret != "SLACK_BOT_TOKEN"),
        ("SLACK_BOT_TOKEN", 200, {"ok": False, "error": "invalid_auth"}, "refused"),
        ("TELEGRAM_BOT_TOKEN", 404, {}, "refused"),
        ("ANTHROPIC_API_KEY", 403, {}, "forbidden"),
        ("OPENAI_API_KEY", 403, "<html>", "forbidden"),
        ("OPENAI_API_KEY", 429, {"error": {"code": "insufficient_quota"}}, "unpaid"),
        ("OPENAI_API_KEY", 429, {"error": {"code": "rate_limit_exceeded"}}, "limited"),
        ("ANTHROPIC_API_KEY", 429, {}, "limited"),
        ("OPENROUTER_API_KEY", 402, {}, "unpaid"),
        ("OPENROUTER_API_KEY", 200, {"data": {"limit_remaining": 0}}, "unpaid"),
        ("OPENROUTER_API_KEY", 200, {"data": {"limit_remaining": None}}, "works"),
        ("ANTHROPIC_API_KEY", 529, {}, "failing"),
        ("ANTHROPIC_API_KEY", 302, {}, "failing"),
        ("DISCORD_BOT_TOKEN", 500, "", "failing"),
    ],
)
def test_each_answer_is_told_apart(
    provider: Provider, tmp_path: Path, secret: str, status: int, body: Any, state: str
) -> None:
    provider.answers[WAYS[secret]] = (status, body)
    assert check(provider, tmp_path, secret) == (int(state != "works"), {secret: state})
    assert all(where != "elsewhere" for where, _ in provider.asked), "no key follows a redirect"


def test_a_bot_whose_messages_go_elsewhere_is_taken(provider: Provider, tmp_path: Path) -> None:
    where = f"api.telegram.org/bot{KEY}/getWebhookInfo"
    provider.answers[where] = (200, {"ok": True, "result": {"url": "https://other.example.com/hook"}})
    assert check(provider, tmp_path, "TELEGRAM_BOT_TOKEN") == (1, {"TELEGRAM_BOT_TOKEN": "taken"})


def test_a_provider_that_is_not_there_is_unreachable(provider: Provider, tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as closed:
        port = closed.server_port
    assert check(provider, tmp_path, *WAYS, port=port) == (1, dict.fromkeys(WAYS, "unreachable"))


def test_the_address_that_the_app_itself_is_told_is_asked(provider: Provider, tmp_path: Path) -> None:
    own = {"baseUrl": f"http://127.0.0.1:{provider.server_port}/proxy/v1/"}
    (tmp_path / "openclaw.json").write_text(json.dumps({"models": {"providers": {"anthropic": own}}}))
    provider.answers["proxy/v1/models"] = (401, {})
    assert check(provider, tmp_path, "ANTHROPIC_API_KEY") == (1, {"ANTHROPIC_API_KEY": "refused"})
