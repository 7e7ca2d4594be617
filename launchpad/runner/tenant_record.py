"""The tenant's record: what should run for a tenant on this host, written by the last committed operation. Light to
import, because boot and the watch read it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Protocol

from launchpad.runner import paths
from launchpad.runner.host import Failed
from launchpad.runner.protocol import Refused, record_from_json
from launchpad.runner.record import Record
from launchpad.runner.slots import FIRST_EPOCH, Side


class TenantRecord(Record):
    """What should run. `started` is the release whose containers exist, `release` the one that was deployed."""

    tenant: str
    slot: int
    app: str
    version: str
    domains: tuple[str, ...]
    digest: str
    release: str
    started: str
    side: Side
    running: bool
    """Whether the tenant should run now; False after a stop."""
    retired: bool
    revision: str
    """The inventory's revision that the release came from."""
    at: float
    by: str
    operation: str
    secrets: Mapping[str, int]
    """Name → version."""
    stop_seconds: int
    disk_mb: int
    before: tuple[str, ...] = ()
    """The releases that ran earlier, newest first."""
    rolled_back_from: str = ""
    """The version that a rollback left; empty without one."""
    epoch: int = FIRST_EPOCH
    came_from: str = ""
    """The host that the tenant moved from; empty when it never moved."""

    @property
    def is_to_run(self) -> bool:
        return self.running and not self.retired


class RecordReading(Protocol):
    def read(self, path: str) -> bytes | None: ...


def read_tenant(host: RecordReading, tenant: str) -> TenantRecord | None:
    """The tenant's record; None when it was never deployed here. Failed when it was damaged."""
    path = paths.record(tenant)
    data = host.read(path)
    try:
        return None if data is None else _parsed(data)
    except ValueError as error:
        raise Failed(f"{path} cannot be read: {error}", code="tenant-file-unreadable") from error
    except Refused as refused:
        raise Failed(f"{path} cannot be read: {refused.message}", code="tenant-record-unreadable") from refused


@lru_cache(maxsize=256)
def _parsed(data: bytes) -> TenantRecord:
    """Kept by the file's content, because the watch reads every tenant's record again at each look. A key that a newer
    runner wrote is passed over: after an older runner came back, its tenants must start at boot all the same."""
    plain = json.loads(data)
    if isinstance(plain, dict):
        plain = {name: item for name, item in plain.items() if name in TenantRecord.FIELDS}
    return record_from_json(TenantRecord, plain, "record")
