"""The runner is changed under way on a real host: a good one stays, a bad one goes back by itself, and an operation is
finished by the runner that began it."""

from __future__ import annotations

import base64
import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from launchpad import __version__
from launchpad.errors import HostError, StateError, StepFailed
from launchpad.operations.hosts.confirming import confirm_change
from launchpad.operations.requests.identifiers import new_identifier
from launchpad.operations.requests.reaching import hosts_of
from launchpad.runner.protocol import digest_of
from launchpad.ssh.archive import runner_archive, sign
from launchpad.workspace import Workspace
from tests.lab.settings import SIGNER, open_workspace
from tests.lab.world import World
from tests.tally import Tally, tallied

LINK = "/usr/local/sbin/launchpad-runner"
NEWER = "9.0.0"
SILENT = """import sys
if sys.argv[1].startswith('operator=') and sys.argv[1] != 'operator=install':
    sys.exit('broken')
"""
"""In front of a runner's start: it says hello when it is tried out, and to no operator."""
GOES_BACK_SECONDS = 30


@pytest.fixture(scope="module")
def holds(request: pytest.FixtureRequest) -> Iterator[Tally]:
    with tallied("skew", request) as tally:
        yield tally


@pytest.fixture(scope="module")
def workspace(world: World) -> Workspace:
    return open_workspace(world)


def changed(changes: Callable[[dict[str, bytes]], None]) -> bytes:
    """This installation's runner as another archive."""
    with zipfile.ZipFile(io.BytesIO(runner_archive().data)) as archive:
        content = {item.filename: archive.read(item) for item in archive.infolist()}
    changes(content)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for path, data in content.items():
            archive.writestr(path, data)
    return buffer.getvalue()


def as_version(version: str, *, start: str = "") -> bytes:
    """A runner of that version; `start` is run before anything else of it."""

    def change(content: dict[str, bytes]) -> None:
        manifest = json.loads(content["runner.json"]) | {"version": version}
        content["runner.json"] = json.dumps(manifest).encode()
        own = content["launchpad/__init__.py"]
        content["launchpad/__init__.py"] = own.replace(__version__.encode(), version.encode())
        first, _, rest = content["start"].partition(b"\n")
        content["start"] = first + b"\n" + start.encode() + rest

    return changed(change)


def install(workspace: Workspace, archive: bytes) -> Mapping[str, Any]:
    """Ask the host to take the runner, signed as an operator with the signing key would; nothing is confirmed."""
    signature = sign(archive, key=workspace.settings.signing_key)
    body = {"archive": base64.b64encode(archive).decode(), "signature": signature, "signer": SIGNER}
    host = workspace.fleet.load().host("web-1")
    with hosts_of(workspace).reach(host) as runner:
        return runner.ask("install", body, seconds=120)


def hello(workspace: Workspace) -> Mapping[str, Any]:
    """Who answers a new connection."""
    with hosts_of(workspace).reach(workspace.fleet.load().host("web-1")) as runner:
        return runner.ask("hello", {})


def linked(world: World) -> str:
    """The folder of the runner that the host starts."""
    return world.host.exec(["readlink", "-f", LINK]).stdout.strip().rpartition("/")[0]


def folder_of(archive: bytes) -> str:
    return f"/usr/local/lib/launchpad/runner-{digest_of(archive).removeprefix('sha256:')[:16]}"


def test_a_runner_that_cannot_say_hello_is_not_switched_to(world: World, workspace: Workspace, holds: Tally) -> None:
    before = linked(world)
    with pytest.raises(StepFailed) as failed:
        install(workspace, as_version(NEWER, start="raise SystemExit('broken')\n"))
    holds("a runner that starts for nobody is refused", "does not answer" in failed.value.message, failed.value.message)
    holds("and the old one goes on", linked(world) == before and hello(workspace)["runner"] == __version__)


