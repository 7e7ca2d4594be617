"""Hetzner's DNS: the records of tenants' names in the zones of a Hetzner Cloud project.

Source: the client library's zones (RRSets of a zone by name and type), https://docs.hetzner.cloud/reference/cloud#zones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

from hcloud import APIException, Client, HCloudException
from hcloud.zones import BoundZone, BoundZoneRRSet, ZoneRecord
from requests import RequestException

from launchpad.errors import ServiceError, StateError
from launchpad.fleet.model.dns import CREDENTIAL
from launchpad.fleet.words.secret import Secret
from launchpad.operations.dns.resolver import Resolver
from launchpad.runner.hint import Next

API = "https://api.hetzner.cloud/v1"
TTL_SECONDS = 60
"""The smallest TTL that Hetzner accepts: resolvers have a changed record after this time."""
TIMEOUT_SECONDS = 20.0

Kind = Literal["A", "AAAA"]
SaysWhere = Literal["A", "AAAA", "CNAME"]
SAYS_WHERE: tuple[SaysWhere, ...] = ("A", "AAAA", "CNAME")


class Hetzner:
    """Sets records with one address each. `leads_to` asks the resolver of this machine, as visitors do."""

    def __init__(self, token: Secret, resolver: Resolver, *, api: str = API) -> None:
        self._resolver = resolver
        self._client = Client(token.reveal(), api_endpoint=api, application_name="launchpad", timeout=TIMEOUT_SECONDS)

    def point(self, names: Sequence[str], address: str) -> bool:
        """StateError, and no record is changed, when no zone has a name, or when a name has other records, which an
        operator must delete."""
        kind: Kind = "AAAA" if ":" in address else "A"
        with _errors():
            zones = self._client.zones.get_all()
            wanted = [(name, *self._found(name, zones, kind)) for name in names]
            for name, zone, there in wanted:
                self._set(name, zone, there, kind, address)
        return True

    def leads_to(self, name: str) -> frozenset[str]:
        return self._resolver.leads_to(name)

    def _found(self, name: str, zones: Sequence[BoundZone], kind: Kind) -> tuple[BoundZone, BoundZoneRRSet | None]:
        """The name's zone, and the present record of this kind."""
        zone = max(
            (item for item in zones if name == item.name or name.endswith(f".{item.name}")),
            key=lambda item: len(item.name or ""),
            default=None,
        )
        if zone is None:
            hint = "add the zone to the token's project, or set a token of the zone's project: " + Next(
                "dns credential", CREDENTIAL
            )
            raise StateError(f"dns: no zone of the token's project contains {name}", code="dns-zone-missing", hint=hint)
        found = {str(item.type): item for item in zone.get_rrset_all(name=_below(name, zone), type=list(SAYS_WHERE))}
        others = sorted(set(found) - {kind})
        if others:
            raise StateError(
                f"dns: {name} also has {' and '.join(others)} records, which point elsewhere",
                code="dns-records-point-elsewhere",
                hint=f"delete the {' and '.join(others)} records at Hetzner; a tenant's domain has only one {kind} "
                "record",
            )
        return zone, found.get(kind)

    def _set(self, name: str, zone: BoundZone, there: BoundZoneRRSet | None, kind: Kind, address: str) -> None:
        records = [ZoneRecord(value=address)]
        if there is None:
            created = zone.create_rrset(name=_below(name, zone), type=kind, ttl=TTL_SECONDS, records=records)
            created.action.wait_until_finished()
            return
        if there.ttl != TTL_SECONDS:  # first, so that resolvers do not cache the new address for longer
            there.change_rrset_ttl(TTL_SECONDS).wait_until_finished()
        if [item.value for item in there.records or ()] != [address]:
            there.set_rrset_records(records).wait_until_finished()


def _below(name: str, zone: BoundZone) -> str:
    """The name relative to the zone; @ for the zone's own name."""
    return name.removesuffix(str(zone.name)).rstrip(".") or "@"


@contextmanager
def _errors() -> Iterator[None]:
    """Convert the library's errors to Launchpad's; no error contains the token."""
    try:
        yield
    except APIException as error:
        if error.code in ("unauthorized", "forbidden", "token_readonly"):
            hint = "set a token with read and write access: " + Next("dns credential", CREDENTIAL)
            raise StateError(
                f"dns: Hetzner rejects the token: {error.message}", code="dns-hetzner-rejects-token", hint=hint
            ) from None
        raise ServiceError(
            f"dns: Hetzner rejects the request: {error.message} ({error.code})",
            code="dns-hetzner-rejects-request",
            hint="try again",
        ) from None
    except HCloudException as error:
        raise ServiceError(
            f"dns: Hetzner did not complete the change: {error}", code="dns-hetzner-did-not-complete", hint="try again"
        ) from None
    except RequestException as error:
        raise ServiceError(
            f"dns: cannot reach Hetzner: {type(error).__name__}", code="dns-cannot-reach-hetzner", hint="try again"
        ) from None
