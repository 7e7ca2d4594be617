"""Count the files that an operation touches on both sides, for scripts/evidence wire.

The operations run against hosts in memory with the tests' light app, in a workspace that loaded its fleet before, so
that the parser does not count. A file counts when a function that it defines is called (`sys.setprofile`); its import
alone does not count.
"""

from __future__ import annotations

import argparse
import pkgutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from inspect import CO_OPTIMIZED
from pathlib import Path
from types import FrameType
from typing import Any

from measurement import PROJECT, record

PACKAGE = str(PROJECT / "launchpad") + "/"


@dataclass
class Reach:
    """What was done while it was watched."""

    below: str = PACKAGE
    files: set[str] = field(default_factory=set)
    """The files below `below` that define a function which was called."""
    calls: dict[str, int] = field(default_factory=dict)
    """How often each of these functions was called, by file and qualified name."""
    programs: list[str] = field(default_factory=list)
    """The programs that were started."""

    def times(self, name: str) -> int:
        """How often a function of this qualified name was called."""
        return sum(count for known, count in self.calls.items() if known.partition(":")[2] == name)

    def _heard(self, frame: FrameType, event: str, _argument: object) -> None:
        code = frame.f_code
        if event != "call" or not code.co_flags & CO_OPTIMIZED or not code.co_filename.startswith(self.below):
            return  # without CO_OPTIMIZED it is the body of a module or of a class, which an import runs
        if not code.co_filename.endswith(".py"):
            return  # a template
        file = code.co_filename.removeprefix(self.below)
        self.files.add(file)
        name = f"{file}:{code.co_qualname}"
        self.calls[name] = self.calls.get(name, 0) + 1


_watching: list[Reach] = []


def _audited(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "subprocess.Popen" and _watching:
        _watching[-1].programs.append(Path(str(arguments[0])).name)


sys.addaudithook(_audited)  # which cannot be removed


@contextmanager
def watched(below: str = PACKAGE) -> Iterator[Reach]:
    """Watch this thread, and the threads that it starts."""
    found = Reach(below)
    _watching.append(found)
    threading.setprofile(found._heard)
    sys.setprofile(found._heard)
    try:
        yield found
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
        _watching.remove(found)


def stopped(folder: Path) -> Reach:
    """What `stop` touches."""
    from launchpad.operations.tenants.stop import stop

    return _of(folder, lambda workspace: stop(workspace, "alice"))


def deployed(folder: Path) -> Reach:
    """What `deploy` of an edited tenant touches."""
    from launchpad.operations.tenants.deploy import deploy
    from tests.operations.places import tenant_yaml

    def edit(root: Path) -> None:
        text = tenant_yaml(1, "web-1", "alice", domains=["www.example.com"])
        (root / "inventory/tenants/alice.yaml").write_text(text)

    return _of(folder, lambda workspace: deploy(workspace, "alice"), edit)


def upgraded(folder: Path) -> Reach:
    """What `plan_upgrade` and `upgrade` with a rehearsal touch."""
    from launchpad.operations.requests.confirmation import Confirmation
    from launchpad.operations.versions.upgrade import UpgradeRequest, plan_upgrade, upgrade

    def carry_out(workspace: Any) -> Any:
        what = plan_upgrade(workspace, "alice", UpgradeRequest(version="1.1.0"))
        return upgrade(workspace, what, confirm=Confirmation(digest=what.digest))

    return _of(folder, carry_out)


def _of(folder: Path, carry_out: Callable[[Any], Any], edit: Callable[[Path], None] | None = None) -> Reach:
    from tests.memory.fleet import commit, memory_fleet

    fleet = memory_fleet(folder, {"alice": "web-1"})
    if edit:
        edit(fleet.root)
        commit(fleet.root)
    workspace = fleet.workspace()
    workspace.fleet.load()
    with watched() as found:
        done = carry_out(workspace)
    assert done.outcome == "done", done
    return found


def import_everything() -> None:
    """Import every module first: what an import calls is no part of an operation."""
    package = import_module("launchpad")
    for module in pkgutil.walk_packages(package.__path__, "launchpad."):
        if not module.name.endswith("__main__"):
            import_module(module.name)


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/reach.py", description=__doc__)
    parser.add_argument(
        "--show", action="store_true", help="also print the files, and the functions of the fleet's store"
    )
    options = parser.parse_args()
    sys.path.insert(0, str(PROJECT))
    import_everything()
    for name, measure in (("stop", stopped), ("deploy", deployed), ("upgrade", upgraded)):
        with tempfile.TemporaryDirectory(prefix="launchpad-reach-") as folder:
            found = measure(Path(folder))
        figures = {f"wire-files-{name}": len(found.files)}
        if name == "upgrade":
            figures["wire-upgrade-loads"] = found.times("FolderStore.load")
            figures["wire-upgrade-snapshots"] = found.times("Snapshot.take")
            figures["wire-upgrade-git"] = found.programs.count("git")
        for figure, value in figures.items():
            record(figure, value)
            print(f"{figure:<28} {value:>8g}")
        if options.show:
            print("\n".join(sorted(found.files)))


if __name__ == "__main__":
    main()
