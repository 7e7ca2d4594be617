"""Measure a workspace with 4,000 tenants, and one with 2,000 commits, for scripts/evidence wire.

All times are CPU seconds of this process, or of the command that is started (`secret list`); a command ends at
MOST_SECONDS of CPU, and its figure is then MOST_SECONDS. The hosts of `plan` have no tenant yet.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from measurement import PROJECT, record

if TYPE_CHECKING:
    from launchpad.workspace import Workspace

TENANTS, A_HOST, AT_ONCE, COMMITS, RUNS, MOST_SECONDS = 4_000, 50, 16, 2_000, 5, 60
PARTS = ("descent", "inventory", "secrets", "plan")
TIMES = {"wire-edits-failed": AT_ONCE, "wire-descent-accepted": 2}
HOST = {"port": 22, "resources": {"memory": "256GiB", "cpus": 64, "disk": "4TiB"}}


class Empty:
    """Provisioned hosts that have no tenant yet, so that a plan renders every tenant's release."""

    name = "web-1"

    @contextmanager
    def reach(self, _host: Any) -> Iterator[Empty]:
        yield self

    def ask(self, verb: str, _body: Any, **_how: Any) -> dict[str, Any]:
        from tests.operations.places import observed

        return observed({}) if verb == "observe" else {"steps": []}


def planted(folder: Path, tenants: int) -> Path:
    """A committed workspace with that many tenants, each with a sealed secret."""
    from launchpad.fleet.sealing.secret_store import FolderSecrets
    from launchpad.fleet.words.names import SecretName, TenantName
    from launchpad.fleet.words.references import Recipient
    from launchpad.fleet.words.secret import Secret
    from tests.memory.fleet import commit, git
    from tests.operations.places import write_workspace

    hosts = [f"web-{number}" for number in range(1, tenants // A_HOST + 2)]
    names = {f"tenant-{number}": hosts[number // A_HOST] for number in range(1, tenants + 1)}
    root = write_workspace(folder / "fleet", {}, names)
    lines = [f"{name}: {json.dumps(HOST | {'address': f'192.0.2.{at}'})}\n" for at, name in enumerate(hosts, start=1)]
    (root / "inventory/hosts.yaml").write_text("".join(lines))
    first, *others = names
    recipient = Recipient((root / "launchpad.yaml").read_text().partition("[")[2].partition("]")[0])
    secrets = FolderSecrets(root, recipients=lambda: (recipient,), identity=root.parent / "identity")
    secrets.set(TenantName(first), SecretName("ECHO_TOKEN"), Secret("a-token-of-a-tenant"))
    sealed = (root / f"inventory/secrets/{first}.yaml").read_bytes()
    for name in others:
        (root / f"inventory/secrets/{name}.yaml").write_bytes(sealed)
    git(root, "init", "--quiet", "--template=")
    commit(root)
    return root


def opened(root: Path) -> Workspace:
    from launchpad.settings import Settings
    from launchpad.workspace import Workspace
    from tests.operations.places import environment_of

    environment = environment_of(root)
    settings = Settings.of(environment, home=root.parent)
    return Workspace.open(root, settings=settings, environment=environment, hosts=Empty())


def edit(workspace: Workspace, number: int) -> None:
    """Write another version for the tenant of that number, as an upgrade does."""
    from launchpad.fleet.words.names import TenantName, VersionName

    name = TenantName(f"tenant-{number}")
    workspace.fleet.set_tenant_version(name, VersionName("1.1.0"), replaces=VersionName("1.0.0"))


def at_once(workspace: Workspace) -> int:
    """How many of the edits of AT_ONCE threads fail."""
    from launchpad.errors import LaunchpadError

    failed: list[LaunchpadError] = []

    def one(number: int) -> None:
        try:
            edit(workspace, number)
        except LaunchpadError as error:
            failed.append(error)

    threads = [threading.Thread(target=one, args=(100 + number,)) for number in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(failed)


def of_inventory(root: Path) -> Iterator[tuple[str, float]]:
    """Loads and edits."""
    workspace = opened(root)
    yield "wire-load-first", cpu(workspace.fleet.load)
    yield "wire-load-again", statistics.median(cpu(workspace.fleet.load) for _ in range(RUNS))
    yield "wire-edit", statistics.median(cpu(lambda at=at: edit(workspace, at)) for at in range(1, RUNS + 1))
    yield "wire-edits-failed", at_once(workspace)


def of_plan(root: Path, tenants: int) -> Iterator[tuple[str, float]]:
    """`plan` of all tenants, twice, each in a process of its own."""
    argv = [sys.executable, __file__, "--plan", str(root)]
    first, again = (float(subprocess.run(argv, check=True, capture_output=True).stdout) for _ in range(2))
    yield "wire-plan-first", first
    yield "wire-plan-again", again
    yield "wire-plan-milliseconds", first / tenants * 1000


def planned(root: Path) -> float:
    """CPU seconds of a plan of all tenants; the imports before it count too."""
    from launchpad.operations.tenants.plan_fleet import plan_fleet

    found = plan_fleet(opened(root))
    assert len(found.changes) == len(list((root / "inventory/tenants").iterdir())), "every tenant is rendered"
    return time.process_time()


def secret_list(root: Path) -> float:
    """CPU seconds of the command."""
    from tests.operations.places import environment_of

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))

    command = [str(Path(sys.executable).with_name("launchpad")), "secret", "list", "--json"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = os.environ | environment_of(root)
    done = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False, preexec_fn=limit)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode <= 0, "the command failed by itself"
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return MOST_SECONDS if done.returncode else used  # the kernel's limit counts whole ticks


def of_descent(folder: Path) -> Iterator[tuple[str, float]]:
    """Deploys of a tenant after 2,000 commits for another one, from a checkout that is older, and from a history that
    was rewritten."""
    from launchpad.errors import LaunchpadError
    from launchpad.operations.tenants.deploy import deploy
    from tests.memory.fleet import commit, commits_for, git, memory_fleet

    fleet = memory_fleet(folder / "fleet", {"alice": "web-1", "bob": "web-1"})
    root, stale = fleet.root, folder / "stale/fleet"
    git(root, "clone", "--quiet", ".", str(stale))

    def refused(at: Path, domain: str) -> bool:
        file = at / "inventory/tenants/alice.yaml"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"domains": [domain]}))
        commit(at)
        try:
            return deploy(fleet.workspace(at), "alice").outcome != "done"
        except LaunchpadError as error:
            print(f"descent: {domain}: {error}")
            return True

    (folder / "stale/identity").write_bytes((root.parent / "identity").read_bytes())
    assert not refused(root, "newer.example.com")
    wrong = not refused(stale, "stale.example.com")
    git(root, "branch", "newer")
    git(root, "reset", "--quiet", "--hard", "HEAD~1")
    wrong += not refused(root, "rewritten.example.com")
    yield "wire-descent-accepted", wrong
    git(root, "reset", "--quiet", "--hard", "newer")
    commits_for(root, "bob", COMMITS)
    yield "wire-descent-refused", int(refused(root, "after.example.com"))


