"""Run work for many keys at once: a map of results, never only the first exception."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from launchpad.errors import LaunchpadError, PartialError

Key = TypeVar("Key", bound=str)
Result = TypeVar("Result")

MOST_THREADS = 32
_NOT_YET = LaunchpadError("not started", code="not-started")


def fanout(
    keys: Iterable[Key], work: Callable[[Key], Result], *, threads: int = MOST_THREADS
) -> dict[Key, Result | LaunchpadError]:
    """For each key, in order, what `work` returned or the LaunchpadError that it raised.

    A bug in `work` is raised unchanged. The work limits its own time: a connection without an answer fails after its
    own limit and delays no other host. An interrupt works at once: unlike concurrent.futures, the program does not wait
    for these threads at its end.
    """
    todo = deque(dict.fromkeys(keys))
    results: dict[Key, Result | LaunchpadError] = dict.fromkeys(todo, _NOT_YET)
    bugs: list[BaseException] = []

    def worker() -> None:
        while not bugs:
            try:
                key = todo.popleft()
            except IndexError:
                return
            try:
                results[key] = work(key)
            except LaunchpadError as error:
                results[key] = error
            except BaseException as bug:
                bugs.append(bug)

    workers = [
        threading.Thread(target=worker, name=f"fanout-{number}", daemon=True)
        for number in range(min(threads, len(todo)))
    ]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    if bugs:
        raise bugs[0]
    return results


def successes(results: Mapping[Key, Result | LaunchpadError]) -> dict[Key, Result]:
    """Only the results."""
    return {key: value for key, value in results.items() if not isinstance(value, LaunchpadError)}


def failures(results: Mapping[Key, Result | LaunchpadError]) -> dict[Key, LaunchpadError]:
    """Only the errors."""
    return {key: value for key, value in results.items() if isinstance(value, LaunchpadError)}


def _hint(error: LaunchpadError) -> str:
    return f"{error.said_by} suggests: {error.hint}" if error.said_by else error.hint


def all_or_error(results: Mapping[Key, Result | LaunchpadError], *, noun: str, hint: str = "") -> dict[Key, Result]:
    """Every result. After a failure: the error itself for a single key, otherwise a PartialError that names each
    failure, with the hint, or with each error's own hint."""
    wrong = failures(results)
    if len(results) == 1 and wrong:
        raise next(iter(wrong.values()))
    if wrong:
        raise PartialError(
            f"{len(wrong)} of {len(results)} {noun} failed: {', '.join(wrong)}",
            code="some-failed",
            hint=hint or "; ".join(dict.fromkeys(_hint(error) for error in wrong.values() if error.hint)),
            failures={str(key): error for key, error in wrong.items()},
        )
    return successes(results)
