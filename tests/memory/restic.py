"""restic in memory, behind the seam's sandbox: repositories by where they are, which know their key."""

from __future__ import annotations

import base64
import datetime
from collections.abc import Generator, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyrage  # type: ignore[import-untyped]

from launchpad.runner.backups import inside, order, restic, work
from launchpad.runner.carrying import packing, saying, unpacking
from launchpad.runner.host import Confined, Failed, Progress
from launchpad.runner.protocol import digest_of
from tests.memory.data import File, MemoryData
from tests.memory.effects import effect


@dataclass
class Repository:
    """One tenant's repository on one target, and the wrapped keys beside it."""

    password: str = ""
    wraps: list[str] = field(default_factory=list)
    snapshots: list[dict[str, Any]] = field(default_factory=list)
    content: dict[str, dict[str, File]] = field(default_factory=dict)
    """Snapshot → what is in it, by the path from the data's root."""
    damaged: bool = False
    locked: bool = False
    """By a sending that was killed."""
    unreadable: int = 0
    """How many files a sending cannot read."""


class MemoryRestic(MemoryData):
    """`Sandbox`. `silent` has the URLs of targets that do not answer."""

    repositories: dict[tuple[str, str], Repository]
    silent: set[str]
    append_only: set[str]
    damaged_databases: list[str]
    running: set[str]
    """The units that go on: a runner was killed while they worked."""
    clock: float

    @effect
    def confined(self, work: Confined, progress: Progress) -> dict[str, Any]:
        self.running.discard(work.unit)
        if self.halfway:
            self.running.add(work.unit)
            there = self.repositories.get((url_of(work), work.task.get("tenant", "")))
            if work.task["do"] == "send" and there is not None:
                there.locked = True
            return {}
        task = work.task
        if task["do"] == "check":
            damaged = [{"path": path, "said": "malformed"} for path in self.damaged_databases]
            return {"checked": 1, "damaged": damaged, "unchecked": [], "foreign": []}
        if task["do"] == "count":
            logs = {place.rpartition("/")[2]: self.state(folder)["log"] for place, folder in work.writes.items()}
            return {"rows": {f"{name}/db": {"log": len(log)} for name, log in logs.items()}, "left": 0}
        return self._with_repository(work, task, progress)

    def streamed(
        self, work: Confined, incoming: Iterable[bytes] = ()
    ) -> Generator[dict[str, Any], None, dict[str, Any]]:
        """The real packing and unpacking, on a copy of the volumes on disk; age is pyrage."""
        heard = b"".join(incoming)
        places = {place.removeprefix("/srv/"): path for place, path in {**work.reads, **work.writes}.items()}
        said: list[dict[str, Any]] = []
        with TemporaryDirectory() as folder:
            for place, path in places.items():
                self.put_out(path, Path(folder, place))
            roots = {"root": f"{folder}/generation", "base_root": f"{folder}/base"}
            task: dict[str, Any] = {**work.task, **roots}
            try:
                if task["do"] in ("pack", "encrypt"):
                    send = packing.pack if task["do"] == "pack" else saying.encrypt
                    result = send(task | {"recipients": []}, said.append)
                    if task["recipients"]:
                        said, result["pieces"] = _encrypted(said, task["recipients"])
                else:
                    result = unpacking.unpack(task, BytesIO(heard))
            except (unpacking.BadArchive, packing.TooLarge) as error:
                raise Failed(str(error)) from error
            self._take_in({path: Path(folder, place) for place, path in places.items()}, work.task["uid"])
        yield from said
        return result

    @effect
    def _take_in(self, places: Mapping[str, Path], uid: int) -> None:
        for path, folder in places.items():
            self.put_in_place(folder, path, uid)

    @effect
    def end_confined(self, unit: str) -> None:
        self.running.discard(unit)

    def _with_repository(self, asked: Confined, task: Any, progress: Progress) -> dict[str, Any]:
        given, tenant = task["repository"], task.get("tenant", f"{inside.TRIAL}.key")
        url = url_of(asked)
        if url in self.silent or (given["kind"] != "local") != asked.network:
            raise Failed("restic: connection refused")
        if task["do"] == "trial":
            said = "refused" if url in self.append_only else "done"
            return {"delete": said, "overwrite": said if given["kind"] == "rest" else "untried"}
        there = self.repositories.get((url, tenant))
        if task["do"] == "wraps":
            return {"wraps": list(there.wraps) if there else []}
        if task["do"] == "send" and there is None:
            if task["known"]:
                raise Failed(inside.GONE)
            there = self.repositories[(url, tenant)] = Repository(password=given["password"])
        if task["do"] == "wrap" and there is not None:
            there.wraps.insert(0, task["wrap"])
            return {}
        if there is None:
            if task.get("known"):
                raise Failed(inside.GONE)
            return {"snapshots": [], "there": False}
        if there.password != given["password"]:
            raise Failed("restic: wrong password or no key found")
        match task["do"]:
            case "send":
                progress("100 % of 1 MiB")
                return self._send(there, asked, task)
            case "snapshots":
                return {"snapshots": deepcopy(there.snapshots), "there": True}
            case "forget":
                return forgotten(there, task)
            case "verify":
                if there.damaged:
                    raise Failed("restic: the repository contains damaged pack files")
                return {"part": task["part"]}
            case _:
                return self._fetch(there, asked, task)

    def _send(self, there: Repository, asked: Confined, task: Any) -> dict[str, Any]:
        if task["cut"]:
            there.locked = False
        if task["wrap"] and task["wrap"] not in there.wraps:
            there.wraps.insert(0, task["wrap"])
        content = {}
        for place, path in asked.reads.items():
            for name, item in self.files.items():
                if name.startswith(f"{path}/"):
                    content[place.removeprefix(inside.ROOT) + name.removeprefix(path)] = deepcopy(item)
        identifier = f"{len(there.snapshots) + 1:064x}"
        there.content[identifier] = content
        at = datetime.datetime.fromtimestamp(self.clock, datetime.UTC).isoformat()
        tags = list(task["tags"])
        there.snapshots.append({"id": identifier, "time": at, "tags": tags, "bytes": 8, "files": len(content)})
        made = len(there.snapshots) == 1
        return {
            "snapshot": identifier,
            "files": len(content),
            "bytes": 8,
            "added": 4,
            "unreadable": there.unreadable,
            "made": made,
        }

    def _fetch(self, there: Repository, asked: Confined, task: Any) -> dict[str, Any]:
        found = there.content.get(task["snapshot"])
        if found is None:
            raise Failed(f"restic: no matching ID found for prefix {task['snapshot']!r}")
        for place, path in asked.writes.items():
            inner = place.removeprefix(inside.ROOT)
            for name, item in found.items():
                if place != restic.CACHE and name.startswith(f"{inner}/"):
                    self.files[path + name.removeprefix(inner)] = deepcopy(item)
        return {"files": len(found), "bytes": 8}


