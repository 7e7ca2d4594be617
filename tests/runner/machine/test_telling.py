"""Messages: what a program says of a URL never shows a part of it, and signs of life go by HTTP alone."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from typing import ClassVar

import pytest

from launchpad.runner.host import Failed
from launchpad.runner.machine.telling import HostMessages, hidden

URL = "mailto://ops:the-password@mail.example.com:587/?to=team@example.com&smtp=relay.example.com"


@pytest.mark.parametrize("part", [URL, "the-password", "ops:the-password@", "team@example.com", "relay.example.com"])
def test_no_part_of_a_url_is_shown(part: str) -> None:
    shown = hidden(f"could not log in with {part}: refused", URL)
    assert "password" not in shown and "team" not in shown and "relay" not in shown
    assert shown.startswith("could not log in with [hidden]") or shown.startswith("could not log in with ops:[hidden]")
    assert shown.endswith(": refused")


class Listener(http.server.BaseHTTPRequestHandler):
    heard: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        Listener.heard.append(self.path)
        self.send_response(404 if "gone" in self.path else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def listener() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_sign_of_life_is_one_request(listener: str) -> None:
    HostMessages().fetch(f"{listener}/a-long-token")
    assert Listener.heard[-1] == "/a-long-token"
    with pytest.raises(Failed, match="404") as raised:
        HostMessages().fetch(f"{listener}/gone-long-token")
    assert "long-token" not in raised.value.message


@pytest.mark.parametrize(
    "url",
    ["file:///etc/shadow", "ftp://127.0.0.1/x", "http://192.0.2.1/a-long-token", "http://127.0.0.1:1/a-long-token"],
)
def test_a_sign_of_life_that_goes_nowhere_fails_without_its_url(url: str) -> None:
    with pytest.raises(Failed) as raised:
        HostMessages().fetch(url)
    assert "a-long-token" not in raised.value.message and "shadow" not in raised.value.message


def test_the_minute_of_the_day_is_of_the_time_zone() -> None:
    messages = HostMessages()
    there, here = messages.minute_of_day("Asia/Kathmandu"), messages.minute_of_day("UTC")
    assert (there - here) % 1440 in (5 * 60 + 45, 5 * 60 + 46)
    assert messages.minute_of_day("No/Where") in (here, here + 1, 0)
    assert messages.stamp(0.0) == "1970-01-01 00:00 UTC"
