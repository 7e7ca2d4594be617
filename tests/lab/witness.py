"""Somebody who writes to a tenant all the time, one thing after another, and looks each time whether what is there is
what has to be there: in every phase of an operation another marker is the newest, so each tells whose data is served.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.lab.world import World

PATIENCE_SECONDS = 30.0
PAUSE_SECONDS = 0.3
BACK_SECONDS = 150.0


@dataclass
class Witness:
    """What was found with which version, and what must not have been."""

    world: World
    tenant: str
    name: str
    version: str = ""
    """The one that answered last."""
    newest: dict[str, str] = field(default_factory=dict)
    """By version: the marker that was found with it last."""
    wrong: list[str] = field(default_factory=list)
    looks: int = 0
    _may_be: set[str] = field(default_factory=set)
    """What can be there as long as nothing is taken back: the newest that was said yes to, and what may not have been
    heard in time."""
    _left: dict[str, set[str]] = field(default_factory=dict)
    """By version: what its data can be when it was taken back to what it was before a newer one."""
    _written: int = 0

    def left(self, version: str) -> set[str]:
        """What the data of that version can say, as it was when another one followed it."""
        return self._left[version]

    def look(self) -> bool:
        """Whether anybody answered; what they said is judged."""
        try:
            answer = self.world.get(self.tenant, "/", timeout=PATIENCE_SECONDS)
            said = answer.json
        except (OSError, ValueError):
            return False
        if answer.status != 200:
            return False
        self._judge(said["version"], said["marker"])
        return True

    def write(self) -> None:
        """Another marker; whoever does not say yes to it may have heard it all the same."""
        text = f"{self.name}, {self._written}"
        self._written += 1
        self._may_be.add(text)
        try:
            answer = self.world.request(self.tenant, "POST", "/marker", body=text.encode(), timeout=PATIENCE_SECONDS)
        except OSError:
            return
        if answer.status == 200:
            by = answer.headers["Beacon-Version"]
            if self.looks and by != self.version:  # it waited while one version took the other's place
                self._left[self.version] = {self.newest[self.version], *self._may_be} - {text}
                self.version, self.newest[by] = by, text
            self._may_be = {text}

    def _judge(self, version: str, marker: str) -> None:
        """A version that had not answered before goes on with the data of the one before; one that comes back has
        what it had, and what was told to nobody knows whom between the last look at it and the next."""
        back = version != self.version and version in self._left
        may_be = self._left[version] if back else self._may_be
        if self.looks and marker not in may_be:
            self.wrong.append(f"{version} says {marker!r}, and it had to be one of {sorted(may_be)}")
        if self.looks and version != self.version:
            self._left[self.version] = {self.newest[self.version], *self._may_be}
        self.looks += 1
        self.version, self.newest[version], self._may_be = version, marker, {marker}


@contextmanager
def witnessed(world: World, tenant: str, name: str) -> Iterator[Witness]:
    """Somebody writes and looks as long as the block lasts, and until the tenant answers after its end; AssertionError
    when anything was found that must not be."""
    witness, over = Witness(world, tenant, name), threading.Event()

    def go_on() -> None:
        while not over.wait(PAUSE_SECONDS):
            if witness.look():
                witness.write()

    witness.write()
    assert witness.look(), f"{tenant} does not answer before it begins"
    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield witness
    finally:
        over.set()
        thread.join()
    end = time.monotonic() + BACK_SECONDS
    while not witness.look():
        assert time.monotonic() < end, f"{tenant} does not answer {BACK_SECONDS:g} s after"
        time.sleep(PAUSE_SECONDS)
    assert not witness.wrong, witness.wrong[:3]