def cpu(what: Callable[[], Any]) -> float:
    before = time.process_time()
    what()
    return time.process_time() - before


def measured(what: str, folder: Path, tenants: int) -> Iterator[tuple[str, float]]:
    if what == "descent":
        yield from of_descent(folder)
        return
    root = planted(folder / "many", tenants)
    if what == "secrets":
        yield "wire-secret-list", secret_list(root)
        yield "wire-secret-list-1000", secret_list(planted(folder / "fewer", tenants // 4))
    elif what == "plan":
        yield from of_plan(root, tenants)
    else:
        yield from of_inventory(root)


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/thousands.py", description=__doc__)
    parser.add_argument("--only", choices=PARTS, help="measure this alone")
    parser.add_argument("--tenants", type=int, default=TENANTS, help="another number of tenants, to try the script")
    parser.add_argument("--plan", type=Path, metavar="WORKSPACE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.plan:
        sys.path.insert(0, str(PROJECT))
        print(planned(options.plan))
        return
    if options.only is None:
        for part in PARTS:  # each in a process of its own, which remembers no file
            argv = [sys.executable, __file__, "--only", part, "--tenants", str(options.tenants)]
            subprocess.run(argv, check=True)
        return
    sys.path.insert(0, str(PROJECT))
    with tempfile.TemporaryDirectory(prefix="launchpad-thousands-") as folder:
        for figure, value in measured(options.only, Path(folder), options.tenants):
            record(figure, value, n=TIMES.get(figure, 1))
            print(f"{figure:<28} {value:>8.3f}", flush=True)


if __name__ == "__main__":
    main()
