"""open: give access to a tenant: print a one-time link, or approve a waiting device."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from launchpad.errors import StateError, StepFailed
from launchpad.operations.tenants.act import ActionResult, act_well
from launchpad.runner.hint import Next
from launchpad.workspace import Workspace

LINK, DEVICES, APPROVE, REVOKE = "open", "devices", "approve", "revoke"
"""Names of the app's actions for access."""
SHORTEST = 8
"""The shortest prefix of a device's id that is accepted, if only one device matches."""


def open_tenant(workspace: Workspace, name: str) -> str:
    """A link for a browser: a one-time link if the app makes one-time links, otherwise the tenant's address. StateError
    for a tenant without a domain."""
    fleet = workspace.fleet.load()
    tenant = fleet.tenant(name)
    if not tenant.domains:
        raise StateError(
            f"{name} has no domain to open",
            code="no-domain-to-open",
            hint=f"write domains: into inventory/tenants/{name}.yaml",
        )
    if LINK not in {str(action.name) for action in fleet.app(tenant.app).actions}:
        return f"https://{tenant.domains[0]}/"
    said = act_well(workspace, name, LINK)
    link = next(_links(said.data if said.data is not None else said.text), "")
    if not link:
        raise StepFailed(f"{name}: {tenant.app} printed no link", code="printed-no-link", hint=Next("logs", name))
    return at_domain(link, str(tenant.domains[0]))


@dataclass(frozen=True, kw_only=True)
class Device:
    """A paired device, or a device that waits for approval."""

    id: str
    """The id that approves a waiting device or revokes a paired device."""
    waits: bool
    about: str
    grants: tuple[str, ...]
    """The roles and scopes that the device has, or asks for."""
    more: tuple[str, ...] = ()
    """The roles and scopes that a waiting device asks for in addition, if the same device is paired already."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def devices(workspace: Workspace, name: str) -> ActionResult:
    """The tenant's waiting and paired devices, as the app lists them."""
    return act_well(workspace, name, DEVICES)


def approve(workspace: Workspace, name: str, device: Device) -> ActionResult:
    """Approve the waiting device with the roles and scopes that it asks for."""
    return act_well(workspace, name, APPROVE, [device.id])


def revoke(workspace: Workspace, name: str, device: Device) -> ActionResult:
    """Revoke the paired device."""
    return act_well(workspace, name, REVOKE, [device.id])


def device_of(found: ActionResult, identifier: str, *, waits: bool) -> Device:
    """The waiting or paired device with that id, or the only device whose id begins with it; StateError when there is
    none."""
    mine = [device for device in listed(found.data) if device.waits is waits]
    same = [device for device in mine if device.id == identifier]
    begun = [device for device in mine if len(identifier) >= SHORTEST and device.id.startswith(identifier)]
    for fits in (same, begun):
        if len(fits) == 1:
            return fits[0]
    state = "waits" if waits else "is paired"
    raise StateError(
        f"{found.tenant}: no device {identifier} {state}",
        code="no-such-browser-device",
        hint=Next("open", found.tenant, "--devices"),
    )


def listed(devices: Any) -> list[Device]:
    """The devices that an app lists under `pending` and `paired`, waiting devices first; empty when the app has no such
    lists."""
    paired = [_device(item, waits=False, had=()) for item in _under(devices, "paired")]
    had = {device.id: device.grants for device in paired if device}
    waiting = [_device(item, waits=True, had=had.get(str(item.get("deviceId")))) for item in _under(devices, "pending")]
    return [device for device in (*waiting, *paired) if device]


def _under(devices: Any, key: str) -> list[dict[str, Any]]:
    found = devices.get(key) if isinstance(devices, dict) else None
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _device(item: dict[str, Any], *, waits: bool, had: Sequence[str] | None) -> Device | None:
    keys = ("requestId", "id") if waits else ("deviceId", "id")
    identifier = next((str(item[key]) for key in keys if item.get(key)), "")
    if not identifier:
        return None
    about = [str(item[key]) for key in ("displayName", "clientId", "platform", "remoteIp") if item.get(key)]
    grants = tuple(dict.fromkeys(_words(item, "role", "roles", "scopes")))
    more = tuple(word for word in grants if word not in had) if had is not None and waits else ()
    return Device(id=identifier, waits=waits, about=", ".join(about), grants=grants, more=more)


def _words(item: dict[str, Any], *keys: str) -> Iterator[str]:
    for key in keys:
        value = item.get(key)
        yield from map(str, value if isinstance(value, list) else [value] if value else [])


def at_domain(link: str, domain: str) -> str:
    """Replace an address that only the host can reach by the tenant's own domain; return other links unchanged."""
    parts = urlsplit(link)
    if not _inside(parts.hostname):
        return link
    return urlunsplit(("https", domain, parts.path or "/", parts.query, _fragment_at(parts.fragment, domain)))


def _fragment_at(fragment: str, domain: str) -> str:
    """Replace each address in the link's fragment by the domain: OpenClaw's fragment has the address that the browser
    dials."""
    pairs = parse_qsl(fragment) if "=" in fragment else []
    if not pairs:
        return fragment
    moved = []
    for key, value in pairs:
        parts = urlsplit(value)
        if parts.scheme in ("ws", "wss", "http", "https") and _inside(parts.hostname):
            scheme = "wss" if parts.scheme.startswith("ws") else "https"
            value = urlunsplit((scheme, domain, parts.path, parts.query, ""))
        moved.append((key, value))
    return urlencode(moved)


def _inside(name: str | None) -> bool:
    """Whether only the tenant's own host can reach that name."""
    try:
        return ipaddress.ip_address(name or "").is_private
    except ValueError:
        return name == "localhost"


def _links(said: Any) -> Iterator[str]:
    """Links, the most likely first: links under a known key, then all others."""
    if isinstance(said, dict):
        for key in ("browserUrl", "url", "link"):
            if isinstance(said.get(key), str):
                yield from _links(said[key])
        for value in said.values():
            yield from _links(value)
    elif isinstance(said, list):
        for value in said:
            yield from _links(value)
    elif isinstance(said, str):
        # OpenClaw prints a second link with the gateway's permanent token, which must not be shown.
        links = (word for word in said.split() if word.startswith(("http://", "https://")))
        yield from (link for link in links if "token" not in dict(parse_qsl(urlsplit(link).fragment)))
