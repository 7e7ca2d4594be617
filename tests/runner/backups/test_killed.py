"""The sandbox's program and restic itself, without a host around them: every byte that rots is found within a week, and
whatever is killed while it sends, fetches or thins out, each backup that is there comes back whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.runner.backups.test_inside import PASSWORD, Sandbox, made, pytestmark  # noqa: F401 (all of it needs restic)

Measured = Callable[..., None]

FULL = "LAUNCHPAD_EVIDENCE" in os.environ
FLIPS, KILLS = (100, 200) if FULL else (6, 6)
SEED = int(os.environ.get("LAUNCHPAD_SEED", "20260901"))
KEEP, BATCH = 3, 10
NEW_BYTES = 400_000
TURNS = ("send", "fetch", "send", "forget")
"""What is killed, in turn."""


@dataclass
class Kept:
    """A repository, and what the data was at each backup of it."""

    sandbox: Sandbox
    dice: random.Random
    data: dict[str, str] = field(default_factory=dict)
    """Generation → the digest of all its files."""

    @property
    def state(self) -> Path:
        return self.sandbox.data / "state"

    def change(self) -> dict[str, Any]:
        """The data is another one from now on; the words to send it with."""
        generation = f"g-{len(self.data)}"
        (self.state / "new").write_bytes(self.dice.randbytes(NEW_BYTES))
        (self.state / f"old-{len(self.data) % 5}").write_bytes(self.dice.randbytes(NEW_BYTES // 4))
        self.data[generation] = digest(self.state)
        return {"tags": [f"generation={generation}"], "wrap": "", "known": True}

    def words(self, do: str) -> dict[str, Any]:
        match do:
            case "send":
                return self.change()
            case "fetch":
                return {"snapshot": self.snapshots()[-1]["id"]}
            case _:
                return {"keep": {"last": KEEP}, "now": time.time()}

    def restic(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        own = ["restic", "-r", str(self.sandbox.target / "alice"), "--no-cache", "--no-lock", "-q"]
        environment = os.environ | {"RESTIC_PASSWORD": PASSWORD}
        return subprocess.run([*own, *words], env=environment, capture_output=True, check=False)

    def snapshots(self) -> list[dict[str, Any]]:
        return list(json.loads(self.restic("snapshots", "--json").stdout))

    def lost(self, folder: Path) -> list[str]:
        """What is wrong: no backup can be taken, one that is listed does not come back as it was, or too few are."""
        sent = self.sandbox.run("send", **self.change())
        wrong = [] if "result" in sent else [f"no backup can be taken any more: {sent}"]
        listed = self.snapshots()
        for item in listed:
            place = folder / item["id"]
            done = self.restic("restore", f"{item['id']}:{self.state}", "--target", str(place))
            (generation,) = [tag.partition("=")[2] for tag in item["tags"] if tag.startswith("generation=")]
            if done.returncode or digest(place) != self.data[generation]:
                wrong.append(f"{generation} does not come back: {done.stderr.decode()[-200:]}")
        return wrong + ([f"only {len(listed)} are left"] if len(listed) < KEEP else [])


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    """With a few backups in it."""
    sandbox = made(tmp_path / "sandbox")
    found = Kept(sandbox, random.Random(SEED))
    sandbox.send(**(found.change() | {"wrap": "-----BEGIN AGE ENCRYPTED FILE-----\nwrapped\n", "known": False}))
    for _ in range(KEEP):
        sandbox.send(**found.change())
    return found


def digest(folder: Path) -> str:
    """Of the names and the content of all files below."""
    seen = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        seen.update(f"{path.relative_to(folder)}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return seen.hexdigest()


def test_every_flipped_byte_is_found_within_a_week(kept: Kept, measured: Measured) -> None:
    """Each kind of file a few times, and then each file as likely as another. The day that reads a file's part, told by
    its name, is asked first; what is not found on it may be on another."""
    target, dice, missed = kept.sandbox.target, kept.dice, []
    files = sorted(path for path in target.rglob("*") if path.is_file() and "locks" not in path.parts)
    kinds: dict[tuple[str, ...], list[Path]] = {}
    for path in files:
        kinds.setdefault(path.relative_to(target).parts[:2], []).append(path)
    assert len(kinds) == 2 * len(("config", "data", "index", "keys", "snapshots"))
    turns = sorted(kinds)
    for number in range(FLIPS):
        path = dice.choice(kinds[turns[number % len(turns)]] if number < 3 * len(turns) else files)
        content = bytearray(path.read_bytes())
        place, bits = dice.randrange(len(content)), dice.randrange(1, 256)
        flip(path, content, place, bits)
        found = is_found(kept.sandbox, path)
        flip(path, content, place, bits)
        measured("flips-missed", 0 if found else 1, n=1, detail=f"{number}: {path.relative_to(target)} at {place}")
        if not found:
            missed.append(f"{path.relative_to(target)} at {place} of {len(content)}")
    assert not missed
    assert kept.sandbox.run("verify", part="1/1") == {"result": {"part": "1/1"}}, "it is not as it was before"


def flip(path: Path, content: bytearray, place: int, bits: int) -> None:
    content[place] ^= bits
    path.chmod(0o600)
    path.write_bytes(content)


def is_found(sandbox: Sandbox, path: Path) -> bool:
    """Whether one of seven days' verifies fails."""
    first = int(path.name[:2], 16) % 7 + 1 if len(path.name) == 64 else 1
    days = [first, *(day for day in range(1, 8) if day != first)]
    return any("failed" in sandbox.run("verify", part=f"{day}/7") for day in days)


def test_kills_leave_nothing_that_does_not_come_back(kept: Kept, tmp_path: Path, measured: Measured) -> None:
    """kill -9 of restic alone, or of all at once, at a random moment of the time that it takes undisturbed."""
    took: dict[str, float] = {}
    for do in dict.fromkeys(TURNS):
        words, begun = kept.words(do), time.monotonic()
        kept.sandbox.run(do, **words)
        took[do] = time.monotonic() - begun
    killed, turn = 0, 0
    while killed < KILLS:
        batch = 0
        while batch < min(BATCH, KILLS - killed):
            do, turn = TURNS[turn % len(TURNS)], turn + 1
            assert turn < 10 * KILLS, "hardly anything was hit"
            batch += struck(kept, do, kept.dice.uniform(0, took[do]))
        killed += batch
        lost = kept.lost(tmp_path / f"back-{killed}")
        measured("unrestorable-without-host", len(lost), n=batch)
        assert not lost


def struck(kept: Kept, do: str, after: float) -> bool:
    """Begin it, and kill so many seconds later; whether there was anything to kill."""
    process = kept.sandbox.start(do, **kept.words(do))
    time.sleep(after)  # the moment is what is drawn; there is nothing to wait for
    victims = children(process.pid) if kept.dice.random() < 0.5 else []
    hit = process.poll() is None
    for victim in victims:
        os.kill(victim, signal.SIGKILL)
    if not victims and hit:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return hit


def children(process: int) -> list[int]:
    """The processes that this one has begun and that are still there."""
    try:
        return [int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
