"""previous: back to the earlier runner, by a signature for this host, this moment and these two runners alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from launchpad.runner import paths
from launchpad.runner.caller import Caller
from launchpad.runner.protocol import Refused, canonical
from launchpad.runner.provision import reverts
from launchpad.runner.verbs.install import DOWNGRADE, SIGNERS, switch
from launchpad.runner.verbs.previous import FRESH_SECONDS, previous
from tests.memory.system import BareHost

CALLER = Caller("alice", "192.0.2.7")
GOOD = "a good signature"


@pytest.fixture
def host(tmp_path: Path) -> BareHost:
    """A host whose runner was just upgraded from old to new."""
    made = BareHost()
    made.name = lambda: "web-1"  # type: ignore[attr-defined]
    made.write(SIGNERS, b"alice the-key")
    for name in ("old", "new"):
        folder = tmp_path / f"runner-{name * 4}"
        folder.mkdir()
        (folder / "start").write_text("""#!/bin/sh\necho '{"type":"reply"}'\n""")
        (folder / "start").chmod(0o755)
        (folder / "runner.json").write_text('{"version": "0.0.9", "protocol": 1}')
    made.links[paths.RUNNER] = f"{tmp_path}/runner-oldoldoldold/start"
    revert = switch(made, f"{tmp_path}/runner-newnewnewnew")
    made.clock += 1
    made.system.connected = made.clock
    reverts.confirm(made, revert.nonce)
    return made


def asked(host: BareHost) -> dict[str, Any]:
    """A request, and its good signature."""
    value = {"present": "newnewnewnew", "earlier": "oldoldoldold", "at": host.now()}
    signed = canonical({"host": "web-1"} | value)
    host.system.signatures.add((GOOD, signed, "alice", DOWNGRADE))
    return value | {"signature": GOOD, "signer": "alice"}


def ask(host: BareHost, body: dict[str, Any]) -> dict[str, Any]:
    (line,) = previous(host, body, CALLER)
    return dict(line["body"])


def runs(host: BareHost) -> str:
    return (host.target(paths.RUNNER) or "").split("/")[-2]


def test_the_earlier_runner_is_back_once_a_new_connection_confirms(host: BareHost) -> None:
    said = ask(host, asked(host))
    assert (said["outcome"], said["version"]) == ("switched", "0.0.9") and runs(host) == "runner-oldoldoldold"
    host.clock += 1
    host.system.connected = host.clock
    reverts.confirm(host, said["nonce"])
    host.pass_time(60)
    assert runs(host) == "runner-oldoldoldold"


def test_an_earlier_runner_that_does_not_answer_goes_away_again(host: BareHost) -> None:
    host.operator_listens = False
    ask(host, asked(host))
    host.pass_time(60)
    assert runs(host) == "runner-newnewnewnew"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"earlier": "anothersdigest"}, "not signed"),
        ({"signature": "forged"}, "not signed"),
        ({"signer": "mallory"}, "not signed"),
        ({"at": None}, "expected float"),
    ],
)
def test_what_is_not_signed_is_refused(host: BareHost, change: dict[str, Any], why: str) -> None:
    with pytest.raises(Refused, match=why):
        ask(host, asked(host) | change)
    assert runs(host) == "runner-newnewnewnew"


def test_a_recorded_request_is_worthless_later(host: BareHost) -> None:
    body = asked(host)
    host.clock += FRESH_SECONDS + 1
    with pytest.raises(Refused, match="older than 10 minutes"):
        ask(host, body)


def test_a_host_with_another_runner_meanwhile_is_left_alone(host: BareHost) -> None:
    body = asked(host)
    host.links[paths.RUNNER] = host.links[paths.RUNNER].replace("new", "two")
    with pytest.raises(Refused, match="changed meanwhile"):
        ask(host, body)


def test_without_an_earlier_runner_there_is_nothing_to_return_to(host: BareHost) -> None:
    host.remove(paths.PREVIOUS_RUNNER)
    with pytest.raises(Refused, match="keeps no earlier runner"):
        ask(host, asked(host))
