"""Visitors of a tenant: a mix of requests at a bounded rate through Caddy, and a WebSocket that stays. What each of
them got is kept, so that a test can say what a change on the host meant to the people outside."""

from __future__ import annotations

import itertools
import statistics
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from tests.lab.websocket import WebSocket
from tests.lab.world import Answer, World

CLIENT_TIMEOUT = 30.0
"""What a visitor waits for an app that answers at once; for one that works on it, as long as that takes more."""
MOST_AT_ONCE = 400
HELD_SECONDS = 0.5
"""What takes so much longer than it has to was held."""
LONGEST_HOLD = 27.0
"""A 503 that comes earlier was not waited for: the request was cut while the app worked on it."""

Kind = Literal["GET", "POST", "WebSocket"]
Outcome = Literal["answered", "503", "cut", "error", "wrong"]


@dataclass(frozen=True)
class Asked:
    """What a visitor asks for."""

    kind: Kind
    path: str
    takes: float = 0.0
    """How long the app itself works on it, in seconds."""
    status: int = 200
    """What the app answers."""
    echo: bool = True
    """Whether a WebSocket's app says what it hears; else it speaks first."""


COUNTED = Asked("POST", "/")
"""Beacon counts it in its store: each has to be carried out exactly once."""
MIX = (
    Asked("GET", "/slow?ms=200", 0.2),
    COUNTED,
    Asked("GET", "/marker"),
    Asked("WebSocket", "/ws"),
    Asked("POST", "/marker"),
    Asked("GET", "/secret-hash"),
    COUNTED,
    Asked("GET", "/slow?ms=2000", 2.0),
    Asked("WebSocket", "/ws"),
    Asked("POST", "/slow?ms=1000", 1.0),
)


@dataclass(frozen=True)
class Visit:
    """How one request went."""

    asked: Asked
    at: float
    """When, by time.time()."""
    seconds: float
    outcome: Outcome
    detail: str = ""
    count: int | None = None
    """The store's counter after a counted POST."""

    @property
    def held(self) -> float:
        """How long it waited, beyond what it takes."""
        return self.seconds - self.asked.takes


@dataclass
class Standing:
    """A WebSocket that a browser keeps open, mostly at rest: it comes back at once whenever it was cut."""

    cuts: list[tuple[float, str]] = field(default_factory=list)
    """When it was cut, by time.time(), and how."""
    back: list[float] = field(default_factory=list)
    """How long after each cut it was there again, in seconds."""


@dataclass
class Visitors:
    """What was asked between the start and the end, and what came of it."""

    visits: list[Visit] = field(default_factory=list)
    standing: Standing = field(default_factory=Standing)

    def of(self, *outcomes: Outcome) -> list[Visit]:
        return [visit for visit in self.visits if visit.outcome in outcomes]

    @property
    def held(self) -> list[float]:
        """How long each answered request waited that was held at all."""
        return [visit.held for visit in self.of("answered") if visit.held >= HELD_SECONDS]

    @property
    def failures(self) -> list[Visit]:
        return self.of("503", "cut", "wrong", "error")

    def repeated(self) -> int:
        """How many counted POSTs were carried out more often than they were asked for.

        Two at once may both be told the later number, so it is the first and the last that count."""
        asked = sum(visit.asked == COUNTED for visit in self.visits)
        counts = [visit.count for visit in self.visits if visit.count is not None]
        return max(0, max(counts) - min(counts) + 1 - asked) if counts else 0


@contextmanager
def visiting(world: World, name: str, *, mix: Sequence[Asked] = MIX, rate: float = 10) -> Iterator[Visitors]:
    """Visitors come to the tenant, `rate` a second, until the block ends; all have their answer when it is left.

    One of them stays, with a WebSocket such as the mix has, or an echo."""
    visitors, over = Visitors(), threading.Event()
    with ThreadPoolExecutor(MOST_AT_ONCE) as pool:
        kept = next((asked for asked in mix if asked.kind == "WebSocket"), Asked("WebSocket", "/ws"))
        stay = pool.submit(_stay, world, name, kept, visitors.standing, over)
        come = pool.submit(_come, pool, over, 1 / rate, _visits(world, name, mix, visitors))
        try:
            yield visitors
        finally:
            over.set()
        come.result()
        stay.result()


def _visits(world: World, name: str, mix: Sequence[Asked], visitors: Visitors) -> Iterator[Callable[[], None]]:
    for number in itertools.count():
        asked = mix[number % len(mix)]
        yield lambda asked=asked, number=number: visitors.visits.append(visit(world, name, asked, number))  # type: ignore[misc]


