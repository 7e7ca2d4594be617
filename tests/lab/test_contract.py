"""The real machine keeps the contract of the runner's seam: every question, asked inside a provisioned host."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile

import pytest

from launchpad.ssh.archive import runner_archive
from tests.contract.driver import EVERYTHING
from tests.lab.world import PROJECT, World

SHIPPED = ("launchpad/__init__.py", "launchpad/runner", "tests/__init__.py", "tests/contract")
FOLDER = "/opt/contract"


@pytest.fixture(scope="module")
def answers(world: World) -> dict[str, dict[str, str]]:
    """What the host's own Python found out; one run for all questions. The watch is off meanwhile: it would put right
    what a question changes."""
    world.host.exec(["mkdir", "-p", FOLDER])
    world.host.exec(["tar", "-C", FOLDER, "-xf", "-"], stdin=shipment())
    image = world.images["beacon:1.0.0"]
    missing = f"{image.partition('@')[0].rpartition('/')[0]}/missing@sha256:{'0' * 64}"
    given = json.dumps({"image": image, "missing": missing})
    words = ["python3", "-I", f"{FOLDER}/tests/contract/driver.py"]
    world.host.exec(["systemctl", "stop", "launchpad-watch.service"])
    try:
        said = world.host.exec(words, stdin=given, timeout=600, check=False)
    finally:
        world.host.exec(["systemctl", "start", "launchpad-watch.service"])
    found = [json.loads(line) for line in said.stdout.splitlines()]
    assert said.status == 0, said.stderr
    return {answer["name"]: answer for answer in found}


def shipment() -> bytes:
    """The runner and the questions, as a tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in SHIPPED:
            archive.add(PROJECT / name, name, filter=lambda item: None if "__pycache__" in item.name else item)
        start = tarfile.TarInfo("start")
        with zipfile.ZipFile(io.BytesIO(runner_archive().data)) as packed:
            data = packed.read("start")
        start.size, start.mode = len(data), 0o755
        archive.addfile(start, io.BytesIO(data))
    return buffer.getvalue()


@pytest.mark.parametrize("name", EVERYTHING)
def test_the_real_machine_keeps_the_contract(answers: dict[str, dict[str, str]], name: str) -> None:
    assert not answers[name]["error"], answers[name]["error"]


def test_every_question_was_asked(answers: dict[str, dict[str, str]]) -> None:
    assert list(answers) == list(EVERYTHING)
    assert len(answers) > 90
