"""What is kept of a tenant's data comes back whole, whatever happens meanwhile: while it is written to, when a byte of
a repository rots, and when whatever works on it is killed.
"""

from __future__ import annotations

import itertools
import os
import random
import time
from collections.abc import Callable
from pathlib import PurePath

import pytest

from tests.lab.disasters import open_operations
from tests.lab.vault import ALICE, REST, Vault
from tests.lab.world import World

Measured = Callable[..., None]

FULL = "LAUNCHPAD_EVIDENCE" in os.environ
GENERATIONS, BACKUPS, FLIPS, KILLS = (100, 100, 100, 200) if FULL else (5, 3, 4, 6)
SEED = int(os.environ.get("LAUNCHPAD_SEED", "20260901"))
KEEP, BATCH = 3, 10
KINDS = ("backup", "fetch", "backup", "prune")
"""What is killed, in turn."""
VICTIMS = {
    "runner": ["pkill", "-KILL", "-f", "start operation"],
    "its helper": ["pkill", "-KILL", "-f", "start inside"],
    "restic": ["pkill", "-KILL", "-x", "restic"],
}


@pytest.fixture(scope="module")
def vault(world: World) -> Vault:
    made = Vault.made(world)
    made.learn("backup", "backup", "alice")
    made.learn("snapshot", "snapshot", "alice")
    made.learn("verify", "backups", "verify", "alice", "--part", "1/7")
    made.learn("fetch", "backups", "fetch", "alice")
    return made


def judged(found: dict[str, tuple[str, int]], figure: str, measured: Measured) -> None:
    """Every one is whole, and each is of a later moment than the one before it: it was written to meanwhile."""
    wrong = {name: why for name, (why, _) in found.items() if why}
    numbers = [last for why, last in found.values() if not why]
    still = sum(later <= earlier for earlier, later in itertools.pairwise(numbers))
    measured(figure, len(wrong) + still, n=len(found))
    assert not wrong
    assert not still, "nothing was written between two of them"


def test_generations_are_whole_while_it_is_written(vault: Vault, measured: Measured) -> None:
    names = []
    for _ in range(GENERATIONS):
        names.append(vault.submit("snapshot"))
        vault.settle()
    judged(vault.judge([f"{ALICE}/generations/{name}/marker" for name in names]), "torn-generations", measured)


def test_backups_are_whole_while_it_is_written(vault: Vault, measured: Measured) -> None:
    before = set(vault.snapshots())
    for _ in range(BACKUPS):
        assert vault.done("backup") == "done"
    made = [name for name in vault.snapshots() if name not in before]
    assert len(made) == BACKUPS
    judged(vault.judge_backups(made), "torn-backups", measured)


def test_a_flipped_byte_is_found_within_a_week(vault: Vault, measured: Measured) -> None:
    """Each kind of file a few times, and then each file as likely as another, whatever its size. A part of the data is
    read on one day of seven, told by the name of its file; what is not found on that day may be on another."""
    dice, files, missed = random.Random(SEED), vault.files(), []
    kinds: dict[str, list[tuple[str, int]]] = {}
    for path, size in files:
        kinds.setdefault("/".join(PurePath(path).relative_to(REST).parts[:2]), []).append((path, size))
    assert len(kinds) == 2 * len(("config", "data", "index", "keys", "snapshots")), list(kinds)
    turns = sorted(kinds, key=lambda kind: (not kind.endswith("data"), kind))
    for number in range(FLIPS):
        path, size = dice.choice(kinds[turns[number % len(turns)]] if number < 3 * len(turns) else files)
        place, bits = dice.randrange(size), dice.randrange(1, 256)
        vault.flip(path, place, bits)
        try:
            found = is_found(vault, path)
        finally:
            vault.flip(path, place, bits)
        measured("flips-missed", 0 if found else 1, n=1, detail=f"{number}: {path} at {place} of {size}")
        if not found:
            missed.append((path, place, size))
    assert vault.done("verify", part="1/1") == "done", "it is not as it was before"
    assert not missed


def is_found(vault: Vault, path: str) -> bool:
    """Whether one of seven days' verifies fails; the one that reads this file comes first."""
    name = PurePath(path).name
    first = int(name[:2], 16) % 7 + 1 if len(name) == 64 else 1
    days = [first, *(day for day in range(1, 8) if day != first)]
    return any(vault.done("verify", part=f"{day}/7") != "done" for day in days)


def test_kills_leave_nothing_that_does_not_come_back(vault: Vault, measured: Measured) -> None:
    """kill -9 of whatever works, at a random moment of the time that it takes undisturbed. After each ten a backup is
    taken, and everything that is there is brought back."""
    dice, took = random.Random(SEED), {kind: undisturbed(vault, kind) for kind in dict.fromkeys(KINDS)}
    killed, turn = 0, 0
    while killed < KILLS:
        batch = 0
        while batch < min(BATCH, KILLS - killed):
            kind, turn = KINDS[turn % len(KINDS)], turn + 1
            assert turn < 10 * KILLS, "hardly anything was hit"
            batch += struck(vault, kind, dice.uniform(0, took[kind]), dice)
        killed += batch
        lost = unrestorable(vault)
        measured("unrestorable", len(lost), n=batch)
        assert not lost


def begin(vault: Vault, kind: str) -> Callable[[], bool]:
    """Begin it; the function says whether it goes on."""
    if kind == "prune":
        process = vault.prune(KEEP)
        return lambda: process.poll() is None
    more = {"snapshot": vault.snapshots()[-1]} if kind == "fetch" else {}
    vault.submit(kind, **more)
    return lambda: bool(open_operations(vault.world.host))


def undisturbed(vault: Vault, kind: str) -> float:
    """How long it takes, in seconds."""
    goes_on, begun = begin(vault, kind), time.monotonic()
    while goes_on():
        time.sleep(0.02)
    return time.monotonic() - begun


def struck(vault: Vault, kind: str, after: float, dice: random.Random) -> bool:
    """Begin it, and kill one of its processes so many seconds later; whether one was there to be killed. Then it is
    left to itself."""
    goes_on, begun = begin(vault, kind), time.monotonic()
    while goes_on() and time.monotonic() - begun < after:
        time.sleep(0.005)
    hit = False
    for name in dice.sample(list(VICTIMS), len(VICTIMS)):
        if goes_on() and vault.world.host.exec(VICTIMS[name], check=False).status == 0:
            hit = True
            break
    while goes_on():
        time.sleep(0.02)
    vault.settle()
    return hit


def unrestorable(vault: Vault) -> list[str]:
    """What is wrong: a backup that cannot be taken now, one that is listed and does not come back whole, or too few."""
    lost = [] if vault.done("backup") == "done" else ["no backup can be taken any more"]
    ids = vault.snapshots()
    lost += [f"{name}: {why}" for name, (why, _) in vault.judge_backups(ids).items() if why]
    return lost + ([f"only {len(ids)} are left"] if len(ids) < KEEP else [])