def test_a_runner_that_answers_no_operator_goes_back_by_itself(
    world: World, workspace: Workspace, holds: Tally
) -> None:
    before, broken = linked(world), as_version(NEWER, start=SILENT)
    switched = install(workspace, broken)
    begun = time.monotonic()
    assert switched["outcome"] == "switched"
    assert linked(world) == folder_of(broken), "the control: the host starts the broken one now"
    with pytest.raises(HostError, match="broken"):
        hello(workspace)
    while linked(world) != before:
        assert time.monotonic() - begun < 2 * GOES_BACK_SECONDS, "the link stays with the broken runner"
        time.sleep(0.1)
    seconds = time.monotonic() - begun
    print(f"\nthe broken runner was gone after {seconds:.1f} s")
    holds(f"a bad runner goes back within {GOES_BACK_SECONDS} s", seconds <= GOES_BACK_SECONDS, seconds)
    holds("status works again", world.launchpad("status").code == 0)
    with pytest.raises(StateError, match="may have been reverted"):
        confirm_change(hosts_of(workspace), workspace.fleet.load().host("web-1"), str(switched["nonce"]), seconds=1)
    assert linked(world) == before, "a change that was taken back cannot be confirmed any more"


def test_an_operation_is_finished_by_the_runner_that_began_it(world: World, workspace: Workspace, holds: Tally) -> None:
    """Killed in the middle, after the switch: the old runner goes on with it. The new one was confirmed and stays."""
    world.add_tenant("alice")
    old, good = linked(world), as_version(NEWER)
    identifier = new_identifier(workspace.clock.now())
    world.set_tenant("alice", version="2.1.0")  # takes 15 s to start
    deploying = world.start("deploy", "alice", "--id", identifier)
    unit = f"launchpad-operation@{identifier}.service"
    until(lambda: "await-probes" in journal(world, identifier), "it waits for the probes")

    switched = install(workspace, good)
    confirm_change(hosts_of(workspace), workspace.fleet.load().host("web-1"), str(switched["nonce"]), seconds=20)
    holds("a good runner answers at once", hello(workspace)["runner"] == NEWER)
    first = carried_out_by(world, unit)
    world.host.exec(["systemctl", "kill", "--signal=KILL", unit])
    # Which runner it is stands there once the unit's shell has become it.
    until(
        lambda: carried_out_by(world, unit)[0] != first[0] and "/start" in carried_out_by(world, unit)[1], "it goes on"
    )
    words = carried_out_by(world, unit)[1]
    holds("an operation is gone on with by the runner that began it", f"{old}/start" in words, words)
    assert deploying.wait(120) == 0, deploying.communicate()
    holds("and brought to its end", world.wait_for("alice", "/").json["version"] == "2.1.0")

    world.host.exec(["systemctl", "start", f"launchpad-revert@{switched['nonce']}.service"])
    holds("a confirmed runner stays", linked(world) == folder_of(good), linked(world))


def test_this_installation_does_not_take_a_newer_runner_back(world: World, holds: Tally) -> None:
    newer = linked(world)
    world.launchpad("provision", "web-1")  # the watch still runs the code of before, and is started anew
    again = world.launchpad("--json", "provision", "web-1")
    holds("provision leaves a newer runner alone", linked(world) == newer, linked(world))
    holds("and has nothing more to do", again.json["outcome"] == "unchanged", again.out)
    holds("status and deploy work with a newer runner", world.deploy("alice")["outcome"] == "unchanged")


def journal(world: World, identifier: str) -> str:
    path = f"/var/lib/launchpad/operations/{identifier}/journal.jsonl"
    return world.host.read(path) if world.host.exists(path) else ""


def carried_out_by(world: World, unit: str) -> tuple[str, str]:
    """The process that carries the operation out, and its words; both empty when there is none."""
    pid = world.host.exec(["systemctl", "show", "--property=MainPID", "--value", unit]).stdout.strip()
    if pid == "0":
        return "", ""
    return pid, world.host.exec(["cat", f"/proc/{pid}/cmdline"], check=False).stdout


def until(true: Callable[[], bool], what: str, *, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(0.1)
