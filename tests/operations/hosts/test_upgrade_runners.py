"""runner upgrade: waves, a host that is worse, a runner that does not answer, and the way back."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from launchpad import __version__
from launchpad.errors import HostError, LaunchpadError, StateError
from launchpad.events import HeardEvent, MaintenanceProgress
from launchpad.fleet.model.host import Host
from launchpad.operations.hosts.upgrade_runners import Changes, RunnerChange, runners, undo_runners, upgrade_runners
from launchpad.plan.host_upkeep import waves
from launchpad.runner.facts import Fact, Grade, Layer, fact_as_json
from launchpad.runner.protocol import canonical
from launchpad.settings import Settings
from launchpad.ssh.archive import DOWNGRADE, runner_archive
from launchpad.workspace import Workspace
from tests.operations.places import observed, write_workspace
from tests.runner.provision.settings import IMAGE

pytestmark = pytest.mark.programs  # ssh-keygen signs

OURS = runner_archive().digest.removeprefix("sha256:")[:16]
OLD = "0" * 16
NAMES = ("web-1", "web-2", "web-3")


@dataclass
class ScriptedHost:
    """A host with a runner by digest. `mute`: our runner does not answer there; `ill`: the host is worse with it."""

    name: str
    digest: str = OLD
    previous: str = ""
    version: str = "0.0.9"
    mute: bool = False
    ill: bool = False
    dead: bool = False
    signs: bool = True
    clock: float = 1000.0
    switched: tuple[str, str] = ("", "")
    asked: list[str] = field(default_factory=list)
    signed: Mapping[str, Any] = field(default_factory=dict)

    def ask(self, verb: str, body: Mapping[str, Any], *, seconds: float | None = 60) -> dict[str, Any]:
        self.asked.append(verb)
        return dict(getattr(self, f"_{verb}")(body))

    def _hello(self, _body: Any) -> dict[str, Any]:
        if self.mute and self.digest == OURS:
            self.digest, self.previous = self.switched[0], ""
            raise HostError(f"{self.name}: broken")
        version = __version__ if self.digest == OURS else self.version
        return {
            "runner": version, "digest": self.digest, "previous": self.previous, "clock": self.clock, "name": self.name,
        }  # fmt: skip

    def _install(self, _body: Any) -> dict[str, Any]:
        self.switched = self.digest, self.previous
        self.digest, self.previous = OURS, self.digest
        return {"outcome": "switched", "nonce": "n", "seconds": 2.0, "version": __version__}

    def _previous(self, body: Mapping[str, Any]) -> dict[str, Any]:
        self.signed = body
        assert (body["present"], body["earlier"]) == (self.digest, self.previous)
        self.digest, self.previous = self.previous, self.digest
        return {"outcome": "switched", "nonce": "n", "seconds": 2.0, "version": self.version}

    def _confirm(self, _body: Any) -> dict[str, Any]:
        if self.mute:
            raise StateError("there is no such change to confirm: the change may have been reverted")
        return {}

    def _plan(self, _body: Any) -> dict[str, Any]:
        return {"steps": [], "diffs": []}

    def _observe(self, _body: Any) -> dict[str, Any]:
        self.clock += 10
        ill = self.ill and self.digest == OURS
        fact = Fact(Layer.docker, Grade.critical if ill else Grade.ok, "Docker", subject="engine", at=self.clock)
        found = observed({}, clock=self.clock)
        found["host"] |= {"health": [fact_as_json(fact)]}
        return found


@dataclass
class ScriptedHosts:
    hosts: dict[str, ScriptedHost]

    @contextmanager
    def reach(self, host: Host) -> Iterator[ScriptedHost]:
        found = self.hosts[str(host.name)]
        if found.dead:
            raise HostError(f"{host.name}: no route to host")
        yield found


class QuickClock:
    """Time passes by sleeping alone."""

    at = 1000.0

    def now(self) -> float:
        return self.at

    monotonic = now

    def sleep(self, seconds: float) -> None:
        self.at += seconds


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    config = tmp_path / "config"
    config.mkdir()
    key = config / "signing_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "laptop", "-f", str(key)], check=True)
    root = write_workspace(tmp_path / "fleet", dict.fromkeys(NAMES, 22), {})
    hosts = yaml.safe_load((root / "inventory/hosts.yaml").read_text())
    for number, name in enumerate(NAMES, start=1):
        hosts[name]["address"] = f"192.0.2.{number}"
    hosts["web-2"]["labels"] = {"canary": "yes"}
    (root / "inventory/hosts.yaml").write_text(yaml.safe_dump(hosts))
    written = yaml.safe_load((root / "launchpad.yaml").read_text())
    public = key.with_suffix(".pub").read_text().strip()
    person = {"name": "alice", "keys": [public], "signing_keys": [public]}
    (root / "launchpad.yaml").write_text(yaml.safe_dump(written | {"operators": [person], "caddy": {"image": IMAGE}}))
    environment = {"LAUNCHPAD_CONFIG": str(config), "LAUNCHPAD_OPERATOR": "alice"}
    settings = Settings.of(environment, home=tmp_path)
    opened = Workspace.open(root, settings=settings, environment=environment)
    scripted = ScriptedHosts({name: ScriptedHost(name) for name in NAMES})
    return replace(opened, hosts=scripted, clock=QuickClock())  # type: ignore[arg-type]


def host(workspace: Workspace, name: str) -> ScriptedHost:
    assert isinstance(workspace.hosts, ScriptedHosts)
    return workspace.hosts.hosts[name]


def outcomes(found: Changes) -> dict[str, str]:
    return {name: item.outcome if isinstance(item, RunnerChange) else "failed" for name, item in found.items()}


def digests(workspace: Workspace) -> list[str]:
    return [host(workspace, name).digest for name in NAMES]


def test_canaries_first_then_a_tenth_then_the_rest() -> None:
    many = [f"web-{number}" for number in range(1, 22)]
    assert [len(wave) for wave in waves(many, ["web-9"])] == [1, 2, 18]
    assert waves(many, ["web-9"])[0] == ("web-9",) and waves(many, [])[0] == ("web-1",)
    assert waves(["web-1"], []) == (("web-1",),) and waves([], []) == ()


def test_every_host_gets_the_runner_wave_by_wave(workspace: Workspace) -> None:
    said: list[str] = []

    def hear(heard: HeardEvent) -> None:
        if isinstance(heard.event, MaintenanceProgress):
            said.append(heard.event.text)

    assert outcomes(upgrade_runners(workspace, on_event=hear)) == dict.fromkeys(NAMES, "upgraded")
    assert said == ["wave 1: web-2", "wave 2: web-1", "wave 3: web-3"]
    assert digests(workspace) == [OURS] * 3
    assert outcomes(upgrade_runners(workspace)) == dict.fromkeys(NAMES, "unchanged")


def test_a_host_that_is_worse_returns_to_its_earlier_runner_and_no_wave_follows(workspace: Workspace) -> None:
    host(workspace, "web-1").ill = True
    found = upgrade_runners(workspace, patience=20)
    assert outcomes(found) == {"web-1": "failed", "web-2": "upgraded", "web-3": "left"}
    error = found["web-1"]
    assert isinstance(error, StateError)
    assert "web-1 docker: Docker" in error.message and "web-1 is back on runner 0.0.9" in error.message
    assert digests(workspace) == [OLD, OURS, OLD]


def test_a_runner_that_does_not_answer_is_taken_back_by_its_host_and_stops_it(workspace: Workspace) -> None:
    host(workspace, "web-2").mute = True
    found = upgrade_runners(workspace)
    assert outcomes(found) == {"web-1": "left", "web-2": "failed", "web-3": "left"}
    error = found["web-2"]
    assert isinstance(error, LaunchpadError) and "restores the old runner" in error.message
    assert digests(workspace) == [OLD] * 3 and "previous" not in host(workspace, "web-2").asked


def test_a_host_that_was_worse_before_is_no_reason_to_return(workspace: Workspace) -> None:
    upgrade_runners(workspace, ["web-1"])
    host(workspace, "web-1").ill = True
    assert outcomes(upgrade_runners(workspace)) == {"web-1": "unchanged", "web-2": "upgraded", "web-3": "upgraded"}


def test_a_silent_host_stops_nobody_and_is_told(workspace: Workspace) -> None:
    host(workspace, "web-3").dead = True
    assert outcomes(upgrade_runners(workspace)) == {"web-1": "upgraded", "web-2": "upgraded", "web-3": "failed"}


def test_a_newer_runner_is_left_alone(workspace: Workspace) -> None:
    host(workspace, "web-3").version = "99.0.0"
    assert outcomes(upgrade_runners(workspace)) == {"web-1": "upgraded", "web-2": "upgraded"}
    assert host(workspace, "web-3").digest == OLD


def test_undo_returns_each_host_once_signed_for_that_host_alone(workspace: Workspace) -> None:
    upgrade_runners(workspace, ["web-1", "web-2"])
    found = undo_runners(workspace)
    assert outcomes(found) == {"web-1": "returned", "web-2": "returned", "web-3": "unchanged"}
    assert digests(workspace) == [OLD] * 3
    assert outcomes(undo_runners(workspace)) == dict.fromkeys(NAMES, "unchanged"), "typed again it goes nowhere else"
    body = host(workspace, "web-1").signed
    message = canonical({"host": "web-1", "present": OURS, "earlier": OLD, "at": body["at"]})
    signers = workspace.root / "signers"
    public = workspace.settings.signing_key.with_suffix(".pub").read_text()
    signers.write_text(f'{body["signer"]} namespaces="{DOWNGRADE}" {public}')
    (workspace.root / "signature").write_text(body["signature"])
    words = ["ssh-keygen", "-Y", "verify", "-f", str(signers), "-I", body["signer"], "-n", DOWNGRADE]
    words += ["-s", str(workspace.root / "signature")]
    assert subprocess.run(words, input=message, capture_output=True).returncode == 0


def test_a_host_without_an_earlier_runner_is_told(workspace: Workspace) -> None:
    host(workspace, "web-1").digest = OURS
    error = undo_runners(workspace, ["web-1"])["web-1"]
    assert isinstance(error, StateError) and "keeps no earlier runner" in error.message


def test_each_host_s_runner_and_wave_are_shown(workspace: Workspace) -> None:
    upgrade_runners(workspace, ["web-2"])
    found = {name: item for name, item in runners(workspace).items() if not isinstance(item, LaunchpadError)}
    assert {name: (item.state, item.wave, item.previous) for name, item in found.items()} == {
        "web-1": ("behind", 2, False), "web-2": ("current", 1, True), "web-3": ("behind", 3, False),
    }  # fmt: skip
