"""hello: which runner answers, and which protocols it speaks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import launchpad
from launchpad.runner import paths
from launchpad.runner.own_digest import digest, digest_in
from launchpad.runner.protocol import OLDEST_PROTOCOL, PROTOCOL
from launchpad.runner.verbs import reply
from launchpad.runner.wire.body import body_from_json
from launchpad.runner.wire.host_bodies import Hello, HelloReply

if TYPE_CHECKING:
    from launchpad.runner.caller import Caller
    from launchpad.runner.view import View


def hello(host: View, body: Mapping[str, Any], _caller: Caller) -> Iterator[dict[str, Any]]:
    """HelloReply; body Hello."""
    body_from_json(Hello, body)
    own, before = digest(), digest_in((host.read(paths.PREVIOUS_RUNNER) or b"").decode())
    yield reply(
        HelloReply(
            protocols=(OLDEST_PROTOCOL, PROTOCOL),
            runner=launchpad.__version__,
            digest=own,
            previous=before if before != own else "",
            name=host.name(),
            clock=host.now(),
            boot_id=host.boot_id(),
        )
    )
