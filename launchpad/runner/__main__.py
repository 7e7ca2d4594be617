"""The program's entry on a host. `operator=NAME` answers one request; the other words are for systemd units.

launchpad-runner operator=alice key=0123456789abcdef
                                    answer one request: the forced command of alice's key; root omits the key
launchpad-runner operation ID       run an operation (launchpad-operation@.service)
launchpad-runner inside             work on a tenant's files as the tenant's uid, in a sandbox that the runner starts
launchpad-runner boot               after a boot: finish operations, fill secrets, start tenants (launchpad-boot)
launchpad-runner watch              restart services that die, check the host (launchpad-watch)
launchpad-runner ship               send tenants' logs to the collector (launchpad-ship)
launchpad-runner collect            accept tenants' logs of the fleet's hosts (launchpad-collect)
launchpad-runner revert NONCE|boot  revert an unconfirmed change (launchpad-revert@.service, -boot.service)
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import Any

from launchpad.runner.hint import HERE, Next
from launchpad.runner.protocol import (
    CHANGING_VERBS,
    OLDEST_PROTOCOL,
    PROTOCOL,
    SIGNED_VERBS,
    TIMELESS_VERBS,
    ErrorKind,
    Refused,
    Request,
    request_from_line,
)

ALIVE_SECONDS = 10.0
"""Seconds between two alive lines during a long answer: a client that gets no line knows that the host hangs."""
_SPEAKING = threading.Lock()
MOST_REQUEST_BYTES = 16 * 1024 * 1024
OPERATOR = re.compile(r"operator=([a-z0-9][a-z0-9-]{0,31})")
KEY = re.compile(r"key=[0-9a-f]{16}")


def main(arguments: list[str]) -> int:
    """Run the command line. Exit code: 0 success, 1 request refused or unit to be retried, 2 a retry will not help."""
    os.umask(0o077)
    match arguments:
        case [word] if found := OPERATOR.fullmatch(word):
            return serve(found[1])
        case [word, key] if (found := OPERATOR.fullmatch(word)) and KEY.fullmatch(key):
            return serve(found[1], key=f"{word} {key}")
        case ["operation", identifier]:
            return operation(identifier)
        case ["inside"]:
            return int(import_module("launchpad.runner.backups.inside").main())
        case ["boot"]:
            return int(import_module("launchpad.runner.boot").boot(machine()))
        case ["watch"]:
            host = import_module("launchpad.runner.machine.kept_files").WatchingMachine()
            return int(import_module("launchpad.runner.watch").watch(host))
        case ["collect"]:
            return int(import_module("launchpad.runner.shipping.receiver").collect(machine()))
        case ["ship"]:
            return int(import_module("launchpad.runner.shipping.shipper").ship(machine()))
        case ["revert", nonce]:
            return int(import_module("launchpad.runner.provision.reverts").revert(machine(), nonce))
        case _:
            print(__doc__, file=sys.stderr)
            return 2


def serve(operator: str, *, key: str = "") -> int:
    """Answer one request line from standard input with JSON lines on standard output. No key: the caller is root."""
    try:
        if key:
            from launchpad.runner.caller import KEYS, refuse_revoked

            with open(KEYS, "rb") as file:  # noqa: PTH123 pathlib costs every start 2 ms
                refuse_revoked(key, file.read())
        line = sys.stdin.buffer.readline(MOST_REQUEST_BYTES + 1)
        if len(line) > MOST_REQUEST_BYTES:
            raise Refused(f"the request is larger than {MOST_REQUEST_BYTES} bytes")
        threading.Thread(target=be_alive, daemon=True).start()
        request = request_from_line(line)
        root = not key and os.environ.get("SUDO_USER") != "launchpad"  # the user that operators log in as
        for answer in answers(request, operator, machine(), root=root, incoming=following_lines()):
            say(answer)
    except Refused as refused:
        say(refused.as_line())
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the operator is gone; the operation is not
        return 1
    except Exception as error:
        from launchpad.runner.engine import reason
        from launchpad.runner.host import Failed

        kind: ErrorKind = "step" if isinstance(error, Failed) else "bug"
        code, hint = getattr(error, "code", "bug-in-the-runner"), getattr(error, "hint", "")
        say(Refused(reason(error), code=code, kind=kind, hint=hint).as_line())
        return 1
    return 0


def following_lines() -> Iterator[bytes]:
    """The input lines after the request, up to the end of the input. Refused for a line that is too long."""
    from launchpad.runner.caller import MOST_LINE

    while line := sys.stdin.buffer.readline(MOST_LINE + 1):
        if len(line) > MOST_LINE:
            raise Refused(f"a line of more than {MOST_LINE} bytes")
        yield line


def answers(
    request: Request, operator: str, host: Any, *, root: bool = False, incoming: Iterable[bytes] = ()
) -> Iterator[dict[str, Any]]:
    """The answers to a request, in the request's protocol. Refused for a protocol that this runner does not serve, and
    for a request that its person should have signed and has not."""
    from launchpad.runner.caller import Caller

    check_protocol(request)
    caller = Caller(operator, os.environ.get("SSH_CONNECTION", "").split(" ")[0], root, incoming)
    if request.verb in SIGNED_VERBS:
        from launchpad.runner.judge.intent import judge_intent

        judge_intent(host, request, caller)
    verb = getattr(import_module(f"launchpad.runner.verbs.{request.verb}"), request.verb)
    spoken = min(request.protocol, PROTOCOL)
    for answer in verb(host, request.body, caller):
        yield answer | {"protocol": spoken} if answer["type"] == "reply" else answer


def check_protocol(request: Request, *, oldest: int = OLDEST_PROTOCOL, newest: int = PROTOCOL) -> None:
    """Refused when client and runner cannot work together; the hint names the side to update. A client one protocol
    older than the oldest may read; a newer client may ask `hello` and `install`."""
    if request.protocol > newest and request.verb not in TIMELESS_VERBS:
        message = f"this runner speaks protocol {newest}, not {request.protocol}"
        raise Refused(message, code="runner-too-old", kind="protocol", hint=Next("provision", HERE))
    too_old = request.protocol < oldest - 1
    if too_old or (request.protocol < oldest and request.verb in CHANGING_VERBS):
        message = f"this Launchpad speaks protocol {request.protocol}; the host requires {oldest} or newer"
        raise Refused(message, code="launchpad-too-old", kind="protocol", hint="update Launchpad")


def operation(identifier: str) -> int:
    from launchpad.runner import engine
    from launchpad.runner.host import Busy, Failed

    try:
        engine.carry_out(machine(), identifier)
    except Refused as refused:
        print(refused.message, file=sys.stderr)
        return 2
    except (engine.NotSettled, Busy, Failed) as error:
        print(engine.reason(error) if not isinstance(error, engine.NotSettled) else error, file=sys.stderr)
        return 1
    return 0


def machine() -> Any:
    from launchpad.runner.machine import Machine

    return Machine()


def be_alive() -> None:
    """Print an alive line every ALIVE_SECONDS while the process lives; the line is not part of the answer."""
    import time

    try:
        while True:
            time.sleep(ALIVE_SECONDS)
            say({"type": "alive"})
    except OSError:
        return  # the client is gone


def say(value: dict[str, Any]) -> None:
    with _SPEAKING:
        sys.stdout.write(json.dumps(value, separators=(",", ":")) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
