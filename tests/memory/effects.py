"""A call that changes the host in memory: where the process may die."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

Method = TypeVar("Method", bound=Callable[..., Any])


class Killed(BaseException):
    """The process died here. Nothing may catch it: there is nobody left."""


def effect(method: Method) -> Method:
    """A call that changes the host: it takes time, and the process may die just before, halfway, or just after it."""

    @wraps(method)
    def call(self: Any, *arguments: Any, **options: Any) -> Any:
        self.clock += 0.01
        self.calls.append(method.__name__)
        self.disk_full = self.disk_full or len(self.calls) == self.fill_at
        here = len(self.calls) == self.kill_at
        if here and self.kill_mode == "before":
            raise Killed(method.__name__)
        self.halfway = here and self.kill_mode == "halfway"
        try:
            return method(self, *arguments, **options)
        finally:
            if here:
                raise Killed(method.__name__)

    return call  # type: ignore[return-value]
