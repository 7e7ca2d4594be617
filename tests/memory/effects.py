"""The calls that change the host in memory: at each of them the process may die, and the disk may run full."""

from __future__ import annotations

import contextlib
import copyreg
import os
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, wraps
from ipaddress import IPv4Address, IPv4Network
from typing import Any, TypeVar

from launchpad.runner.host import Failed

Method = TypeVar("Method", bound=Callable[..., Any])
Point = TypeVar("Point")
MODES = ("before", "halfway", "after")
EVIDENCE = "LAUNCHPAD_EVIDENCE" in os.environ


@cache
def _address(number: int) -> IPv4Address:
    return IPv4Address(number)


@cache
def _network(number: int, prefix: int) -> IPv4Network:
    return IPv4Network((number, prefix))


copyreg.pickle(IPv4Address, lambda address: (_address, (int(address),)))  # else by its text, which is parsed each time
copyreg.pickle(IPv4Network, lambda network: (_network, (int(network.network_address), network.prefixlen)))


def turn(points: Sequence[Point], number: int, of: int) -> Sequence[Point]:
    """Those of the points whose turn it is: one in so many, from that number on. All of them when evidence is taken."""
    return points if EVIDENCE else points[number::of]


class Killed(BaseException):
    """The process died here. Nothing may catch it: there is nobody left."""


@dataclass(frozen=True)
class Moment:
    """What a process leaves that dies just before a changing call, halfway through it, or just after it."""

    call: int
    """Which one, from 1."""
    mode: str
    name: str
    known: bool
    """Whether it leaves what it also leaves at another moment, which is not `known`; of those after a call, at another
    one after a call. A call that changes nothing leaves the same but for the 10 ms that it takes."""
    left: bytes
    """Nothing of one that is known."""

    def host(self) -> Any:
        """The host as the process left it; another one each time."""
        found = pickle.loads(self.left)
        found.died()
        return found

    def __str__(self) -> str:
        return f"{self.mode} call {self.call}, {self.name}"


def moments(host: Any, run: Callable[[], object]) -> list[Moment]:
    """Let it run to its end on this host; every moment at which its process could have died.

    All that a process leaves is the host: so each is what a run that was killed just then would have left."""
    host.moments = []
    try:
        run()
        return [replace(moment, left=b"") if moment.known else moment for moment in host.moments]
    finally:
        host.moments = None


def effect(method: Method) -> Method:
    """A call that changes the host, or a part of it that knows it as its `host`: it takes time, and the process may
    die just before, halfway, or just after it."""

    @wraps(method)
    def call(self: Any, *arguments: Any, **options: Any) -> Any:
        host = getattr(self, "host", self)
        host.calls.append(method.__name__)
        host.disk_full = host.disk_full or len(host.calls) == host.fill_at
        host.skew += host.jump if len(host.calls) == host.jump_at else 0
        mode = host.kill_mode if len(host.calls) == host.kill_at else ""
        if mode == "before":
            raise Killed(method.__name__)
        half = None if host.moments is None else _before(self, lambda part: method(part, *arguments, **options))
        host.halfway = mode == "halfway"
        try:
            return method(self, *arguments, **options)
        finally:
            host.clock += 0.01
            if half is not None:
                _after(host, half)
            if mode:
                raise Killed(method.__name__)

    return call  # type: ignore[return-value]


@dataclass
class _Half:
    """A call that is about to be made, and the host on which it was made by half."""

    call: int
    name: str
    host: Any
    known: bool
    """Whether it left all as it was before."""
    idle: bool
    """Whether nothing has changed since the call before."""


def _before(part: Any, method: Callable[[Any], object]) -> _Half:
    """Note the moment before the call, and make it by half on a copy."""
    host = getattr(part, "host", part)
    call, name, left = len(host.calls), host.calls[-1], _freeze(host)
    last = host.moments[-1].left if host.moments else b""
    idle = left == last
    host.moments.append(Moment(call, "before", name, idle, left))
    half = pickle.loads(left)
    half.halfway = True
    with contextlib.suppress(Failed):
        method(half if part is host else half.system)
    assert len(host.calls) == call, f"{name}: made by half it goes on to change more"
    half.halfway = False
    return _Half(call, name, half, half == host, idle)


def _after(host: Any, half: _Half) -> None:
    """Note the moments halfway through the call and after it."""
    half.host.clock = host.clock
    same = half.host == host
    host.moments.append(Moment(half.call, "halfway", half.name, half.known or same, _freeze(half.host)))
    host.moments.append(Moment(half.call, "after", half.name, half.known and same and half.idle, _freeze(host)))


def _freeze(host: Any) -> bytes:
    """All of the host but what is noted of it, which no runner sees. Pickled: a fifth of a deep copy's price."""
    noted = host.calls, host.moments
    host.calls, host.moments = [], None
    try:
        return pickle.dumps(host)
    finally:
        host.calls, host.moments = noted
