"""A host tells people what is wrong with it: by mail to a real SMTP server, once a cause, and when it is over."""

from __future__ import annotations

import email
import email.policy
import json
import os
import time
from collections.abc import Callable, Iterator

import pytest
from labkit import Host

from tests.lab.test_watching import until
from tests.lab.world import World, write

MAIL = "/root/mail"
URL = "mailto://127.0.0.1:2525?mode=insecure&from=web-1@example.com&to=ops@example.com&name=web-1"
BEAT = "http://127.0.0.1:2526/a-long-token"
ALERTS = [{"name": "team"}, {"name": "dead-man", "kind": "heartbeat"}]
MINUTES = pytest.mark.skipif("LAUNCHPAD_EVIDENCE" not in os.environ, reason="minutes: scripts/evidence asks it")
SEEN_SECONDS = 120
"""The check's own interval, the 30 s that a problem has to last, and the mail's way; the machine may be busy."""


@pytest.fixture(scope="module", autouse=True)
def told(world: World) -> Iterator[None]:
    """Two tenants, and a mail server on the host's loopback that keeps what it gets."""
    mailbox(world.host)
    world.host.exec(["mkdir", "-p", "/root/beats/a-long-token"])
    beats = "cd /root/beats && exec python3 -m http.server --bind 127.0.0.1 2526"
    world.host.exec(["systemd-run", "--unit=beats", "--quiet", "sh", "-c", beats])
    write(world.root / "launchpad.yaml", alerts=ALERTS)
    world.launchpad("alerts", "credential", "team", stdin=URL)
    world.launchpad("alerts", "credential", "dead-man", stdin=BEAT)
    world.launchpad("provision", "web-1", timeout=600)
    for name in ("alice", "bob"):
        world.add_tenant(name)
        world.deploy(name)
    yield


def mailbox(host: Host) -> None:
    """A mail server on the host's loopback that keeps what it gets."""
    host.exec(["sh", "-c", "apt-get -qq update && apt-get -qq install -y python3-aiosmtpd >/dev/null"], timeout=300)
    serve = f"exec python3 -m aiosmtpd -n -l 127.0.0.1:2525 -c aiosmtpd.handlers.Mailbox {MAIL}"
    host.exec(["systemd-run", "--unit=sink", "--quiet", "sh", "-c", serve])


def mails(host: Host) -> list[tuple[str, str]]:
    """Subject and text of each, the oldest first."""
    listed = host.exec(["sh", "-c", f"ls -tr {MAIL}/new/* 2>/dev/null"], check=False).stdout.split()
    found = []
    for path in listed:
        read = host.exec(["cat", path]).stdout
        message = email.message_from_string(read, policy=email.policy.default)
        body = message.get_body(("plain", "html"))
        found.append((str(message["Subject"]), body.get_content() if body else ""))
    return found


def subjects(world: World) -> list[str]:
    return [subject for subject, _ in mails(world.host)]


def severe(world: World) -> list[tuple[str, str]]:
    """The mails but for warnings: the host has no time server, and this machine much else to do."""
    return [(subject, text) for subject, text in mails(world.host) if not subject.startswith("[warning] ")]


def test_a_test_message_arrives_and_shows_no_secret(world: World) -> None:
    found = world.launchpad("alerts", "test", "web-1")
    assert "delivered" in found.out
    assert subjects(world) == ["[test] web-1: alerts arrive here"]
    known = world.host.exec(
        ["sh", "-c", "grep -rlF a-long-token /etc /run /var/lib/launchpad /srv/launchpad 2>/dev/null"], check=False
    )
    assert known.stdout == ""


@MINUTES
def test_the_sign_of_life_is_heard(world: World) -> None:
    def beats() -> bool:
        said = world.host.exec(["journalctl", "-u", "beats", "-o", "cat"]).stdout
        return "GET /a-long-token" in said

    until(beats, "a heartbeat", seconds=130)


@MINUTES
def test_docker_down_is_one_mail_and_so_is_its_end(world: World, measured: Callable[..., None]) -> None:
    before = len(severe(world))
    world.host.exec(["systemctl", "mask", "--runtime", "--quiet", "docker.service"])
    world.host.exec(["systemctl", "stop", "docker.socket", "docker.service"])
    try:
        begun = time.monotonic()
        until(lambda: len(severe(world)) > before, "a mail", seconds=SEEN_SECONDS)
        took = time.monotonic() - begun
        time.sleep(60)  # nothing else tells that no second one comes
        told = severe(world)[before:]
        assert [subject for subject, _ in told] == ["[critical] web-1: host, docker"]
        assert "Type: launchpad " in told[0][1] and "launchpad runbook host-docker" in told[0][1]
        listed = json.loads(world.launchpad("--json", "alerts", "list").out)["web-1"]
        assert any(item["layer"] == "docker" and item["told"] for item in listed["alerts"])
    finally:
        world.host.exec(["systemctl", "unmask", "--runtime", "--quiet", "docker.service"])
        world.host.exec(["systemctl", "start", "docker.service"])
    measured("ops-alert-seconds", round(took, 1), detail="Docker stopped")
    for name in ("alice", "bob"):
        world.wait_for(name)
    until(lambda: len(severe(world)) > before + 1, "the end", seconds=400)
    time.sleep(60)  # nor here
    assert [subject for subject, _ in severe(world)[before + 1 :]] == ["[recovered] web-1: host, docker"]


@MINUTES
def test_a_silence_keeps_quiet(world: World) -> None:
    before = len(mails(world.host))
    world.launchpad("alerts", "silence", "web-1", "--for", "5m", "--why", "a test")
    world.host.exec(["systemctl", "stop", "chrony.service"])
    try:
        time.sleep(20)
        assert "a test" in world.launchpad("alerts", "list").err
        assert len(mails(world.host)) == before
    finally:
        world.host.exec(["systemctl", "start", "chrony.service"])
        world.launchpad("alerts", "silence", "web-1", "--end")
