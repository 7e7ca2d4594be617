"""hello: which runner answers, and which protocols it speaks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import launchpad
from launchpad.runner import paths
from launchpad.runner.protocol import OLDEST_PROTOCOL, PROTOCOL
from launchpad.runner.verbs import only, reply

if TYPE_CHECKING:
    from launchpad.runner.caller import Caller
    from launchpad.runner.view import View

_FOLDER = "runner-"


def hello(host: View, body: Mapping[str, Any], _caller: Caller) -> Iterator[dict[str, Any]]:
    """{"protocols": [oldest, newest], "runner", "digest", "previous", "name", "clock", "boot_id"}; `previous` is the
    digest of the runner that `previous` returns to, empty for none."""
    only(body)
    own = {"protocols": [OLDEST_PROTOCOL, PROTOCOL], "runner": launchpad.__version__, "digest": digest()}
    before = digest_in((host.read(paths.PREVIOUS_RUNNER) or b"").decode())
    own["previous"] = before if before != own["digest"] else ""
    yield reply(own | {"name": host.name(), "clock": host.now(), "boot_id": host.boot_id()})


def digest() -> str:
    """The beginning of the digest of the archive that this code was unpacked from; empty in a checkout.

    Not the digest of the linked runner: after a switch the old runner may still answer."""
    return digest_in(str(launchpad.__file__).rsplit("/", 2)[0])


def digest_in(path: str) -> str:
    """The beginning of the digest in the name of a runner's folder; empty for another folder."""
    folder = path.rpartition("/")[2]
    return folder.removeprefix(_FOLDER) if folder.startswith(_FOLDER) else ""
