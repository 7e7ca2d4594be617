"""Many at once: a map of results, never the first exception."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from launchpad.errors import LaunchpadError, PartialError

Key = TypeVar("Key", bound=str)
Result = TypeVar("Result")

MOST_THREADS = 32
_NOT_YET = LaunchpadError("not started")


def fanout(
    keys: Iterable[Key], work: Callable[[Key], Result], *, threads: int = MOST_THREADS
) -> dict[Key, Result | LaunchpadError]:
    """What `work` returned for each key, or the deliberate error it raised; in the order of the keys.

    A bug in `work` is raised as it is. The work bounds its own time: a connection that does not answer is an error
    after its own limit, and holds up no other host. An interrupt is heard at once: the threads, unlike those of
    concurrent.futures, are not waited for when the program ends.
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
    """Only what went well."""
    return {key: value for key, value in results.items() if not isinstance(value, LaunchpadError)}


def failures(results: Mapping[Key, Result | LaunchpadError]) -> dict[Key, LaunchpadError]:
    """Only what went wrong."""
    return {key: value for key, value in results.items() if isinstance(value, LaunchpadError)}


def _hint(error: LaunchpadError) -> str:
    return f"{error.said_by} suggests: {error.hint}" if error.said_by else error.hint


def all_or_error(results: Mapping[Key, Result | LaunchpadError], *, noun: str, hint: str = "") -> dict[Key, Result]:
    """Every result. The one error when there is one key; PartialError that names each failure when there are more, with
    the hint, or else with each one's own."""
    wrong = failures(results)
    if len(results) == 1 and wrong:
        raise next(iter(wrong.values()))
    if wrong:
        raise PartialError(
            f"{len(wrong)} of {len(results)} {noun} failed: {', '.join(wrong)}",
            hint=hint or "; ".join(dict.fromkeys(_hint(error) for error in wrong.values() if error.hint)),
            failures={str(key): error for key, error in wrong.items()},
        )
    return successes(results)
