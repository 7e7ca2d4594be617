"""What the inventory expects of this host, as an operator's `status` or `health` last sent it: how often tenants are to
be backed up, and the names of the tenants of the host that this host looks at."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from launchpad.runner import paths
from launchpad.runner.judge.release_names import DOMAIN
from launchpad.runner.protocol import Refused, canonical, digest_of, record_as_json, record_from_json
from launchpad.runner.record import Record
from launchpad.runner.slots import is_tenant_name

if TYPE_CHECKING:
    from launchpad.runner.host import Files

MOST_TENANTS = 1000


class Expectations(Record):
    """Nothing of it decides who may do what, so no signature is asked for."""

    backups: Mapping[str, int] = MappingProxyType({})
    """Tenant of this host → seconds between two backups."""
    peer: str = ""
    """The host whose tenants' names these are; empty for none."""
    names: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    """Tenant of the peer → its domains."""

    @property
    def digest(self) -> str:
        return digest_of(canonical(record_as_json(self)))


def expected_from_json(value: object) -> Expectations:
    """Parse and judge what the operator's side sent."""
    found = record_from_json(Expectations, value, "expect")
    if max(len(found.backups), len(found.names)) > MOST_TENANTS:
        raise Refused(f"expect: more than {MOST_TENANTS} tenants")
    for name in (*found.backups, *found.names, *([found.peer] if found.peer else [])):
        if not is_tenant_name(name):
            raise Refused(f"expect: {name[:60]!r} is not a name")
    for domain in (domain for domains in found.names.values() for domain in domains):
        if DOMAIN.fullmatch(domain) is None:
            raise Refused(f"expect.names: {domain[:60]!r} is not a domain")
    return found


def expectations(host: Files) -> Expectations:
    """Nothing before it was sent, and from a damaged file."""
    try:
        return expected_from_json(json.loads(host.read(paths.EXPECTED) or b"{}"))
    except (ValueError, Refused):
        return Expectations()


def keep_expected(host: Files, found: Expectations) -> None:
    host.write(paths.EXPECTED, json.dumps(record_as_json(found)).encode(), mode=0o600)
