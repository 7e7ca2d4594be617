"""The view in Textual: keys, sizes, what a terminal gets, how it ends, and how quickly 2,000 tenants are drawn."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from statistics import median
from typing import Any

import pytest
from measurement import record
from textual.pilot import Pilot

from launchpad.cli.redrawing import Sheet, TopApp
from launchpad.errors import HostError
from tests.cli.top_rows import NOW, Source, few_rows, many_rows

Try = Callable[[TopApp, Pilot[int]], Awaitable[None]]
REDRAW_SECONDS = 0.05


class Tried(TopApp):
    """Commands are only noted."""

    def __init__(self, source: Source, **how: Any) -> None:
        self.ran: list[tuple[str, ...]] = []
        super().__init__(source, carry_out=self.ran.append, now=lambda: NOW, **how)


def shows(app: TopApp) -> list[str]:
    sheet = app.query_one(Sheet)
    return [sheet.render_line(line).text.rstrip() for line in range(sheet.size.height)]


async def until(pilot: Pilot[int], holds: Callable[[], bool]) -> None:
    while not holds():
        await pilot.pause(0.02)


def play(act: Try, *, source: Source | None = None, size: tuple[int, int] = (80, 24), **how: Any) -> Tried:
    """Do this at the view, with Textual's own pilot."""
    app = Tried(source or Source(), **how)

    async def go() -> None:
        async with app.run_test(size=size) as pilot:
            await until(pilot, lambda: shows(app)[-1] != "")
            await act(app, pilot)

    asyncio.run(go())
    return app


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (30, 8)])
def test_the_view_fills_the_terminal_and_follows_its_size(size: tuple[int, int]) -> None:
    async def act(app: TopApp, pilot: Pilot[int]) -> None:
        for width, height in (size, (100, 30), size):
            await pilot.resize_terminal(width, height)
            await pilot.pause()
            found = shows(app)
            assert len(found) == height and max(map(len, found)) <= width
            assert any(line.startswith("critical  alice") for line in found)
            assert found[-1].startswith("/ search")

    play(act, size=size)


def test_new_rows_appear_by_themselves() -> None:
    source = Source([])

    async def act(app: TopApp, pilot: Pilot[int]) -> None:
        assert "no hosts" in shows(app)
        source.say(few_rows())
        await until(pilot, lambda: "no hosts" not in shows(app))
        source.problem = HostError("launchpad.yaml is gone")
        source.changes += 1
        await until(pilot, lambda: "launchpad.yaml is gone" in shows(app)[1])

    play(act, source=source)


def test_keys_reach_the_view_whatever_textual_does_with_them() -> None:
    async def act(app: TopApp, pilot: Pilot[int]) -> None:
        await pilot.press("down", "j", "up", "tab", "ctrl+p")
        assert shows(app)[4].startswith("unknown") and app.browsing.place == 1
        await pilot.press("slash", "c", "a", "r", "o", "l", "enter")
        assert shows(app)[3].startswith("ok        carol") and shows(app)[4] == ""
        await pilot.press("escape", "home", "r")
        assert shows(app)[-1].startswith("Restart alice on web-1?")
        await pilot.press("n", "r", "y")
        await pilot.pause()
        assert app.ran == [("restart", "alice")]  # type: ignore[attr-defined]

    play(act)


@pytest.mark.parametrize(("key", "code"), [("q", 0), ("ctrl+c", 130)])
def test_it_ends_with_a_code(key: str, code: int) -> None:
    async def act(_app: TopApp, pilot: Pilot[int]) -> None:
        await pilot.press("slash" if key == "ctrl+c" else "down", key)

    assert play(act).return_value == code


def test_a_bug_ends_the_view_and_no_traceback_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    source, bug = Source(), ZeroDivisionError("a thread")

    async def act(_app: TopApp, pilot: Pilot[int]) -> None:
        source.bug = bug
        await pilot.pause(0.6)

    assert play(act, source=source).bug is bug

    async def breaks(app: TopApp, pilot: Pilot[int]) -> None:
        app.browsing.shown = [None]  # type: ignore[list-item]
        await pilot.press("down")

    broken = Tried(Source())
    with pytest.raises(AttributeError):  # Textual's pilot raises it again

        async def go() -> None:
            async with broken.run_test() as pilot:
                await until(pilot, lambda: shows(broken)[-1] != "")
                await breaks(broken, pilot)

        asyncio.run(go())
    assert isinstance(broken.bug, AttributeError)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("color", [True, False])
def test_colours_are_the_terminal_s_own_or_none(color: bool) -> None:
    async def act(app: TopApp, _pilot: Pilot[int]) -> None:
        sheet = app.query_one(Sheet)
        styles = [part.style for line in range(24) for part in sheet.render_line(line) if part.style]
        named = {style.color.name for style in styles if style.color and not style.color.is_default}
        assert named == ({"red", "yellow", "green"} if color else set())
        assert all(style.bgcolor is None or style.bgcolor.is_default for style in styles)
        assert any(style.reverse for style in styles) and any(style.bold for style in styles)

    play(act, color=color)


def test_a_host_s_text_cannot_steer_the_terminal() -> None:
    async def act(app: TopApp, pilot: Pilot[int]) -> None:
        await pilot.press("down", "down")
        text = "\n".join(shows(app))
        assert "\x1b" not in text and r"\x1b[2J" in text
        assert max(map(len, shows(app))) <= 80

    from launchpad.cli.screen import safe

    play(act, shown=safe)


def test_2000_tenants_are_drawn_again_quickly() -> None:
    """From new answers of the hosts to the bytes for the terminal, where each row changes: order, lines, screen. Of the
    processor's time, which others on a busy machine do not add to."""
    both = [many_rows(hosts=50, tenants=40, bad=bad) for bad in (0, 1)]
    source = Source(both[0])
    assert sum(bool(row.tenant) for row in source.rows()) == 2000
    seconds: list[float] = []

    async def act(app: TopApp, pilot: Pilot[int]) -> None:
        for turn in range(30):
            before = shows(app)
            begun = time.process_time()
            source.say(both[turn % 2 - 1])
            app.redraw()
            await pilot.pause()  # until the screen is composed
            written = app.screen._compositor.render_full_update().render_segments(app.console)
            seconds.append(time.process_time() - begun)
            assert sum(line not in before for line in shows(app)) >= 24 and "critical" in written

    play(act, source=source, size=(120, 40))
    record("ops-top-redraw", median(seconds) * 1000, n=len(seconds), detail="50 hosts, 2,000 tenants, 120x40")
    assert median(seconds) <= REDRAW_SECONDS, sorted(seconds)
