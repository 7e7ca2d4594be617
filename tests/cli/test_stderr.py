"""What a library says of itself stays out of what a person reads."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.operations.places import environment_of, write_workspace


@pytest.fixture
def hanging_up() -> Iterator[int]:
    """A port of loopback behind which every connection is accepted and closed at once."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            while True:
                try:
                    server.accept()[0].close()
                except OSError:
                    return

        thread = threading.Thread(target=hang_up)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def launchpad(root: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **environment_of(root), "NO_COLOR": "1", **variables}
    environment.pop("SSH_AUTH_SOCK", None)
    command = [sys.executable, "-m", "launchpad.cli", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("words", [("status",), ("trust", "web-1"), ("logs", "alice"), ("stop", "alice")])
def test_a_host_that_hangs_up_is_one_error_and_no_traceback(
    tmp_path: Path, hanging_up: int, words: tuple[str, ...]
) -> None:
    root = write_workspace(tmp_path / "fleet", {"web-1": hanging_up}, {"alice": "web-1"})
    done = launchpad(root, *words)
    assert done.returncode == 6
    assert "the server closed the connection without a reason" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
    assert done.stderr.count("\n") <= 2, done.stderr


def test_who_wants_to_know_is_told(tmp_path: Path, hanging_up: int) -> None:
    root = write_workspace(tmp_path / "fleet", {"web-1": hanging_up}, {"alice": "web-1"})
    assert "paramiko.transport" in launchpad(root, "status", LAUNCHPAD_DEBUG="1").stderr
