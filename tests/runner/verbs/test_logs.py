"""logs: in the order of time, of several tenants, without secrets, and going on over deploys."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from launchpad.runner import cell, paths
from launchpad.runner.log_following import LOOK_SECONDS
from launchpad.runner.log_secrets import LogSecrets
from launchpad.runner.protocol import Refused
from launchpad.runner.verbs.logs import logs
from launchpad.runner.view import ContainerLine
from tests.memory.host import stamp
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
    found = told(talkative(), tenants=["alice"])
    assert [(line["service"], line["text"]) for line in found] == [
        ("web", "web 1"),
        ("store", "store 2"),
        ("store", "store 3"),
        ("web", "web 4"),
    ]
    named = {"type": "log", "tenant": "alice", "service": "web", "source": f"alice/{WEB}"}
    assert found[0] == named | {"at": at(1), "text": "web 1"}


def test_several_tenants_are_told_at_once() -> None:
    found = told(talkative(), tenants=["alice", "bob"])
    assert [line["tenant"] for line in found] == ["alice", "alice", "bob", "alice", "alice"]


def test_the_last_lines_are_the_tenants_last_not_each_containers() -> None:
    assert texts(talkative(), tenants=["alice"], lines=2) == ["store 3", "web 4"]


def test_known_secrets_are_taken_out_in_every_form() -> None:
    host = deployed()
    secret = 'pass"wörd/1'
    host.write(f"{paths.secrets('alice', 'r1')}/TOKEN", secret.encode())
    forms = [secret, json.dumps(secret)[1:-1], "pass%22w%C3%B6rd%2F1", "cGFzcyJ3w7ZyZC8x"]
    host.written[WEB] = [ContainerLine(at(1), f"before {form} after") for form in forms]
    assert texts(host, tenants=["alice"]) == ["before [secret] after"] * len(forms)


def test_secrets_that_are_not_in_use_are_taken_out_too() -> None:
    host = deployed()
    for version, value in ((1, b"the-first-version"), (2, b"the-second-version")):
        host.seal(f"{paths.vault('alice')}/TOKEN@{version}.cred", cell.sealed_as("alice", "TOKEN", version), value)
    host.written[WEB] = [ContainerLine(at(1), "the-first-version, the-second-version")]
    assert texts(host, tenants=["alice"]) == ["[secret], [secret]"]
    assert "version" not in repr(LogSecrets(host))


def test_a_secret_whose_folder_is_emptied_meanwhile_is_taken_out() -> None:
    """As a restart does, which fills it again later."""
    host = deployed()
    token, of = f"{paths.secrets('alice', 'r1')}/TOKEN", LogSecrets(host)
    host.write(token, b"the-value-in-use")
    of.redaction("alice")
    host.remove(token)
    assert of.redaction("alice").text("the-value-in-use") == "[secret]"


def test_a_secret_whose_folder_is_emptied_while_it_is_looked_at_is_opened() -> None:
    host = deployed()
    record = json.loads(host.files[paths.record("alice")].data)
    host.write(paths.record("alice"), json.dumps(record | {"secrets": {"TOKEN": 1}}).encode())
    host.seal(f"{paths.vault('alice')}/TOKEN@1.cred", cell.sealed_as("alice", "TOKEN", 1), b"the-value-in-use")
    token, listed = f"{paths.secrets('alice', record['started'])}/TOKEN", host.names
    host.write(token, b"the-value-in-use")

    def names(folder: str) -> list[str]:
        found = listed(folder)
        host.remove(token)
        return found

    host.names = names  # type: ignore[method-assign]  # the moment after a look into the folder
    assert LogSecrets(host).redaction("alice").text("the-value-in-use") == "[secret]"


def test_of_a_line_that_was_cut_the_end_is_left_out_because_it_may_begin_a_secret() -> None:
    host = deployed()
    host.written[WEB] = [ContainerLine(at(1), "x" * 100 + "secret-of-al", cut=True)]
    assert "secret-of" not in texts(host, tenants=["alice"])[0]


def test_a_tenant_that_is_not_here_is_refused() -> None:
    for name in ("carol", "../etc", "", None):
        with pytest.raises(Refused):
            told(talkative(), tenants=[name])


def test_a_tenant_without_containers_has_no_lines() -> None:
    host = deployed()
    host.boxes.clear()
    assert told(host, tenants=["alice"]) == []


# --- following


def shown(lines: Iterator[dict[str, Any]]) -> str:
    """The text of the next line."""
    return str(next(line for line in lines if line["type"] == "log")["text"])


def follow(host: MemoryView, **body: Any) -> Iterator[dict[str, Any]]:
    return logs(host, {"tenants": ["alice"], "follow": True} | body, CALLER)


def test_following_goes_on_with_containers_that_come_later() -> None:
    host = deployed()
    host.written[WEB] = [ContainerLine(at(1), "from the old one")]
    lines = follow(host)
    assert shown(lines) == "from the old one"
    host.boxes["lp-alice-b-web-1"] = host.boxes[WEB].but(name="lp-alice-b-web-1", side="b")
    host.written["lp-alice-b-web-1"] = [ContainerLine(at(2), "from the new one")]
    assert shown(lines) == "from the new one"


def test_what_a_container_wrote_last_before_it_was_removed_is_told() -> None:
    host = deployed()
    host.written[WEB] = [ContainerLine(at(1), "one")]
    lines = follow(host)
    assert shown(lines) == "one"
    host.written[WEB] += [ContainerLine(at(2), "last")]
    del host.boxes[WEB]
    assert shown(lines) == "last"


def test_a_secret_that_came_with_a_deploy_is_known_to_who_follows() -> None:
    host = deployed()
    host.written[WEB] = [ContainerLine(at(1), "one")]
    lines = follow(host)
    assert shown(lines) == "one"
    host.write(f"{paths.secrets('alice', 'r2')}/TOKEN", b"brand-new-secret")
    host.written[STORE] = [ContainerLine(at(2), "says brand-new-secret")]
    host.wait(LOOK_SECONDS)
    assert shown(lines) == "says [secret]"


def test_who_comes_back_gets_each_line_once_and_a_new_container_from_its_beginning() -> None:
    host = deployed()
    same = [ContainerLine(at(1), "one"), ContainerLine(at(1), "two", count=2), ContainerLine(at(1), "three", count=3)]
    host.written = {WEB: same, STORE: [ContainerLine(at(2), "new")]}
    told = islice(follow(host, marks={f"alice/{WEB}": f"{at(1)} 2"}), 5)
    assert [line["text"] for line in told if line["type"] == "log"] == ["three", "new"]


def test_who_comes_back_too_late_is_shown_the_gap() -> None:
    host = deployed()
    host.written = {WEB: [ContainerLine(at(8), "eight")]}
    lines = [line for line in islice(follow(host, marks={f"alice/{WEB}": f"{at(3)} 1"}), 9) if line["type"] == "gap"]
    assert [(line["after"], line["at"], line["service"]) for line in lines] == [(at(3), at(8), "web")]


def test_a_follower_knows_how_far_lines_were_read_that_it_is_not_shown() -> None:
    host = deployed()
    host.written[WEB] = [ContainerLine(at(1), "one"), ContainerLine(at(2), PROBED[0])]
    told = list(islice(follow(host), 5))
    kinds = [line["type"] for line in told]
    assert kinds.index("mark") < kinds.index("begun"), "from then on the marks say everything"
    assert {"type": "mark", "source": f"alice/{WEB}", "mark": f"{at(2)} 1"} in told


@pytest.mark.parametrize(
    "wrong",
    [
        {"lines": -1}, {"grep": "("}, {"grep": "x" * 201}, {"level": "loud"}, {"marks": {"a": "b"}}, {"tenants": []},
        {"tenants": "alice"}, {"tail": 1}, {"marks": {"a": ["b"]}},
    ],
)  # fmt: skip
def test_a_request_that_means_nothing_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        told(talkative(), **{"tenants": ["alice"], **wrong})


def test_of_several_tenants_those_that_are_not_here_are_named() -> None:
    found = told(talkative(), tenants=["alice", "carol"])
    assert [line["tenant"] for line in found if line["type"] == "missing"] == ["carol"]
    assert [line["text"] for line in found if line["type"] == "log"] == ["web 1", "store 2", "store 3", "web 4"]


def test_lines_are_chosen_by_service_level_and_expression_and_the_last_so_many_count_then() -> None:
    host = deployed()
    host.written = {
        WEB: [ContainerLine(at(number), f"[ERROR] web {number}") for number in range(1, 9)],
        STORE: [ContainerLine(at(number), f"store {number}") for number in range(1, 9)],
    }
    assert texts(host, tenants=["alice"], services=["store"], lines=1) == ["store 8"]
    assert texts(host, tenants=["alice"], level="warning", lines=2) == ["[ERROR] web 7", "[ERROR] web 8"]
    assert sorted(texts(host, tenants=["alice"], grep=r" [23]$")) == [
        "[ERROR] web 2", "[ERROR] web 3", "store 2", "store 3"
    ]  # fmt: skip


def test_an_expression_cannot_find_a_secret() -> None:
    host = deployed()
    host.write(f"{paths.secrets('alice', 'r1')}/TOKEN", b"hunter2hunter2")
    host.written[WEB] = [ContainerLine(at(1), "it is hunter2hunter2")]
    assert texts(host, tenants=["alice"], grep="hunter") == []
    assert texts(host, tenants=["alice"], grep="it is") == ["it is [secret]"]


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
    assert texts(probed(), tenants=["alice"]) == OWN
    assert len(texts(probed(), tenants=["alice"], probes=True)) == len(OWN) + 2 * len(PROBED)


def test_the_last_lines_are_as_many_when_probes_are_left_out() -> None:
    assert texts(probed(), tenants=["alice"], lines=5) == OWN[1:]
    assert texts(probed(), tenants=["alice"], lines=0) == []


def test_so_long_ago_counts_by_the_hosts_clock() -> None:
    host = deployed()
    host.written[WEB] = [ContainerLine(stamp(host.now() - ago), f"{ago} s ago") for ago in (601, 599)]
    assert texts(host, tenants=["alice"], ago=600.0) == ["599 s ago"]


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
    found = told(host, tenants=["alice"], edge=True)
    assert [line["text"] for line in found] == own
    assert {line["service"] for line in found} == {"caddy"}
