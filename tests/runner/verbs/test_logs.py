"""logs: in the order of time, of several tenants, without secrets, and going on over deploys."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from launchpad.runner import paths
from launchpad.runner.protocol import Refused
from launchpad.runner.verbs.logs import LOOK_SECONDS, logs
from launchpad.runner.view import ContainerLine
from tests.runner.verbs.view import CALLER, MemoryView, deployed

WEB, STORE = "lp-alice-a-web-1", "lp-alice-a-store-1"


def at(second: int) -> str:
    return f"2026-11-22T10:00:{second:02d}.000000000Z"


def talkative() -> MemoryView:
    host = deployed(tenant="bob", slot=8, host=deployed())
    host.written = {
        WEB: [ContainerLine(at(1), "web 1"), ContainerLine(at(4), "web 4")],
        STORE: [ContainerLine(at(2), "store 2"), ContainerLine(at(3), "store 3")],
        "lp-bob-a-web-1": [ContainerLine(at(2), "bob's")],
    }
    return host


def told(host: MemoryView, **body: Any) -> list[dict[str, Any]]:
    *lines, last = list(logs(host, body, CALLER))
    assert last == {"type": "reply", "body": {}}
    return lines


def texts(host: MemoryView, **body: Any) -> list[str]:
    return [line["text"] for line in told(host, **body)]


def test_services_lines_come_in_the_order_of_time() -> None:
    found = told(talkative(), tenant="alice")
    assert [(line["service"], line["text"]) for line in found] == [
        ("web", "web 1"),
        ("store", "store 2"),
        ("store", "store 3"),
        ("web", "web 4"),
    ]
    assert found[0] == {"type": "log", "tenant": "alice", "service": "web", "at": at(1), "text": "web 1"}


def test_several_tenants_are_told_at_once() -> None:
    found = told(talkative(), tenants=["alice", "bob"])
    assert [line["tenant"] for line in found] == ["alice", "alice", "bob", "alice", "alice"]


def test_the_last_lines_are_the_tenants_last_not_each_containers() -> None:
    assert texts(talkative(), tenant="alice", lines=2) == ["store 3", "web 4"]


def test_known_secrets_are_taken_out_in_every_form() -> None:
    host = deployed()
    secret = 'pass"wörd/1'
    host.write(f"{paths.secrets('alice', 'r1')}/TOKEN", secret.encode())
    forms = [secret, json.dumps(secret)[1:-1], "pass%22w%C3%B6rd%2F1", "cGFzcyJ3w7ZyZC8x"]
    host.written[WEB] = [ContainerLine(at(1), f"before {form} after") for form in forms]
    assert texts(host, tenant="alice") == ["before [secret] after"] * len(forms)


def test_of_a_line_that_was_cut_the_end_is_left_out_because_it_may_begin_a_secret() -> None:
    host = deployed()
    host.written[WEB] = [ContainerLine(at(1), "x" * 100 + "secret-of-al", cut=True)]
    assert "secret-of" not in texts(host, tenant="alice")[0]


def test_a_tenant_that_is_not_here_is_refused() -> None:
    for name in ("carol", "../etc", "", None):
        with pytest.raises(Refused):
            told(talkative(), tenant=name)


def test_a_tenant_without_containers_has_no_lines() -> None:
    host = deployed()
    host.boxes.clear()
    assert told(host, tenant="alice") == []


class Live(MemoryView):
    """A host whose containers are followed: each goes on as its iterator says."""

    def log(self, container: str, *, since: float, tail: int | None, follow: bool) -> Iterator[ContainerLine]:
        yield from self.spoken.pop(container, []) if follow else ()

    spoken: dict[str, list[ContainerLine]]


def test_following_goes_on_with_containers_that_come_later() -> None:
    host = Live()
    host.spoken = {WEB: [ContainerLine(at(1), "from the old one")]}
    deployed(host=host)
    lines = logs(host, {"tenant": "alice", "follow": True}, CALLER)
    assert next(lines)["text"] == "from the old one"
    host.boxes["lp-alice-b-web-1"] = host.boxes[WEB].but(name="lp-alice-b-web-1", side="b")
    host.spoken["lp-alice-b-web-1"] = [ContainerLine(at(2), "from the new one")]
    host.wait(LOOK_SECONDS)
    assert next(lines)["text"] == "from the new one"


def test_following_a_container_again_after_a_restart_tells_no_line_twice() -> None:
    host = Live()
    host.spoken = {WEB: [ContainerLine(at(1), "one")]}
    deployed(host=host)
    lines = logs(host, {"tenant": "alice", "follow": True}, CALLER)
    assert next(lines)["text"] == "one"
    host.spoken[WEB] = [ContainerLine(at(1), "one"), ContainerLine(at(2), "two")]
    host.wait(LOOK_SECONDS)
    assert next(lines)["text"] == "two"


def test_a_secret_that_came_with_a_deploy_is_known_to_who_follows() -> None:
    host = Live()
    host.spoken = {WEB: [ContainerLine(at(1), "one")]}
    deployed(host=host)
    lines = logs(host, {"tenant": "alice", "follow": True}, CALLER)
    next(lines)
    host.write(f"{paths.secrets('alice', 'r2')}/TOKEN", b"brand-new-secret")
    host.spoken[STORE] = [ContainerLine(at(2), "says brand-new-secret")]
    host.wait(LOOK_SECONDS)
    assert next(lines)["text"] == "says [secret]"


PROBED = [
    '10.0.0.1 - - [22/Nov/2026 10:00:00] "GET /startupz HTTP/1.1" 200 451 "-" "Go-http-client/1.1"',
    '{"method":"GET","path":"/startupz","status":200,"ms":0.4}',
    '10.0.0.1 - - "GET /startupz HTTP/1.0" 200 - "launchpad-runner"',
    "192.0.2.1 asked for /",
]
OWN = [
    '10.0.0.1 - - "GET /startupz HTTP/1.1" 503 9',
    "error in GET /startupz: the database is locked",
    '10.0.0.1 - - "GET /startupz/more HTTP/1.1" 200 -',
    '10.0.0.1 - - "GET / HTTP/1.1" 200 -',
    "192.0.2.17 asked for /",
    "listening; health is at /startupz",
]


def probed() -> MemoryView:
    host = deployed()
    host.written[WEB] = [
        ContainerLine(at(number), text) for number, text in enumerate([*OWN[:3], *PROBED, *PROBED, *OWN[3:]], start=1)
    ]
    return host


def test_what_launchpads_own_probes_make_an_app_write_is_left_out_unless_it_is_asked_for() -> None:
    assert texts(probed(), tenant="alice") == OWN
    assert len(texts(probed(), tenant="alice", probes=True)) == len(OWN) + 2 * len(PROBED)


def test_the_last_lines_are_as_many_when_probes_are_left_out() -> None:
    assert texts(probed(), tenant="alice", lines=5) == OWN[1:]
    assert texts(probed(), tenant="alice", lines=0) == []


def test_so_long_ago_counts_by_the_hosts_clock() -> None:
    host = deployed()
    asked: list[float] = []

    def log(container: str, *, since: float, tail: int | None, follow: bool) -> Iterator[ContainerLine]:
        asked.append(since)
        yield from ()

    host.log = log  # type: ignore[method-assign]
    texts(host, tenant="alice", ago=600.0)
    assert set(asked) == {host.now() - 600}


def test_of_caddys_lines_those_about_the_tenants_names_are_told() -> None:
    host = deployed()
    own = [
        '{"level":"error","logger":"tls.obtain","msg":"will retry","error":"[alice.example.com] Obtain: no"}',
        '{"level":"info","logger":"http.log.access","request":{"host":"alice.example.com","uri":"/"},"status":502}',
    ]
    others = [
        '{"level":"error","logger":"tls.obtain","identifier":"bob.example.com"}',
        '{"level":"error","logger":"tls.obtain","identifier":"alice.example.com.evil.net"}',
        '{"level":"error","logger":"tls.obtain","identifier":"not-alice.example.com"}',
        '{"level":"info","msg":"managing","domains":["alice.example.com","bob.example.com"]}',
    ]
    host.written["launchpad-caddy"] = [ContainerLine(at(number), text) for number, text in enumerate([*others, *own])]
    found = told(host, tenant="alice", edge=True)
    assert [line["text"] for line in found] == own
    assert {line["service"] for line in found} == {"caddy"}
