"""hello: which runner answers, and which protocols it speaks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import launchpad
from launchpad.runner.protocol import OLDEST_PROTOCOL, PROTOCOL
from launchpad.runner.verbs import only, reply

if TYPE_CHECKING:
    from launchpad.runner.caller import Caller
    from launchpad.runner.view import View

_FOLDER = "runner-"


def hello(host: View, body: Mapping[str, Any], _caller: Caller) -> Iterator[dict[str, Any]]:
    """{"protocols": [oldest, newest], "runner", "digest", "name", "clock", "boot_id"}."""
    only(body)
    own = {"protocols": [OLDEST_PROTOCOL, PROTOCOL], "runner": launchpad.__version__, "digest": digest()}
    yield reply(own | {"name": host.name(), "clock": host.now(), "boot_id": host.boot_id()})


def digest() -> str:
    """The beginning of the digest of the archive that this code was unpacked from; empty in a checkout.

    Not the digest of the linked runner: after a switch the old runner may still answer."""
    parts = str(launchpad.__file__).split("/")
    folder = parts[-3] if len(parts) > 2 else ""
    return folder.removeprefix(_FOLDER) if folder.startswith(_FOLDER) else ""
