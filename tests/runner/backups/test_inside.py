"""The sandbox's program against restic itself: what it does with repositories, whoever else was there before."""

from __future__ import annotations

import datetime
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PASSWORD, WRAP = "a-random-repository-key", "-----BEGIN AGE ENCRYPTED FILE-----\nwrapped\n"
ROOT = Path(__file__).resolve().parents[3]


def _restic() -> bool:
    if shutil.which("restic") is None:
        return False
    said = subprocess.run(["restic", "version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"restic (\d+)\.(\d+)", said)
    return found is not None and (int(found[1]), int(found[2])) >= (0, 17)


_there = pytest.mark.skipif(not _restic(), reason="needs restic 0.17 or newer")
pytestmark = [_there, pytest.mark.programs]


def needs_restic(test: Callable[..., None]) -> Callable[..., None]:
    return pytest.mark.programs(_there(test))


@dataclass
class Sandbox:
    """The program as it is started on a host, but for the walls around it."""

    folder: Path

    @property
    def data(self) -> Path:
        return self.folder / "generation"

    @property
    def target(self) -> Path:
        return self.folder / "target"

    def run(self, do: str, *, uid: int | None = None, path: str = os.environ["PATH"], **more: Any) -> dict[str, Any]:
        """What it answers in the end."""
        process = self.start(do, uid=uid, path=path, **more)
        out, errors = process.communicate()
        assert process.returncode == 0, errors
        answer: dict[str, Any] = json.loads(out.splitlines()[-1])
        return answer

    def start(
        self, do: str, *, uid: int | None = None, path: str = os.environ["PATH"], **more: Any
    ) -> subprocess.Popen[str]:
        """Begin it, in a process group of its own."""
        tmp = self.folder / f"tmp-{do}"
        tmp.mkdir(exist_ok=True, mode=0o1777)
        tmp.chmod(0o1777)
        repository = {
            "kind": "local",
            "url": str(self.target),
            "password": PASSWORD,
            "credentials": {},
            "host_keys": [],
        }
        task = {"do": do, "uid": os.getuid() if uid is None else uid, "tenant": "alice", "root": str(self.data)}
        task |= {"repository": repository} | more
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            [sys.executable, "-c", "import sys; from launchpad.runner.backups.inside import main; sys.exit(main())"],
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            text=True,
            env={"PATH": path, "TMPDIR": str(tmp), "PYTHONPATH": str(ROOT)},
            start_new_session=True,
        )
        assert process.stdin
        process.stdin.write(json.dumps(task) + "\n")
        process.stdin.flush()
        return process

    def send(self, generation: str = "g-1", **more: Any) -> dict[str, Any]:
        given: dict[str, Any] = {"tags": [f"generation={generation}"], "wrap": WRAP, "known": False}
        return self.run("send", **(given | more))


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    return made(tmp_path)


def made(folder: Path) -> Sandbox:
    sandbox = Sandbox(folder)
    (sandbox.data / "state").mkdir(parents=True)
    sandbox.target.mkdir()
    (sandbox.data / "state/note").write_text("remember")
    return sandbox


def test_a_first_backup_makes_the_repository_and_lays_the_wrapped_key_beside_it(sandbox: Sandbox) -> None:
    sent = sandbox.send()["result"]
    assert sent["made"] and sent["files"] == 1 and sent["unreadable"] == 0
    assert sandbox.run("wraps")["result"] == {"wraps": [WRAP]}
    (found,) = sandbox.run("snapshots")["result"]["snapshots"]
    assert found["id"] == sent["snapshot"] and found["tags"] == ["generation=g-1"]


def test_a_second_backup_adds_to_the_first(sandbox: Sandbox) -> None:
    first = sandbox.send()["result"]
    (sandbox.data / "state/other").write_text("also")
    second = sandbox.send("g-2", known=True)["result"]
    assert not second["made"]
    assert [item["id"] for item in sandbox.run("snapshots")["result"]["snapshots"]] == [
        first["snapshot"],
        second["snapshot"],
    ]
    assert sandbox.run("wraps")["result"] == {"wraps": [WRAP]}


def test_what_was_sent_comes_back(sandbox: Sandbox) -> None:
    sent = sandbox.send()["result"]
    (sandbox.data / "state/note").unlink()
    assert sandbox.run("fetch", snapshot=sent["snapshot"])["result"]["files"] >= 1
    assert (sandbox.data / "state/note").read_text() == "remember"


def test_a_repository_that_is_gone_is_not_made_anew_in_silence(sandbox: Sandbox) -> None:
    sandbox.send()
    shutil.rmtree(sandbox.target)
    sandbox.target.mkdir()
    answer = sandbox.send("g-2", known=True)
    assert answer["code"] == 10
    assert list(sandbox.target.iterdir()) == []


def test_another_key_opens_nothing(sandbox: Sandbox) -> None:
    sandbox.send()
    other = {"kind": "local", "url": str(sandbox.target), "password": "another", "credentials": {}, "host_keys": []}
    answer = sandbox.send("g-2", repository=other)
    assert answer["code"] == 12
    assert "another" not in answer["failed"]


def test_a_server_that_does_not_answer_is_told_at_once(sandbox: Sandbox) -> None:
    """restic by itself tries for a quarter of an hour."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    where = {"kind": "rest", "url": url, "password": PASSWORD, "credentials": {}, "host_keys": []}
    begun = time.monotonic()
    answer = sandbox.run("snapshots", repository=where)
    assert answer["failed"] == f"127.0.0.1 port {port} cannot be reached: Connection refused"
    assert time.monotonic() - begun < 10


def test_a_host_that_was_provisioned_before_says_what_is_missing(sandbox: Sandbox) -> None:
    assert (
        "restic is missing on this host: launchpad provision" in sandbox.run("snapshots", path="/nonexistent")["failed"]
    )


def test_what_no_rule_keeps_is_deleted_and_the_rest_is_whole(sandbox: Sandbox) -> None:
    first = sandbox.send()["result"]["snapshot"]
    second = sandbox.send("g-2", known=True, wrap="")["result"]["snapshot"]
    said = sandbox.run("forget", keep={"last": 1, "daily": 0}, now=time.time())["result"]
    assert (said["removed"], said["left"], said["seen"]["ids"]) == ([first], 1, [second])
    assert sandbox.run("verify", part="1/1") == {"result": {"part": "1/1"}}
    assert sandbox.run("fetch", snapshot=second)["result"]["files"] >= 1


def test_nothing_is_deleted_when_a_backup_is_dated_in_the_future(sandbox: Sandbox) -> None:
    """By such ones whoever broke into a host could have the real ones pushed out."""
    sandbox.send()
    forged = sandbox.send("g-2", known=True, wrap="")["result"]["snapshot"]
    yesterday = time.time() - 2 * 86_400
    answer = sandbox.run("forget", keep={"last": 1}, now=yesterday)
    assert "nothing was deleted" in answer["failed"]
    assert len(sandbox.run("snapshots")["result"]["snapshots"]) == 2 and forged


KEEP = {"last": 3, "daily": 14, "weekly": 8, "monthly": 12}
NOW = datetime.datetime(2026, 11, 26, 12, tzinfo=datetime.UTC)


def dated(sandbox: Sandbox, *times: datetime.datetime) -> list[str]:
    """What somebody adds who has the target's credentials and the repository's key, with any date: the ids."""
    for at in times:
        words = ["--time", at.strftime("%Y-%m-%d %H:%M:%S"), "--host=alice", "--group-by=host", str(sandbox.data)]
        restic(sandbox, "backup", *words)
    return [item["id"] for item in json.loads(restic(sandbox, "snapshots"))][-len(times) :]


def restic(sandbox: Sandbox, *words: str) -> str:
    environment = {"PATH": os.environ["PATH"], "RESTIC_PASSWORD": PASSWORD, "TZ": "UTC"}
    argv = ["restic", "-r", str(sandbox.target / "alice"), "--no-cache", "--json", *words]
    return subprocess.run(argv, env=environment, text=True, capture_output=True, check=True).stdout


Pushed = tuple[Sandbox, dict[str, Any], set[str], set[str]]


@pytest.fixture(scope="module")
def pushed_once(tmp_path_factory: pytest.TempPathFactory) -> Pushed:
    sandbox = made(tmp_path_factory.mktemp("pushed"))
    restic(sandbox, "init")
    days = [NOW - datetime.timedelta(days=day) for day in range(10, 0, -1)]
    real = set(dated(sandbox, *days))
    seen = sandbox.run("forget", keep=KEEP, now=NOW.timestamp())["result"]["seen"]
    assert set(seen["ids"]) == real
    dated(sandbox, *(day.replace(hour=23, minute=59) for day in days[:-1]), NOW, NOW, NOW)
    return sandbox, seen, real, ids(sandbox) - real


@pytest.fixture
def pushed(pushed_once: Pushed, sandbox: Sandbox) -> Pushed:
    """Ten days' backups that operators have seen, and then a thief's, which the rules would rather keep: what was
    seen, the real ones and the thief's. A copy of one that is made once: each opening takes restic most of a second."""
    first, seen, real, forged = pushed_once
    shutil.copytree(first.target, sandbox.target, dirs_exist_ok=True)
    return sandbox, seen, real, forged


def ids(sandbox: Sandbox) -> set[str]:
    return {item["id"] for item in sandbox.run("snapshots")["result"]["snapshots"]}


def test_backups_dated_back_push_nothing_out(pushed: Pushed) -> None:
    sandbox, seen, real, forged = pushed
    said = sandbox.run("forget", keep=KEEP, now=NOW.timestamp(), before=seen)["result"]
    assert said["removed"] == [] and len(said["odd"]) == 9 and set(said["odd"]) < forged
    assert ids(sandbox) == real | forged
    assert said["seen"] == seen, "they would be known the next time"


def test_backups_dated_back_are_deleted_when_operators_say_so(pushed: Pushed) -> None:
    sandbox, seen, real, forged = pushed
    said = sandbox.run("forget", keep=KEEP, now=NOW.timestamp(), before=seen, odd="delete")["result"]
    assert set(said["removed"]) < forged and len(said["removed"]) == 9
    assert real <= ids(sandbox)


def test_backups_dated_back_are_believed_when_operators_say_so(pushed: Pushed) -> None:
    sandbox, seen, real, _ = pushed
    said = sandbox.run("forget", keep=KEEP, now=NOW.timestamp(), before=seen, odd="keep")["result"]
    assert len(set(said["removed"]) & real) == 8
    assert set(said["seen"]["ids"]) == ids(sandbox)


def test_a_look_deletes_nothing(pushed: Pushed) -> None:
    sandbox, _, real, forged = pushed
    said = sandbox.run("forget", keep=KEEP, now=NOW.timestamp(), dry=True)["result"]
    assert len(said["removed"]) == 8 and set(said["seen"]["ids"]) == real | forged == ids(sandbox)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_a_target_that_refuses_to_delete_is_told() -> None:
    """restic itself exits with 0 then."""
    with tempfile.TemporaryDirectory() as folder:
        sandbox = made(Path(folder))
        for path in (sandbox.folder, *sandbox.folder.rglob("*")):
            path.chmod(0o755)
        os.chown(sandbox.target, 1_010_007, 1_010_007)
        sandbox.send(uid=1_010_007)
        sandbox.send("g-2", known=True, wrap="", uid=1_010_007)
        (sandbox.target / "alice/snapshots").chmod(0o500)
        answer = sandbox.run("forget", keep={"last": 1}, now=time.time(), uid=1_010_007)
        assert "failed" in answer
        assert len(sandbox.run("snapshots", uid=1_010_007)["result"]["snapshots"]) == 2


def test_what_can_be_deleted_is_told(sandbox: Sandbox) -> None:
    assert sandbox.run("trial")["result"] == {"delete": "done", "overwrite": "untried"}


def test_no_repository_has_no_backups_and_no_wrapped_keys(sandbox: Sandbox) -> None:
    assert sandbox.run("snapshots")["result"] == {"snapshots": [], "there": False}
    assert sandbox.run("wraps")["result"] == {"wraps": []}


def test_a_flipped_byte_is_found_by_the_parts_together(sandbox: Sandbox) -> None:
    (sandbox.data / "state/large").write_bytes(os.urandom(3_000_000))
    sandbox.send()
    flip(sandbox.target / "alice/data")
    answers = [sandbox.run("verify", part=f"{n}/7") for n in range(1, 8)]
    assert sum("failed" in answer for answer in answers) == 1


def test_a_flipped_byte_beside_the_repository_is_found_every_day(sandbox: Sandbox) -> None:
    sandbox.send()
    flip(sandbox.target / "alice.key/data")
    assert "failed" in sandbox.run("verify", part="3/7")


def flip(folder: Path) -> None:
    """Flip a bit in the middle of the folder's largest file."""
    pack = max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    content = bytearray(pack.read_bytes())
    content[len(content) // 2] ^= 1
    pack.chmod(0o600)
    pack.write_bytes(content)


def test_a_sound_repository_verifies(sandbox: Sandbox) -> None:
    sandbox.send()
    assert sandbox.run("verify", part="1/1") == {"result": {"part": "1/1"}}


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_root_is_given_up_before_anything_is_opened() -> None:
    """A file that only root may read is not in the backup: nobody in the sandbox was root any more."""
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folder lets nobody else in
        sandbox = made(Path(folder))
        for path in (sandbox.folder, *sandbox.folder.rglob("*")):
            path.chmod(0o755)
        (sandbox.data / "state/roots-own").write_text("secret")
        (sandbox.data / "state/roots-own").chmod(0o600)
        os.chown(sandbox.target, 1_010_007, 1_010_007)
        sent = sandbox.send(uid=1_010_007)
        assert sent["result"]["unreadable"] == 1
        assert {path.stat().st_uid for path in sandbox.target.rglob("*")} == {1_010_007}


def test_the_proven_backup_stays_whatever_the_rules_say(sandbox: Sandbox) -> None:
    proven = sandbox.send()["result"]["snapshot"]
    sandbox.send("g-2", known=True, wrap="")
    newest = sandbox.send("g-3", known=True, wrap="")["result"]["snapshot"]
    said = sandbox.run("forget", keep={"last": 1, "daily": 0}, spare="g-1", now=time.time())["result"]
    assert said["left"] == 2
    assert [item["id"] for item in sandbox.run("snapshots")["result"]["snapshots"]] == [proven, newest]


def test_a_wrap_that_is_laid_again_is_the_newest(sandbox: Sandbox) -> None:
    sandbox.send()
    for wrap in ("another\n", "another\n", WRAP):
        assert sandbox.run("wrap", wrap=wrap) == {"result": {}}
    assert sandbox.run("wraps")["result"] == {"wraps": [WRAP, "another\n"]}


def test_no_number_of_other_wraps_hides_one(sandbox: Sandbox) -> None:
    sandbox.send()
    for number in range(9):
        sandbox.run("wrap", wrap=f"made-up-{number}\n")
    assert sandbox.run("wraps")["result"]["wraps"][-1] == WRAP


def test_a_backup_comes_as_a_folder_or_an_archive_for_one_reader(sandbox: Sandbox) -> None:
    sent = sandbox.send()["result"]["snapshot"]
    folder, archive = sandbox.folder / "out", sandbox.folder / "out.tar"
    assert sandbox.run("download", snapshot=sent, to=str(folder), archive=False)["result"]["bytes"] == 8
    assert (folder / "state/note").read_text() == "remember"
    sandbox.run("download", snapshot=sent, to=str(archive), archive=True)
    with tarfile.open(archive) as tar:
        assert "state/note" in [name.lstrip("/") for name in tar.getnames()]
    assert archive.stat().st_mode & 0o777 == 0o600
    assert "failed" in sandbox.run("download", snapshot=sent, to=str(archive), archive=True), "written over"


def test_what_is_erased_has_neither_backups_nor_keys(sandbox: Sandbox) -> None:
    first = sandbox.send()["result"]["snapshot"]
    assert sandbox.run("erase") == {"result": {"removed": [first]}}
    assert sandbox.run("snapshots")["result"] == {"snapshots": [], "there": True}
    assert sandbox.run("wraps")["result"] == {"wraps": []}
    assert sandbox.run("erase") == {"result": {"removed": []}}


def test_a_text_is_added_to_a_repository_of_its_own(sandbox: Sandbox) -> None:
    for text in ("one", "two"):
        assert sandbox.run("put", text=text, file="workspace.age") == {"result": {}}
    assert len(sandbox.run("snapshots")["result"]["snapshots"]) == 2


def test_a_restic_that_was_killed_leaves_no_lock(sandbox: Sandbox) -> None:
    """Another machine would wait for it until it is half an hour old."""
    sandbox.send()
    ours = sandbox.folder / "bin"
    ours.mkdir()
    script = (
        f'case "$*" in *" backup "*) {shutil.which("restic")} "$@" & sleep 1; kill -9 $!; wait $!; kill -9 $$;; esac\n'
    )
    (ours / "restic").write_text(f'#!/bin/sh\n{script}exec {shutil.which("restic")} "$@"\n')
    (ours / "restic").chmod(0o755)
    with (sandbox.data / "state/large").open("wb") as file:
        file.truncate(20 << 30)
    answer = sandbox.send("g-2", known=True, wrap="", path=f"{ours}:{os.environ['PATH']}")
    assert "failed" in answer
    assert list((sandbox.target / "alice/locks").iterdir()) == []
    (sandbox.data / "state/large").unlink()
    assert "result" in sandbox.send("g-3", known=True, wrap="", cut=True)
