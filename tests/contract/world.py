"""What a question needs around the host: a tenant of its own, and images that behave in known ways."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

from launchpad.runner import paths, slots
from launchpad.runner.host import Failed, Host

SERVICE = "web"
PORT = 8080


@dataclass(frozen=True)
class App:
    """An image and what to run of it; no command is the image's own."""

    image: str
    command: tuple[str, ...] = ()


@dataclass(frozen=True)
class World:
    """A tenant that only one question uses, and the apps that it may run."""

    tenant: str
    slot: int
    good: App
    """Says `hello`, and answers 200 on port 8080 soon after its start."""
    crash: App
    """Exits with 1 soon after its start."""
    missing_image: str
    """No registry has it."""

    @property
    def root(self) -> str:
        """The tenant's folder, on the file system of tenants."""
        return paths.tenant(self.tenant)

    @property
    def network(self) -> str:
        return f"lp-{self.tenant}"

    @property
    def uid(self) -> int:
        return slots.host_uid(self.slot)

    def project(self, side: slots.Side = "a") -> str:
        return f"lp-{self.tenant}-{side}"

    def address(self, side: slots.Side = "a") -> IPv4Address:
        return slots.address(self.slot, 0, side)

    def folder(self, release: str = "r1") -> str:
        return paths.release(self.tenant, release)

    def environment(self, side: slots.Side = "a", release: str = "r1") -> dict[str, str]:
        return {
            "LAUNCHPAD_RELEASE": release,
            "LAUNCHPAD_SIDE": side,
            "LAUNCHPAD_ADDRESS_WEB": str(self.address(side)),
        }

    def compose(self, app: App, **more: Any) -> bytes:
        """A compose.yaml of one service; `more` goes into the service."""
        service = {
            "image": app.image,
            "user": f"{slots.inner_uid(self.slot)}:{slots.inner_uid(self.slot)}",
            "read_only": True,
            "init": True,
            "labels": {
                "launchpad.tenant": self.tenant,
                "launchpad.release": "${LAUNCHPAD_RELEASE}",
                "launchpad.side": "${LAUNCHPAD_SIDE}",
            },
            "networks": {"default": {"ipv4_address": "${LAUNCHPAD_ADDRESS_WEB}"}},
            "volumes": [],
            **({"command": list(app.command)} if app.command else {}),
            **more,
        }
        networks = {"default": {"name": self.network, "external": True}}
        return json.dumps({"services": {SERVICE: service}, "networks": networks}, indent=1).encode()


def make_network(host: Host, world: World) -> None:
    """The world's tenant's network, as the runner makes it."""
    subnet, gateway = slots.subnet(world.slot), slots.gateway(world.slot)
    host.make_network(world.network, bridge=slots.bridge(world.slot), subnet=subnet, gateway=gateway)


def bring_up(host: Host, world: World, app: App, *, side: slots.Side = "a", release: str = "r1") -> None:
    """Have the app running on one side: image, network, file, `up`."""
    host.pull(app.image, lambda _: None)
    make_network(host, world)
    host.write(f"{world.folder(release)}/compose.yaml", world.compose(app), mode=0o755)
    host.up(world.folder(release), world.project(side), world.environment(side, release))


def eventually(host: Host, true: Callable[[], bool], what: str, *, seconds: float = 30) -> None:
    """Wait until it is true; AssertionError with `what` when it is not within the seconds of the host's clock."""
    end = host.now() + seconds
    while not true():
        assert host.now() < end, f"not within {seconds:g} s: {what}"
        host.wait(0.05)


def failure(act: Callable[[], object]) -> str:
    """The message of the Failed that this raises; AssertionError when it does not fail."""
    try:
        act()
    except Failed as failed:
        assert failed.message, "a failure without a cause"
        return failed.message
    raise AssertionError("it did not fail")


def clean(host: Host, world: World) -> None:
    """Take away whatever the question left."""
    for side in ("a", "b"):
        host.down(world.project(side), 1)
    host.remove_network(world.network)
    host.close_traffic([slots.address(world.slot, 0, "a"), slots.address(world.slot, 0, "b")])
    host.unmute([slots.address(world.slot, 0, "a"), slots.address(world.slot, 0, "b")])
    host.remove(paths.site(world.tenant))
    host.remove(world.root)
    host.remove(f"{paths.RUN}/{world.tenant}")
