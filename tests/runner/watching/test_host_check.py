"""The watch and the host itself: name servers, a reboot that waits, and when it looks again."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from launchpad.runner import booting, paths
from launchpad.runner.account import Account, Finding, look_again, read_account
from launchpad.runner.facts import Grade, Layer
from launchpad.runner.provision.effects import COMPOSE
from launchpad.runner.watching import look_once, well
from launchpad.runner.watching.check import Check
from launchpad.runner.watching.host_check import (
    REBOOT_FOR,
    SOON_SECONDS,
    HostCheck,
    answers,
    look_at_host,
    pending_reboot,
)
from tests.memory.system import BareHost
from tests.runner.provision.settings import IMAGE, settings
from tests.runner.provision.test_kill_points import body, run
from tests.runner.verbs.view import MemoryView


@pytest.fixture
def server() -> Iterator[tuple[str, list[bytes]]]:
    """A name server on an address of its own that answers each question with its number."""
    heard: list[bytes] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listens:
        listens.bind(("127.0.0.1", 0))
        port = listens.getsockname()[1]

        def answer() -> None:
            question, whom = listens.recvfrom(512)
            heard.append(question)
            listens.sendto(question[:2] + b"\x80\x00", whom)

        threading.Thread(target=answer, daemon=True).start()
        yield f"127.0.0.1:{port}", heard


def test_a_name_server_that_says_anything_answers_and_one_that_is_not_there_does_not(
    server: tuple[str, list[bytes]],
) -> None:
    address, port = server[0].split(":")
    assert answers(address, port=int(port))
    assert server[1][0][2:] == bytes.fromhex("010000010000000000000000020001")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        closed = taken.getsockname()[1]
    assert not answers("127.0.0.1", port=closed)


def test_a_name_server_may_lose_one_question() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listens:
        listens.bind(("127.0.0.1", 0))

        def answer_the_second() -> None:
            listens.recvfrom(512)
            question, whom = listens.recvfrom(512)
            listens.sendto(question[:2] + b"\x80\x00", whom)

        threading.Thread(target=answer_the_second, daemon=True).start()
        assert answers("127.0.0.1", port=listens.getsockname()[1], seconds=0.5)


def test_what_a_check_found_nothing_of_is_a_fact() -> None:
    host = MemoryView()
    check = Changing(host, Account(host, ("the host",)))
    check.fine = {Layer.resolver: "a name server answers", Layer.settings: "as they were left"}  # type: ignore[misc]
    assert [fact.layer for fact in well(check, [Finding("dns", "no name server answers")])] == [Layer.settings]
    assert [fact.grade for fact in well(check, [])] == [Grade.ok, Grade.ok]


def test_a_reboot_that_an_update_waits_for_is_told_with_its_packages() -> None:
    host = MemoryView()
    assert list(pending_reboot(host)) == []
    host.write(paths.REBOOT, b"")
    host.write(REBOOT_FOR, b"linux-image-amd64\nlibc6\nlibc6\n")
    (found,) = pending_reboot(host)
    assert "of libc6, linux-image-amd64 needs a reboot" in found.message


@dataclass
class Counting(MemoryView):
    """Whoever waits lets time pass for the check, too."""

    checks: list[Check] = field(default_factory=list)

    def wait(self, seconds: float) -> None:
        super().wait(seconds)
        for check in self.checks:
            if check.is_wanted(self.clock - 0.2):
                look_once(check, check.account)


class Changing(Check):
    name = "the host"
    broken = True

    def look(self) -> Iterator[Finding]:
        if self.broken:
            yield Finding("x", "is broken")


def test_what_was_mended_is_not_told_any_more_when_the_watch_was_asked_to_look_again() -> None:
    host = Counting()
    account = Account(host, ("the host",))
    check = Changing(host, account)
    look_once(check, account)
    assert [item.message for item in read_account(host)[0]] == ["is broken"]
    check.broken = False
    host.checks.append(check)
    look_again(host, "the host")
    assert read_account(host)[0] == []


def test_a_watch_that_does_not_look_is_waited_for_only_a_little() -> None:
    host = MemoryView()
    Account(host, ("the host",)).see("the host", [], {})
    begun = host.now()
    look_again(host, "the host", seconds=5)
    assert 5 <= host.now() - begun < 6
    host.remove(paths.ACCOUNT)
    host.watched = False
    look_again(host, "the host", seconds=5)
    assert host.now() - begun < 7
    assert json.loads(host.read(paths.LOOK_AGAIN) or b"")


def test_between_two_looks_it_waits_its_time_unless_somebody_asks() -> None:
    host = MemoryView()
    check = Changing(host, Account(host, ()))
    begun = host.now()
    check.pause()
    assert 60 <= host.now() - begun < 62
    begun = host.now()
    host.write(paths.LOOK_AGAIN, str(host.elapsed() + 5).encode())
    check.pause()
    assert host.now() - begun < 1


class Provisioned(BareHost):
    def lock_owner(self, name: str) -> Mapping[str, Any] | None:
        return self.locks.get(name)


def test_what_a_boot_or_a_provision_has_under_way_is_no_finding_and_what_was_found_is_looked_at_again_soon() -> None:
    host = Provisioned(registry={IMAGE})
    assert run(host, body(settings())) == "done"
    host.system.resolvers = ()
    host.files["/etc/docker/daemon.json"].data = b"{}"
    view: Any = host
    check = HostCheck(view, Account(host, ()))
    host.write(booting.BOOTS, b"")
    assert list(check.look()) == []
    assert not check.is_wanted(host.elapsed())
    booting.finish(host)
    assert check.is_wanted(host.elapsed()), "the boot is over, and it has to look at once"
    with host.lock("host", {"operation": "provision"}):
        assert list(check.look()) == []
    found = [item.message for item in check.look()]
    assert "/etc/docker/daemon.json was changed" in found
    assert "the host has no name server, so its tenants cannot resolve names" in found
    begun = host.now()
    check.pause()
    assert SOON_SECONDS <= host.now() - begun < SOON_SECONDS + 1


def test_where_docker_does_not_answer_nobody_says_that_caddy_does_not_run() -> None:
    """Caddy's container outlives Docker, and another check asks Caddy itself."""
    host = Provisioned(registry={IMAGE})
    assert run(host, body(settings())) == "done"

    def of(subject: str) -> list[str]:
        return [item.message for item in look_at_host(host) if item.subject == subject]

    host.system.caddy = None
    assert of("caddy") == ["Caddy does not run"] and of("docker") == []
    host.system.active.remove("docker.service")
    assert of("caddy") == [] and of("docker") == ["docker.service does not run"]
    host.files[COMPOSE].data = b"services: {}"
    assert of("caddy") == [f"{COMPOSE} was changed"], "its file can be read"
