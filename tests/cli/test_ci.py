"""The examples for CI are commands that Launchpad takes, and their smoke test judges a deployment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.terminal import Terminal
from tests.cli.test_junit import SCHEMA
from tests.operations.tenants.loopback import Deployment, deployed

CI = Path(__file__).parents[2] / "scripts/ci"
FILES = ["github.yml", "gitlab-ci.yml"]


def jobs(file: str) -> dict[str, dict[str, Any]]:
    found = yaml.safe_load((CI / file).read_text())
    return found["jobs"] if "jobs" in found else {name: job for name, job in found.items() if "script" in job}


def lines(job: dict[str, Any]) -> list[str]:
    """What a job types of Launchpad's."""
    typed = job.get("script") or [step.get("run", "") for step in job["steps"]]
    return [line for line in typed if line.startswith("launchpad ")]


def every_line(file: str) -> Iterator[str]:
    for job in jobs(file).values():
        yield from lines(job)


@pytest.mark.parametrize("file", FILES)
def test_every_command_is_one_that_launchpad_takes(empty: Terminal, file: str) -> None:
    typed = list(every_line(file))
    assert [line.split()[1] for line in typed] == ["check", "smoke", "smoke"]
    for line in typed:
        options = [word for word in line.split() if word.startswith("--")]
        shown = empty.ok(*line.split()[1:2], "--help").out
        assert all(option in shown for option in options), line


def test_each_report_is_uploaded_also_when_a_case_failed() -> None:
    for name in ("smoke", "ready"):
        (line,) = lines(jobs("gitlab-ci.yml")[name])
        artifacts = jobs("gitlab-ci.yml")[name]["artifacts"]
        assert (artifacts["when"], artifacts["reports"]["junit"]) == ("always", line.split()[-1])
        (line,) = lines(jobs("github.yml")[name])
        upload = jobs("github.yml")[name]["steps"][-1]
        assert (upload["if"], upload["with"]["path"]) == ("always()", line.split()[-1])


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with deployed(tmp_path_factory.mktemp("ci"), {"right": "web-1", "failing": "web-1"}) as running:
        yield running


@pytest.mark.programs
@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(("tenant", "code"), [("right", 0), ("failing", 4)])
def test_the_smoke_line_judges_a_deployment(
    empty: Terminal, deployment: Deployment, file: str, tenant: str, code: int
) -> None:
    line = lines(jobs(file)["smoke"])[0]
    assert "--all" in line
    words = line.removeprefix("launchpad ").replace("--all", tenant).split()
    here = ("--at", f"127.0.0.1:{deployment.port}", "--cacert", str(deployment.authority))
    printed = empty("-w", str(deployment.workspace.root), *words, *here)
    assert printed.code == code, printed
    SCHEMA.validate((empty.root / "smoke.xml").read_text())
    assert ("the app answers 500" in printed.out) == (tenant == "failing")
    assert "hint: launchpad logs failing" in printed.out or tenant == "right"


@pytest.mark.programs
def test_json_is_one_document(empty: Terminal, deployment: Deployment) -> None:
    here = ("--at", f"127.0.0.1:{deployment.port}", "--cacert", str(deployment.authority), "--outside-only")
    found = empty("-w", str(deployment.workspace.root), "--json", "smoke", "failing", *here).json
    assert (found["good"], len(found["cases"])) == (False, 8)
    assert {item["verdict"] for item in found["cases"]} == {"passed", "failed", "skipped"}


def test_what_is_judged_must_be_said(terminal: Terminal) -> None:
    for words in (("smoke",), ("smoke", "alice", "--all")):
        printed = terminal(*words)
        assert printed.code == 2
        assert "name tenants, hosts or domains, or --all" in printed.err
    assert terminal("smoke", "alice", "--at", "example.com").code == 2
    assert terminal("smoke", "alice", "--junit", "/nowhere/smoke.xml").code == 3
    printed = terminal("smoke", "alice", "--restart")
    assert (printed.code, "Restart alice?" in printed.err) == (4, True)
