"""Operations to be struck: together they come by every kind of step. How each ends is judged from outside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest

from tests.lab.disasters import SETTLE_SECONDS, STORAGE, open_operations
from tests.lab.world import World

TENANTS = f"{STORAGE}/tenants"
WITNESS = "data/marker/witness"


@dataclass
class Change:
    """alice gets another version, over and over, with everything to be done that a change can have to do."""

    world: World
    repeated: ClassVar[tuple[int, ...]] = (0,)
    """What the same command's second run may exit with."""
    old: str = "1.1.0"
    new: str = "1.0.0"
    witness: str = ""
    """A digest of something among its data."""

    @property
    def command(self) -> tuple[str, ...]:
        return ("deploy", "alice")

    def prepare(self) -> None:
        """The last end is the new beginning; neither image nor folder of what comes, and a folder to be pruned."""
        host = self.world.host
        if not host.exists(f"{TENANTS}/alice"):
            self.world.add_tenant("alice", version=self.new)
            self.world.launchpad(*self.command)
            self.world.wait_for("alice")
            self.world.request("alice", "POST", "/marker", body=b"alice was here")
            host.exec(["sh", "-c", f"head -c 65536 /dev/urandom > {TENANTS}/alice/{WITNESS}"])
            self.witness = self.digest()
        self.world.launchpad(*self.command)
        self.old, self.new = self.new, self.old
        host.exec(["docker", "rmi", "-f", self.world.images[f"beacon:{self.new}"]], check=False)
        folder = f"{TENANTS}/alice/releases"
        current = host.exec(["readlink", f"{TENANTS}/alice/current"]).stdout.strip().rpartition("/")[2]
        host.exec(["sh", "-c", f"cd {folder} && ls | grep -vx {current} | xargs -r rm -r && mkdir 00000000abcd"])
        self.world.set_tenant("alice", version=self.new)

    def digest(self) -> str:
        return self.world.host.exec(["sha256sum", f"{TENANTS}/alice/{WITNESS}"]).stdout

    def judge_left_alone(self) -> None:
        """Whatever became of the new release: one of the two serves."""
        answer = self.world.wait_for("alice", "/", seconds=SETTLE_SECONDS).json
        assert answer["version"] in (self.old, self.new)
        assert answer["marker"] == "alice was here"

    def judge(self) -> None:
        answer = self.world.wait_for("alice", "/").json
        assert (answer["version"], answer["marker"]) == (self.new, "alice was here")
        assert self.digest() == self.witness, "alice's data is not what it was"
        judge_running(self.world, "alice")


@dataclass
class First:
    """carol comes for the first time."""

    world: World
    repeated: ClassVar[tuple[int, ...]] = (0,)

    @property
    def command(self) -> tuple[str, ...]:
        return ("deploy", "carol")

    def prepare(self) -> None:
        if self.world.host.exists(f"{TENANTS}/carol"):
            self.world.launchpad("retire", "carol", "--purge", "--yes")

    def judge_left_alone(self) -> None:
        pass

    def judge(self) -> None:
        assert self.world.wait_for("carol", "/").json["version"] == "2.0.0"
        judge_running(self.world, "carol")


@dataclass
class Leave:
    """carol goes, and her data with her."""

    world: World
    repeated: ClassVar[tuple[int, ...]] = (0, 4)
    """4: nothing of her is on the host any more."""

    @property
    def command(self) -> tuple[str, ...]:
        return ("retire", "carol", "--purge", "--yes")

    def prepare(self) -> None:
        self.world.launchpad("deploy", "carol")

    def judge_left_alone(self) -> None:
        pass

    def judge(self) -> None:
        host = self.world.host
        for path in (f"{TENANTS}/carol", f"{STORAGE}/caddy/sites/carol.caddy", "/run/launchpad/carol"):
            assert not host.exists(path), f"{path} is left"
        for what in ("container", "network"):
            words = ["docker", what, "ls", "-q", "--filter", "name=lp-carol", *(["-a"] if what == "container" else [])]
            assert host.exec(words).stdout == "", f"a {what} is left"
        with pytest.raises(OSError):
            self.world.get("carol")


@dataclass
class Forth:
    """dave is upgraded, with a soak; what a process left half taken is there to be dropped."""

    world: World
    repeated: ClassVar[tuple[int, ...]] = (0,)
    old: ClassVar[str] = "1.0.0"
    new: ClassVar[str] = "1.1.0"

    @property
    def command(self) -> tuple[str, ...]:
        return ("upgrade", "dave", "--to", self.new, "--soak", "3s", "--yes")

    def prepare(self) -> None:
        folder = f"{TENANTS}/dave"
        if not self.world.host.exists(folder):
            self.world.add_tenant("dave", version=self.old)
            self.world.launchpad("deploy", "dave")
        elif self._serves()[0] == self.new:
            self.world.launchpad("rollback", "dave", "--to", self.old, "--yes")
        self.world.wait_for("dave")
        self.world.request("dave", "POST", "/marker", body=b"dave was here")
        half = f"mkdir -p {folder}/generations && btrfs subvolume snapshot -r {folder}/data {folder}/generations/half"
        self.world.host.exec(["sh", "-c", half])

    def judge_left_alone(self) -> None:
        assert self._serves() in ((self.old, "dave was here"), (self.new, "dave was here"))

    def judge(self) -> None:
        assert self._serves() == (self.new, "dave was here")
        judge_running(self.world, "dave")

    def _serves(self) -> tuple[str, str]:
        answer = self.world.wait_for("dave", "/", seconds=SETTLE_SECONDS).json
        return answer["version"], answer["marker"]


@dataclass
class Back(Forth):
    """dave goes back to the version before, and to the data as that one left it."""

    repeated: ClassVar[tuple[int, ...]] = (0, 4)
    """4: that version is what runs."""

    @property
    def command(self) -> tuple[str, ...]:
        return ("rollback", "dave", "--to", self.old, "--yes")

    def prepare(self) -> None:
        if not self.world.host.exists(f"{TENANTS}/dave") or self._serves()[0] == self.old:
            super().prepare()
            self.world.launchpad("upgrade", "dave", "--to", self.new, "--soak", "0s", "--yes", "--no-rehearsal")
        self.world.request("dave", "POST", "/marker", body=b"dave moved on")

    def judge_left_alone(self) -> None:
        assert self._serves() in ((self.old, "dave was here"), (self.new, "dave moved on"))

    def judge(self) -> None:
        assert self._serves() == (self.old, "dave was here")
        judge_running(self.world, "dave")


def judge_running(world: World, tenant: str) -> None:
    """One side runs, whole and alone, with no secrets in tmpfs but its own, and the host has nothing left to do."""
    listed = ["docker", "ps", "-a", "--filter", f"label=launchpad.tenant={tenant}"]
    said = world.host.exec(
        [*listed, "--format", '{{.State}} {{.Label "launchpad.side"}} {{.Label "launchpad.release"}}']
    )
    lines = said.stdout.splitlines()
    assert len(lines) == 2 and len(set(lines)) == 1, f"{tenant}'s containers: {lines}"
    assert lines[0].startswith("running")
    assert world.host.exec(["ls", f"/run/launchpad/{tenant}"]).stdout.split() == [lines[0].split()[2]]
    assert not open_operations(world.host)


Scenario = Change | First | Leave | Forth
