"""Hetzner's DNS: the records of tenants' names in zones that one of its cloud's projects has.

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

API = "https://api.hetzner.cloud/v1"
TTL_SECONDS = 60
"""The least that Hetzner takes: a move is over so long after the change."""
TIMEOUT_SECONDS = 20.0

Kind = Literal["A", "AAAA"]
SaysWhere = Literal["A", "AAAA", "CNAME"]
SAYS_WHERE: tuple[SaysWhere, ...] = ("A", "AAAA", "CNAME")


class Hetzner:
    """Records of one address each, made where there are none; a visitor's resolver says where they lead."""

    def __init__(self, token: Secret, resolver: Resolver, *, api: str = API) -> None:
        self._resolver = resolver
        self._client = Client(token.reveal(), api_endpoint=api, application_name="launchpad", timeout=TIMEOUT_SECONDS)

    def point(self, names: Sequence[str], address: str) -> bool:
        """StateError, and no record changed, when no zone has a name, or a name has records that say something else
        beside it; those are a person's."""
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
        """The name's zone, and what is there of the kind."""
        zone = max(
            (item for item in zones if name == item.name or name.endswith(f".{item.name}")),
            key=lambda item: len(item.name or ""),
            default=None,
        )
        if zone is None:
            hint = f"add its zone there, or take a token of the zone's project: launchpad dns credential {CREDENTIAL}"
            raise StateError(f"dns: no zone that the token sees has {name}", hint=hint)
        found = {str(item.type): item for item in zone.get_rrset_all(name=_below(name, zone), type=list(SAYS_WHERE))}
        others = sorted(set(found) - {kind})
        if others:
            raise StateError(
                f"dns: {name} has {' and '.join(others)} records too, which lead elsewhere",
                hint=f"delete them at Hetzner; a name of a tenant has one {kind} record",
            )
        return zone, found.get(kind)

    def _set(self, name: str, zone: BoundZone, there: BoundZoneRRSet | None, kind: Kind, address: str) -> None:
        records = [ZoneRecord(value=address)]
        if there is None:
            created = zone.create_rrset(name=_below(name, zone), type=kind, ttl=TTL_SECONDS, records=records)
            created.action.wait_until_finished()
            return
        if there.ttl != TTL_SECONDS:  # first, so that the new address is not remembered for longer
            there.change_rrset_ttl(TTL_SECONDS).wait_until_finished()
        if [item.value for item in there.records or ()] != [address]:
            there.set_rrset_records(records).wait_until_finished()


def _below(name: str, zone: BoundZone) -> str:
    """What the zone calls the name: @ for its own."""
    return name.removesuffix(str(zone.name)).rstrip(".") or "@"


@contextmanager
def _errors() -> Iterator[None]:
    """The library's errors as ours: none of them has the token in it."""
    try:
        yield
    except APIException as error:
        if error.code in ("unauthorized", "forbidden", "token_readonly"):
            hint = f"launchpad dns credential {CREDENTIAL}, one that reads and writes"
            raise StateError(f"dns: Hetzner refuses the token: {error.message}", hint=hint) from None
        raise ServiceError(f"dns: Hetzner says {error.message} ({error.code})", hint="try again") from None
    except HCloudException as error:
        raise ServiceError(f"dns: Hetzner did not carry it out: {error}", hint="try again") from None
    except RequestException as error:
        raise ServiceError(f"dns: Hetzner is not reached: {type(error).__name__}", hint="try again") from None
