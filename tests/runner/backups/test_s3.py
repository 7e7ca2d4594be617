"""The sandbox's program against an S3 server: restic, and the few words that it says to S3 itself."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from benchkit.ports import free_port

from launchpad.runner.backups import s3
from tests.runner.backups.s3 import BUCKET, KEY_ID, SECRET, s3_server
from tests.runner.backups.test_inside import PASSWORD, WRAP, Sandbox, flip, made, needs_restic

pytestmark = pytest.mark.programs

WRONG_REGION = b"<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-central-1</Region></Error>"
CREDENTIALS = {"S3_KEY_ID": KEY_ID, "S3_SECRET": SECRET}


@dataclass
class Cloud(Sandbox):
    """The program, and a bucket that lies in the folder's `store`."""

    port: int = 0

    @property
    def bucket(self) -> Path:
        return self.folder / "store" / BUCKET

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/{BUCKET}"

    def given(self, **other: Any) -> dict[str, Any]:
        known = {"kind": "s3", "url": self.url, "password": PASSWORD, "credentials": CREDENTIALS, "host_keys": []}
        return {"repository": known | other}


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    port = free_port()
    with s3_server(tmp_path / "store", port):
        yield Cloud(made(tmp_path).folder, port)


@needs_restic
def test_all_that_is_done_with_a_target_is_done_with_s3(cloud: Cloud) -> None:
    first = cloud.send(**cloud.given())["result"]
    assert first["made"] and first["unreadable"] == 0
    assert cloud.run("wraps", **cloud.given())["result"] == {"wraps": [WRAP]}
    second = cloud.send("g-2", known=True, **cloud.given())["result"]
    found = cloud.run("snapshots", **cloud.given())["result"]["snapshots"]
    assert [item["id"] for item in found] == [first["snapshot"], second["snapshot"]]
    assert cloud.run("verify", part="1/1", **cloud.given()) == {"result": {"part": "1/1"}}
    (cloud.data / "state/note").unlink()
    assert cloud.run("fetch", snapshot=second["snapshot"], **cloud.given())["result"]["files"] >= 1
    assert (cloud.data / "state/note").read_text() == "remember"
    said = cloud.run("forget", keep={"last": 1}, now=time.time(), **cloud.given())["result"]
    assert (said["removed"], said["left"]) == ([first["snapshot"]], 1)
    assert cloud.run("erase", **cloud.given()) == {"result": {"removed": [second["snapshot"]]}}
    assert cloud.run("wraps", **cloud.given())["result"] == {"wraps": []}


@needs_restic
def test_a_flipped_byte_in_the_bucket_is_found(cloud: Cloud) -> None:
    cloud.send(**cloud.given())
    flip(cloud.bucket / "alice/data")
    assert "failed" in cloud.run("verify", part="1/1", **cloud.given())


@needs_restic
def test_what_can_be_deleted_and_overwritten_is_told(cloud: Cloud) -> None:
    assert cloud.run("trial", **cloud.given())["result"] == {"delete": "done", "overwrite": "done"}
    assert not (cloud.bucket / "_launchpad-trial.key/trial").exists()


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"credentials": CREDENTIALS | {"S3_SECRET": "another"}}, "rejects this S3_SECRET"),
        ({"credentials": CREDENTIALS | {"S3_KEY_ID": "another"}}, "does not know this S3_KEY_ID"),
        ({"url": "/another"}, "has no such bucket: create the bucket first"),
    ],
    ids=["secret", "id", "bucket"],
)
def test_what_s3_refuses_is_told_at_once(cloud: Cloud, other: dict[str, Any], said: str) -> None:
    """restic by itself tries for a quarter of an hour, or makes a bucket that nobody asked for."""
    if "url" in other:
        other = {"url": cloud.url.replace(f"/{BUCKET}", other["url"])}
    begun = time.monotonic()
    answer = cloud.send(**cloud.given(**other))
    assert answer["failed"] == f"127.0.0.1:{cloud.port} {said}"
    assert time.monotonic() - begun < 30
    assert not (cloud.folder / "store/another").exists()


def test_who_is_no_s3_server_is_told_apart(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: server.accept()[0].sendall(b"SSH-2.0-hello\r\n"), daemon=True).start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(OSError, match=f"{address} does not answer like an S3 server"):
            s3.ask("GET", f"http://{address}/{BUCKET}", CREDENTIALS)


def test_nobody_overwrites_what_the_server_refuses(cloud: Cloud) -> None:
    assert s3.overwrites(f"{cloud.url}/trial", CREDENTIALS)
    assert not s3.overwrites(f"{cloud.url}/trial", CREDENTIALS | {"S3_SECRET": "another"})


def test_a_server_of_another_region_is_asked_again() -> None:
    """As AWS answers: the region is in what it says, and the next signature is for that one."""
    regions = []

    def answer(request: BaseHTTPRequestHandler) -> tuple[int, bytes, str]:
        regions.append(request.headers["authorization"].split("/")[2])
        return (200, b"found", "") if regions[-1] == "eu-central-1" else (400, WRONG_REGION, "")

    with answering(answer) as url:
        assert s3.ask("GET", url, CREDENTIALS) == s3.S3Answer(200, b"found")
    assert regions == ["us-east-1", "eu-central-1"]


@pytest.mark.parametrize("may_delete", [False, True])
def test_a_version_that_stays_is_not_written_over(may_delete: bool) -> None:
    """A bucket that keeps versions, as AWS does: what was there before is lost when its version can be deleted."""
    versions: dict[str, bytes] = {}

    def answer(request: BaseHTTPRequestHandler) -> tuple[int, bytes, str]:
        version = request.path.partition("versionId=")[2]
        if request.command == "PUT":
            name = f"v{len(versions)}"
            versions[name] = request.rfile.read(int(request.headers["content-length"]))
            return 200, b"", name
        if request.command == "DELETE" and version and may_delete:
            del versions[version]
        found = versions.get(version) if version else list(versions.values())[-1]
        return (200, found, version) if found else (404, b"", "")

    with answering(answer) as url:
        assert s3.overwrites(url, CREDENTIALS) is may_delete


@contextmanager
def answering(answer: Callable[[BaseHTTPRequestHandler], tuple[int, bytes, str]]) -> Iterator[str]:
    """The URL of a bucket whose server says this: a status, a body and a version."""

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body, version = answer(self)
            self.send_response(status)
            self.send_header("x-amz-version-id", version)
            self.end_headers()
            self.wfile.write(body)

        do_PUT = do_DELETE = do_GET

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/{BUCKET}"
        server.shutdown()