def _encrypted(said: list[dict[str, Any]], recipients: list[str]) -> tuple[list[dict[str, Any]], str]:
    keys = [pyrage.x25519.Recipient.from_str(item) for item in recipients]
    sealed = pyrage.encrypt(b"".join(base64.b64decode(item["data"]) for item in said), keys)
    return [{"data": base64.b64encode(sealed).decode()}], digest_of(sealed)


def url_of(asked: Confined) -> str:
    """Where the target is, for the host and not inside; empty for work without one."""
    given = asked.task.get("repository", {"kind": "", "url": ""})
    tenant = asked.task.get("tenant", f"{inside.TRIAL}.key")
    inner = f"{work.LOCAL}/{tenant}"
    return asked.writes[inner].rpartition("/")[0] if given["kind"] == "local" else str(given["url"])


def forgotten(there: Repository, task: Any) -> dict[str, Any]:
    """What restic does by `last` alone, and the sandbox's program with it."""
    if any(order.moment(item) > task["now"] + order.AHEAD for item in there.snapshots):
        raise Failed("a backup is dated in the future; nothing was deleted")
    before = task.get("before")
    odd = order.out_of_order(before, there.snapshots) if before and task["odd"] != "keep" else []
    if odd and task["odd"] != "delete":
        return {"removed": [], "left": len(there.snapshots), "seen": before, "odd": odd}
    there.snapshots[:] = [item for item in there.snapshots if item["id"] not in odd]
    spare = f"generation={task.get('spare')}"
    newest = sorted(there.snapshots, key=order.moment)[: -task["keep"]["last"]]
    gone = [item["id"] for item in newest if spare not in item["tags"]]
    left = [item for item in there.snapshots if item["id"] not in gone]
    told = {"removed": odd + gone, "left": len(left), "odd": [], "seen": order.remembered(left)}
    if task.get("dry"):
        return told | {"seen": order.remembered(there.snapshots)}
    there.snapshots[:] = left
    return told
