"""A new runner is taken only signed, only forward, and only when a new connection was answered by it."""

from __future__ import annotations

import base64
import io
import subprocess
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from launchpad.errors import StateError, StepFailed
from launchpad.operations.hosts.confirming import confirm_change
from launchpad.operations.requests.reaching import hosts_of
from launchpad.ssh.archive import runner_archive, sign
from launchpad.workspace import Workspace
from tests.lab.settings import SIGNER, connection, open_workspace
from tests.lab.world import World

LINK = "/usr/local/sbin/launchpad-runner"
BACK_SECONDS = 45


@pytest.fixture(scope="module")
def workspace(world: World) -> Workspace:
    return open_workspace(world)


def changed(path: str, old: str, new: str) -> bytes:
    """This installation's runner with one text in one file replaced."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(runner_archive().data)) as good,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as bad,
    ):
        for item in good.infolist():
            text = good.read(item).decode()
            if item.filename == path:
                assert old in text
                text = text.replace(old, new, 1)
            bad.writestr(item, text)
    return buffer.getvalue()


def install(workspace: Workspace, archive: bytes, *, signature: str = "", namespace: str = "") -> dict[str, Any]:
    key = workspace.settings.signing_key
    signature = signature or sign(archive, key=key, namespace=namespace or "launchpad-runner")
    body = {"archive": base64.b64encode(archive).decode(), "signature": signature, "signer": SIGNER}
    with connection(workspace) as reached:
        return reached.ask("install", body, seconds=60)


def linked(world: World) -> str:
    return world.host.exec(["readlink", LINK]).stdout.strip()


def wait_until_back(world: World, before: str) -> None:
    end = time.monotonic() + BACK_SECONDS
    while linked(world) != before:
        assert time.monotonic() < end, "the old runner was not put back"
        time.sleep(0.5)


HARMLESS = ("launchpad/runner/verbs/hello.py", '"""hello: ', '"""hello, hello: ')


def test_a_forged_runner_is_refused(world: World, workspace: Workspace, tmp_path: Path) -> None:
    before = linked(world)
    archive = changed(*HARMLESS)
    stranger = tmp_path / "stranger"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(stranger)], check=True)
    good = sign(runner_archive().data, key=workspace.settings.signing_key)
    operators = workspace.settings.ssh_key
    assert operators is not None
    forged = {
        "by a stranger": sign(archive, key=stranger),
        "by an operator who is no signer": sign(archive, key=operators),
        "of another archive": good,
        "of settings": sign(archive, key=workspace.settings.signing_key, namespace="launchpad-settings"),
        "not a signature": "-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----\n",
    }
    for name, signature in forged.items():
        with pytest.raises(StepFailed, match="not signed"):
            install(workspace, archive, signature=signature)
            raise AssertionError(f"a signature {name} was taken")
    assert linked(world) == before


def test_an_older_runner_is_refused_unless_a_signer_says_so(world: World, workspace: Workspace) -> None:
    before = linked(world)
    older = changed("runner.json", '"version": "', '"version": "0.0.0.')
    with pytest.raises(StateError, match="older"):
        install(workspace, older)
    reply = install(workspace, older, namespace="launchpad-runner-downgrade")
    assert reply["outcome"] == "switched"
    wait_until_back(world, before)  # nobody confirms


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("launchpad/runner/verbs/hello.py", "def hello", "def hello("),
        ("launchpad/runner/__main__.py", "import os", "import os\nimport no_such_module"),
        ("launchpad/runner/verbs/hello.py", "    body_from_json(Hello, body)", "    raise RuntimeError"),
    ],
    ids=["does-not-compile", "does-not-start", "does-not-answer"],
)
def test_a_runner_that_does_not_work_is_never_switched_to(
    world: World, workspace: Workspace, path: str, old: str, new: str
) -> None:
    before = linked(world)
    with pytest.raises(StepFailed):
        install(workspace, changed(path, old, new))
    assert linked(world) == before


def test_a_runner_that_nobody_confirms_goes_back(world: World, workspace: Workspace) -> None:
    """Its trial run went well; to the operators' connections it does not answer."""
    before = linked(world)
    bad = changed(
        "launchpad/runner/verbs/hello.py", "    body_from_json(Hello, body)", "    assert _caller.operator == 'install'"
    )
    assert install(workspace, bad)["outcome"] == "switched"
    assert linked(world) != before
    wait_until_back(world, before)
    with connection(workspace) as reached:
        assert reached.ask("hello", {})["digest"] in before


def test_a_reboot_before_the_confirmation_goes_back(world: World, workspace: Workspace) -> None:
    before = linked(world)
    assert install(workspace, changed(*HARMLESS))["outcome"] == "switched"
    world.host.power_off_hard()
    world.host.start()
    assert linked(world) == before


def test_a_good_runner_stays(world: World, workspace: Workspace) -> None:
    before = linked(world)
    reply = install(workspace, changed(*HARMLESS))
    confirm_change(hosts_of(workspace), workspace.fleet.load().host("web-1"), reply["nonce"], seconds=20)
    assert linked(world) != before
    world.host.power_off_hard()
    world.host.start()
    assert linked(world) != before
    assert install(workspace, changed(*HARMLESS))["outcome"] == "unchanged"
    world.launchpad("provision", "web-1")
    assert linked(world) == before, "a provision brings this installation's own runner"
