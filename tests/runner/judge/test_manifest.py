"""The manifest by itself, on a host with no neighbours: each bound, from both sides."""

from __future__ import annotations

import json
from typing import Any

import pytest

from launchpad.runner.judge.manifest import Neighbour, judge_release
from launchpad.runner.protocol import Refused, Release, release_from_json
from tests.render.example import rendered
from tests.runner.judge.forgery import Forgery
from tests.runner.judge.tables import changed

SERVICE = {"name": "gateway", "image": "a.example.com/b@sha256:" + "1" * 64, "memory_mb": 64, "cpus": 1.0, "pids": 64}
READY = {"kind": "ready", "service": "gateway", "port": 80, "path": "/", "expect": 200}
ACTION = {"name": "open", "service": "gateway", "argv": ["openclaw"], "timeout_seconds": 60}


def many(record: dict[str, Any], count: int) -> list[dict[str, Any]]:
    return [record | {"name": f"{record['name']}-{number}"} for number in range(count)]


def domains(count: int) -> list[str]:
    return [f"d{number}.example.com" for number in range(count)]


REFUSED: list[tuple[str, Any, str]] = [
    ("format", 0, "release.format"),
    ("tenant", "a" * 33, "release.tenant"),
    ("tenant", "alice\n", "release.tenant"),
    ("slot", 0, "release.slot: must be from 1 to 4095, not 0"),
    ("slot", 4096, "release.slot: must be from 1 to 4095, not 4096"),
    ("app", "a" * 33, "release.app"),
    ("app", "open--claw", "release.app"),
    ("version", "", "release.version"),
    ("version", "v" * 65, "release.version"),
    ("services", [], "release.services: must be from 1 to 6, not 0"),
    ("services", [SERVICE, *many(SERVICE, 6)], "release.services: must be from 1 to 6, not 7"),
    ("services", [SERVICE, SERVICE], "'gateway' is listed twice"),
    ("services/0/name", "Gateway", "release.services: 'Gateway' is not a name"),
    ("services/0/name", "g" * 33, "is not a name"),
    ("services/0/image", "a.example.com/b@sha256:" + "1" * 63, "gateway.image"),
    ("services/0/image", "a.example.com/b@sha256:" + "1" * 64 + "\n", "gateway.image"),
    ("services/0/image", "a.example.com/../b@sha256:" + "1" * 64, "gateway.image"),
    ("services/0/image", "b@sha256:" + "1" * 64, "gateway.image"),
    ("services/0/image", "a.example.com/" + "b" * 400 + "@sha256:" + "1" * 64, "gateway.image"),
    ("services/0/memory_mb", 5, "gateway.memory_mb: must be from 6"),
    ("services/0/memory_mb", 1 << 31, "gateway.memory_mb"),
    ("services/0/cpus", 0.001, "gateway.cpus"),
    ("services/0/cpus", float("inf"), "gateway.cpus"),
    ("services/0/pids", 7, "gateway.pids: must be from 8 to 32768, not 7"),
    ("services/0/pids", 1 << 22, "gateway.pids"),
    ("web", "", "release.domains: required with a web service"),
    ("domains", [], "release.domains: required with a web service"),
    ("domains", domains(51), "release.domains: at most 50"),
    ("domains", ["a.example.com"] * 2, "release.domains: a domain is listed twice"),
    ("domains", ["A.example.com"], "release.domains: 'A.example.com'"),
    ("domains", ["localhost"], "release.domains"),
    ("domains", ["203.0.113.7"], "release.domains"),
    ("domains", ["a.example.com."], "release.domains"),
    ("domains", ["a.example.com\n"], "release.domains"),
    ("domains", ["-a.example.com"], "release.domains"),
    ("domains", ["a" * 64 + ".example.com"], "release.domains"),
    ("domains", [".".join(["a" * 60] * 5) + ".com"], "release.domains"),
    ("web", "gateway", "release.web: '' is not a port"),
    ("web", "gateway:0", "release.web: '0' is not a port"),
    ("web", "gateway:65536", "release.web: '65536' is not a port"),
    ("web", ":80", "release.web: '' is not a service"),
    ("volumes", [f"v{number}" for number in range(17)], "release.volumes: at most 16"),
    ("volumes", ["state", "state"], "release.volumes: 'state' is listed twice"),
    ("volumes", [".."], "release.volumes"),
    ("disk_mb", 0, "release.disk_mb"),
    ("egress_ports", [25], "release.egress_ports: only 465 and 587"),
    ("egress_ports", [587, 22], "release.egress_ports: only 465 and 587"),
    ("secrets", {f"S{number}": 1 for number in range(65)}, "release.secrets: at most 64"),
    ("secrets", {"lower": 1}, "release.secrets: 'lower'"),
    ("secrets", {"A" * 65: 1}, "release.secrets"),
    ("secrets", {"A": 0}, "release.secrets.A"),
    ("probes", [READY] * 17, "release.probes: at most 16"),
    ("probes", [READY | {"port": 65536}], "release.probes[0].port"),
    ("probes", [READY | {"expect": 600}], "release.probes[0].expect"),
    ("probes", [READY | {"path": "relative"}], "release.probes[0].path"),
    ("probes", [READY | {"path": "/" + "a" * 256}], "release.probes[0].path"),
    ("probes", [READY | {"path": "/a b"}], "release.probes[0].path"),
    ("probes", [{"kind": "process", "path": "/"}], "release.probes[0]: a process probe"),
    ("probes", [{"kind": "ready"}], "release.probes[0].service: '' is not a service"),
    ("actions", many(ACTION, 17), "release.actions: at most 16"),
    ("actions", [ACTION, ACTION], "release.actions: 'open' is listed twice"),
    ("actions", [ACTION | {"argv": ["a"] * 65}], "open.argv: must be from 1 to 64 words"),
    ("actions", [ACTION | {"argv": ["a" * 8193]}], "open.argv: must be from 1 to 64 words"),
    ("actions", [ACTION | {"argv": [""]}], "open.argv: the program"),
    ("actions", [ACTION | {"argv": ["sh", "\x00"]}], "open.argv: has a control character"),
    ("actions", [ACTION | {"argv": ["sh", *(f"{{{n}}}" for n in range(9))]}], "open.argv: placeholders"),
    ("actions", [ACTION | {"timeout_seconds": 0}], "open.timeout_seconds"),
    ("start_seconds", 0, "release.start_seconds"),
    ("steady_seconds", -1, "release.steady_seconds"),
    ("stop_seconds", 0, "release.stop_seconds"),
]