def _come(
    pool: ThreadPoolExecutor, over: threading.Event, interval: float, visits: Iterable[Callable[[], None]]
) -> None:
    due = time.monotonic()
    for one in visits:
        due += interval
        if over.wait(max(0.0, due - time.monotonic())):
            return
        pool.submit(one)


def visit(world: World, name: str, asked: Asked, number: int) -> Visit:
    """One request and its answer, whatever that is."""
    at = time.time()
    begun = time.monotonic()
    count: int | None = None
    try:
        if asked.kind == "WebSocket":
            outcome, detail = _talk(world, name, asked, f"visit-{number}")
        else:
            body = f"visit-{number}".encode() if asked.kind == "POST" else None
            answer = world.request(name, asked.kind, asked.path, body=body, timeout=CLIENT_TIMEOUT + asked.takes)
            outcome, detail = _judged(asked, answer, time.monotonic() - begun)
            if outcome == "answered" and asked == COUNTED:
                count = answer.json["hits"]
    except InvalidStatus as refused:
        outcome, detail = _refused(time.monotonic() - begun), str(refused.response.status_code)
        outcome = outcome if "Retry-After" in refused.response.headers else "wrong"
    except ConnectionClosed as closed:
        outcome, detail = "cut", str(closed)
    except (OSError, WebSocketException) as error:
        outcome, detail = "error", f"{error!r} from {error.__cause__!r}"
    return Visit(asked, at, time.monotonic() - begun, outcome, detail, count)


def _talk(world: World, name: str, asked: Asked, text: str) -> tuple[Outcome, str]:
    with world.websocket(name, asked.path) as stream:
        if asked.echo:
            stream.send(text)
        said = stream.recv(timeout=CLIENT_TIMEOUT)
    return ("answered", "") if said == text or not asked.echo else ("wrong", repr(said))


def _judged(asked: Asked, answer: Answer, seconds: float) -> tuple[Outcome, str]:
    detail = f"{answer.status} {answer.body[:80]!r}"
    if answer.status == 503 and "Retry-After" in answer.headers:
        return _refused(seconds), detail
    if answer.status != asked.status:
        return "wrong", detail
    if asked.kind == "POST" and asked.path == "/marker" and not answer.body.startswith(b"visit-"):
        return "wrong", detail
    return "answered", ""


def _refused(seconds: float) -> Outcome:
    return "503" if seconds >= LONGEST_HOLD else "cut"


def _stay(world: World, name: str, kept: Asked, standing: Standing, over: threading.Event) -> None:
    """Keep a WebSocket until all is over and it is there again; for a minute at most when it does not come back."""
    cut = 0.0
    while not over.is_set() or 0 < time.time() - cut < 60:
        try:
            with world.websocket(name, kept.path) as stream:
                if kept.echo:
                    stream.send("here I am")
                stream.recv(timeout=CLIENT_TIMEOUT)
                if cut:
                    standing.back.append(time.time() - cut)
                    cut = 0.0
                _rest(stream, kept, over)
        except (OSError, WebSocketException) as error:
            if not cut:
                cut = time.time()
                standing.cuts.append((cut, f"{type(error).__name__}: {error}"))
            over.wait(0.1)


def _rest(stream: WebSocket, kept: Asked, over: threading.Event) -> None:
    """Hear when it is cut, and say something only now and then, as an idle page in a browser does."""
    said = time.monotonic()
    while not over.is_set():
        if kept.echo and time.monotonic() - said > 20:
            said = time.monotonic()
            stream.send("still there")
        with suppress(TimeoutError):
            stream.recv(timeout=0.25)


# --- a table ----------------------------------------------------------------------------------------------------------

HEADINGS = ("asked", "answered", "held", "median", "most", "503", "cut", "wrong", "errors", "twice", "WebSocket back")


def row(visitors: Visitors) -> tuple[str, ...]:
    """What became of the visitors, as HEADINGS says."""
    held = visitors.held
    numbers = [len(visitors.of(outcome)) for outcome in ("503", "cut", "wrong", "error")]
    return (
        str(len(visitors.visits)),
        str(len(visitors.of("answered"))),
        str(len(held)),
        f"{statistics.median(held):.1f} s" if held else "-",
        f"{max(held):.1f} s" if held else "-",
        *map(str, numbers),
        str(visitors.repeated()),
        f"{max(visitors.standing.back):.1f} s" if visitors.standing.back else "-",
    )
