"""Hosts in memory that have settings: targets with their credentials, and recipients whose identity the tests have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import pyrage  # type: ignore[import-untyped]

from launchpad.runner.backups import credentials
from launchpad.runner.provision.settings_record import SETTINGS, settings_from_json, stored_text
from tests.memory.data import File
from tests.memory.host import MemoryHost
from tests.runner.provision.settings import settings

_IDENTITY = pyrage.x25519.Identity.generate()
RECIPIENT = str(_IDENTITY.to_public())
OTHER_RECIPIENT = "age12707s542rk65qyrgjrqv5p2qh24w2fh4z2rvhg7wnmf6n4cjwgpsg68yp4"
EMPTY: Mapping[str, Any] = MappingProxyType({})


def settle(
    host: MemoryHost,
    *,
    targets: Sequence[Mapping[str, Any]] = (),
    recipients: Sequence[str] = (RECIPIENT,),
    secrets: Mapping[str, Any] = EMPTY,
) -> None:
    """The host as a provision with these settings leaves it. A target whose credentials are among the secrets has them
    in its first version."""
    known = [
        {
            "target": dict(target),
            "credentials": {name.partition(".")[2]: 1 for name in secrets if name.partition(".")[0] == target["name"]},
        }
        for target in targets
    ]
    made = settings_from_json(settings(targets=known, recipients=list(recipients)))
    credentials.seal(host, made, secrets)
    host.files[SETTINGS] = File(stored_text(made, 1).encode())


def opened(wrap: str) -> str:
    """What is wrapped for RECIPIENT."""
    return str(pyrage.decrypt(wrap.encode(), [_IDENTITY]).decode())
