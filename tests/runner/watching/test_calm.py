"""What a calm minute of the watch of 20 tenants takes of the host, with a clock that is passed in."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from launchpad.runner import booting, paths, watching
from launchpad.runner.account import Account
from launchpad.runner.machine.files import DiskFiles
from launchpad.runner.machine.kept_files import KeptFiles
from launchpad.runner.watch import NAME, Watcher
from launchpad.runner.watching.check import POLL_SECONDS
from tests.runner.verbs.view import MemoryView, deployed
from tests.runner.watching.test_certificate_check import have

TENANTS, MINUTES = 20, 3
MOST_OPENED = 60
"""Files and folders that are opened in a calm minute; before answers were kept: 1,850."""
MOST_ASKED = 6.0
"""Questions to each tenant's app in a minute, and to each name through Caddy: every 12.5 s, every 32.5 s."""


class CountedFiles(DiskFiles):
    """Files below a folder that stands for the host's disk."""

    def __init__(self) -> None:
        self.opened: Counter[str] = Counter()

    def read(self, path: str) -> bytes | None:
        self.opened[path] += 1
        return super().read(path)

    def names(self, path: str) -> list[str]:
        self.opened[path] += 1
        return super().names(path)


class WatchedFiles(KeptFiles, CountedFiles):
    below = ("/",)


@dataclass
class OnDisk(MemoryView):
    """A host in memory whose own files are on a real disk, as soon as there is a `root`."""

    root: Path | None = None
    files_on_disk: WatchedFiles = field(default_factory=WatchedFiles)

    def read(self, path: str) -> bytes | None:
        if self.root and path.startswith(KeptFiles.below):
            return self.files_on_disk.read(f"{self.root}{path}")
        return super().read(path)

    def names(self, path: str) -> list[str]:
        if self.root and path.startswith(KeptFiles.below):
            return self.files_on_disk.names(f"{self.root}{path}")
        return super().names(path)

    def write(self, path: str, data: bytes, *, mode: int = 0o644, uid: int = 0) -> None:
        if self.root and path.startswith(KeptFiles.below):
            (self.root / path[1:]).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path[1:]).write_bytes(data)
        super().write(path, data, mode=mode, uid=uid)

    def put_on(self, root: Path) -> None:
        for folder in self.folders:
            (root / folder[1:]).mkdir(parents=True, exist_ok=True)
        for path, item in self.files.items():
            (root / path[1:]).parent.mkdir(parents=True, exist_ok=True)
            (root / path[1:]).write_bytes(item.data)
        self.root = root


def host_of(count: int) -> OnDisk:
    host = OnDisk()
    for number in range(count):
        name = f"tenant-{number:02}"
        deployed(tenant=name, slot=number + 1, host=host)
        have(host, host.now() - 86_400, domain=f"{name}.example.com")
    booting.begin_with(host)
    return host


class Calm:
    """All checks of the watch, each at its own times, in one thread."""

    def __init__(self, host: OnDisk) -> None:
        self.host = host
        self.account = Account(host, (NAME, *(check.name for check in watching.CHECKS)))
        self.watcher = Watcher(host, self.account)
        self.checks = [check(host, self.account) for check in watching.CHECKS]
        self._due = dict.fromkeys([self.watcher, *self.checks], 0.0)
        self._looked = dict.fromkeys(self.checks, 0.0)

    def go_on(self, seconds: float) -> None:
        end = self.host.elapsed() + seconds
        while (now := self.host.elapsed()) < end:
            if self._due[self.watcher] <= now:
                self._due[self.watcher] = now + self.watcher.look()
                self.account.see(NAME, self.watcher.findings(), {}, self.watcher.health)
            for check in self.checks:
                if self._due[check] <= now or check.is_wanted(self._looked[check]):
                    watching.look_once(check, self.account)
                    self._looked[check], self._due[check] = now, now + check.every
            self.host.wait(POLL_SECONDS / 4)


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Calm:
    host = host_of(TENANTS)
    host.put_on(tmp_path_factory.mktemp("host"))
    calm = Calm(host)
    calm.go_on(120)
    return calm


def test_a_calm_minute_opens_few_files_and_asks_each_tenant_as_often_as_promised(calm: Calm) -> None:
    files, asked = calm.host.files_on_disk, calm.host.asked
    files.opened.clear()
    asked.clear()
    calm.go_on(60 * MINUTES)
    assert files.opened.total() / MINUTES <= MOST_OPENED, files.opened.most_common(10)
    times = Counter(asked)
    apps = {question for question in times if not question.startswith("https")}
    assert len(apps) >= TENANTS and len(times) >= 2 * TENANTS
    assert max(times.values()) / MINUTES <= MOST_ASKED


@pytest.mark.parametrize("who", ["breaker", "operation", "record"])
def test_what_changes_on_the_disk_after_a_calm_time_is_seen_at_the_next_question(calm: Calm, who: str) -> None:
    host, name = calm.host, "tenant-07"
    path = {
        "breaker": f"{paths.tenant(name)}/breaker.json",
        "operation": f"{paths.OPEN}/operation-of-{name}",
        "record": paths.record(name),
    }[who]
    outcome = f"{paths.operation(f'operation-of-{name}')}/outcome.json"
    before, ended = host.read(path), host.read(outcome)
    assert host.root
    if who == "operation":
        (host.root / outcome[1:]).unlink()
    host.write(path, before.replace(b'"running": true', b'"running": false') if before else b"{}")
    calm.go_on(20)
    assert not any(fact.tenant == name and fact.layer == "ready" for fact in calm.account.known_facts())
    if before is None:
        (host.root / path[1:]).unlink()
    else:
        host.write(path, before)
    if ended and who == "operation":
        host.write(outcome, ended)
    calm.go_on(20)
    assert any(fact.tenant == name and fact.layer == "ready" for fact in calm.account.known_facts())
