"""What a person at `launchpad top` sees and chooses: rows, the chosen row, the search, the question. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from launchpad.plan.overview import OverviewRow, arranged

QUIT = "quit"
MOST_SEARCHED = 60
"""The longest search, in characters."""


@dataclass(frozen=True)
class KeyCommand:
    """A key that runs a command for the chosen row."""

    key: str
    name: str
    words: tuple[str, ...]
    """The command, in which NAME stands for the row's tenant or host."""
    question: str = ""
    """Asked first; empty for a command that changes nothing."""
    of_hosts: bool = False
    """Whether the command takes hosts too."""


KEY_COMMANDS = (
    KeyCommand("r", "restart", ("restart", "NAME"), "Restart NAME? Its visitors wait meanwhile."),
    KeyCommand("l", "logs", ("logs", "NAME", "--lines", "50", "--follow")),
    KeyCommand(
        "d",
        "diagnose",
        ("diagnose", "NAME"),
        "Diagnose NAME? A file is written below .launchpad/bundles.",
        of_hosts=True,
    ),
    KeyCommand("o", "open", ("open", "NAME"), "Make a login link for NAME?"),
)


@dataclass(frozen=True)
class Chosen:
    """A command that a person confirmed, or that needs no confirmation."""

    words: tuple[str, ...]
    question: str = ""


@dataclass
class Browsing:
    """The state of the view. Keys change it; a redraw only reads it."""

    rows: Sequence[OverviewRow] = ()
    """Every row."""
    shown: Sequence[OverviewRow] = ()
    """The rows that the search leaves, the worst first."""
    search: str = ""
    typing: bool = False
    """Whether keys are letters of the search."""
    asked: Chosen | None = None
    """The command that waits for a yes."""
    notice: str = ""
    room: int = 1
    """How many rows fit the screen."""
    first: int = 0
    """The place of the topmost row on the screen."""
    _key: tuple[str, str] | None = field(default=None)
    """The chosen row, which stays chosen wherever it moves; None for the topmost, whichever it is."""

    def take(self, rows: Sequence[OverviewRow]) -> None:
        """Show these rows from now on."""
        self.rows = rows
        self.shown = arranged(rows, search=self.search)
        self._scroll()

    def resize(self, room: int) -> None:
        self.room = max(1, room)
        self._scroll()

    @property
    def place(self) -> int:
        """The place of the chosen row; 0 when the chosen row is gone, or none was chosen."""
        return next((place for place, row in enumerate(self.shown) if row.key == self._key), 0) if self._key else 0

    @property
    def chosen(self) -> OverviewRow | None:
        return self.shown[self.place] if self.shown else None

    def press(self, key: str, character: str = "") -> Chosen | str | None:
        """Take a key: the command to run now, QUIT, or None."""
        self.notice = ""
        if key == "ctrl+c":
            return QUIT
        if self.asked is not None:
            return self._answered(character)
        if self.typing:
            self._typed(key, character)
            return None
        if character == "q":
            return QUIT
        if character == "/":
            self.typing = True
        elif key == "escape":
            self._find("")
        elif (step := self._steps().get(key)) is not None:
            self.choose(self.place + step)
        else:
            return self._command(character)
        return None

    def choose(self, place: int) -> None:
        """Choose the row at that place, or the nearest."""
        place = max(0, min(place, len(self.shown) - 1))
        self._key = self.shown[place].key if self.shown and place else None
        self._scroll()

    def _steps(self) -> dict[str, int]:
        page, all_rows = max(1, self.room - 1), len(self.shown)
        return {
            "up": -1, "k": -1, "down": 1, "j": 1, "pageup": -page, "pagedown": page, "home": -all_rows, "end": all_rows
        }  # fmt: skip

    def _command(self, character: str) -> Chosen | None:
        meant = next((item for item in KEY_COMMANDS if item.key == character), None)
        row = self.chosen
        if meant is None or row is None:
            return None
        if not row.tenant and not meant.of_hosts:
            self.notice = f"{row.name} is a host: {meant.name} needs a tenant"
            return None
        words = tuple(word.replace("NAME", row.name) for word in meant.words)
        where = f"{row.tenant} on {row.host}" if row.tenant else row.host
        chosen = Chosen(words, meant.question.replace("NAME", where))
        if not chosen.question:
            return chosen
        self.asked = chosen
        return None

    def _answered(self, character: str) -> Chosen | None:
        asked, self.asked = self.asked, None
        if character.lower() == "y":
            return asked
        self.notice = "not confirmed, nothing was changed"
        return None

    def _typed(self, key: str, character: str) -> None:
        if key in ("enter", "escape"):
            self.typing = False
            if key == "escape":
                self._find("")
        elif key in ("up", "down", "pageup", "pagedown"):
            self.choose(self.place + self._steps()[key])
        elif key == "backspace":
            self._find(self.search[:-1])
        elif key == "ctrl+u":
            self._find("")
        elif character and character.isprintable() and len(self.search) < MOST_SEARCHED:
            self._find(self.search + character)

    def _find(self, search: str) -> None:
        self.search = search
        self.take(self.rows)

    def _scroll(self) -> None:
        """Keep the chosen row on the screen."""
        place = self.place
        self.first = max(0, min(self.first, len(self.shown) - self.room))
        self.first = place if place < self.first else max(self.first, place - self.room + 1)