ACCEPTED: list[tuple[str, Any]] = [
    ("slot", 4095),
    ("services/0/image", "localhost/b@sha256:" + "1" * 64),
    ("services/0/image", "10.77.0.1:5000/a/b_c/d-e:1.0@sha256:" + "1" * 64),
    ("actions", [ACTION | {"argv": ["sh", "-c", "{ echo; }", "{0}", "a{1}b"]}]),
    ("probes", []),
    ("egress_ports", [465, 587]),
    ("steady_seconds", 0),
    ("secrets", {}),
]


def release_with(path: str, value: Any) -> tuple[Release, dict[str, str]]:
    forgery = Forgery.of(rendered("alice"))
    document, files = forgery.finished()
    return release_from_json(json.loads(json.dumps(changed(document, path, value)))), files


@pytest.mark.parametrize(("path", "value", "says"), REFUSED)
def test_refuses(path: str, value: Any, says: str) -> None:
    release, files = release_with(path, value)
    with pytest.raises(Refused) as refused:
        judge_release(release, files, neighbours={})
    assert says in refused.value.message


@pytest.mark.parametrize(("path", "value"), ACCEPTED)
def test_accepts(path: str, value: Any) -> None:
    release, files = release_with(path, value)
    judge_release(release, files, neighbours={})


@pytest.mark.parametrize("domain", ["xn--bcher-kva.example", "a-b.c1.museum"])
def test_accepts_any_full_name(domain: str) -> None:
    forgery = Forgery.of(rendered("alice"))
    forgery.release["domains"] = [domain]
    forgery.files["site.caddy"] = f'# {domain}, as "anybody" writes it\n{domain}, "https://{domain}" {{\n}}\n'
    document, files = forgery.finished()
    judge_release(release_from_json(document), files, neighbours={})


def test_a_domain_and_a_slot_are_free_again_when_their_owner_gives_them_up() -> None:
    forgery = Forgery.of(rendered("alice"))
    document, files = forgery.finished()
    release = release_from_json(document)
    judge_release(release, files, neighbours={"bob": Neighbour(slot=9, domains=("bob.example.com",))})
    with pytest.raises(Refused) as refused:
        judge_release(release, files, neighbours={"bob": Neighbour(slot=9, domains=("alice.example.com",))})
    assert refused.value.kind == "state"
    with pytest.raises(Refused, match=r"release\.slot: 7 belongs to bob on this host"):
        judge_release(release, files, neighbours={"bob": Neighbour(slot=7, domains=())})


def test_a_changed_slot_says_what_to_write() -> None:
    document, files = Forgery.of(rendered("alice")).finished()
    with pytest.raises(Refused) as refused:
        judge_release(release_from_json(document), files, neighbours={"alice": Neighbour(slot=3, domains=())})
    assert refused.value.hint == "put `slot: 3` back into the tenant's file"
