"""Docker's API over its Unix socket. Each call opens its own connection, so threads need no locks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from launchpad.runner.host import Failed, NoDocker
from launchpad.runner.machine.http import Answer, ask_unix, request

SOCKET = "/var/run/docker.sock"
_VERSION = "/v1.44"
"""The API version of Docker 25 and later; Debian 13 has 26.1."""


def call(method: str, target: str, body: object = None, *, fine: tuple[int, ...] = (), seconds: float = 60) -> Any:
    """Docker's answer, parsed; None without a body or for a status in `fine`. Failed with Docker's message for every
    other status from 300 on."""
    with asked(method, target, body, seconds=seconds) as answer:
        data = _body(answer)
        if answer.status in fine:
            return None
        if answer.status >= 300:
            raise Failed(f"Docker: {message(data, answer.status)}", code="docker-failed")
    return json.loads(data) if data.strip() else None


@contextmanager
def asked(method: str, target: str, body: object = None, *, seconds: float = 60) -> Iterator[Answer]:
    """The answer as a stream. Failed when Docker is down, or sends nothing for the seconds."""
    headers = {} if body is None else {"Content-Type": "application/json"}
    data = b"" if body is None else json.dumps(body).encode()
    try:
        with ask_unix(
            SOCKET, request(method, _VERSION + target, headers=headers, body=data), seconds=seconds
        ) as answer:
            yield answer
    except TimeoutError as error:
        raise NoDocker(f"Docker sent no answer for {seconds:g} s to {method} {target.partition('?')[0]}") from error
    except OSError as error:
        raise NoDocker(f"Docker does not answer on {SOCKET}: {error.strerror or error}") from error


def must_succeed(answer: Answer) -> None:
    """Failed with Docker's message unless the status is a success; then the body stays in the stream."""
    if answer.status >= 300:
        raise Failed(f"Docker: {message(answer.body(), answer.status)}", code="docker-failed")


def _body(answer: Answer) -> bytes:
    return b"" if answer.status in (204, 304) else answer.body()


def message(data: bytes, status: int) -> str:
    """Docker's message in an error answer."""
    try:
        return str(json.loads(data)["message"])
    except (ValueError, KeyError, TypeError):
        return f"status {status}"
