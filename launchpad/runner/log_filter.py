"""Which of a tenant's log lines are shown: without what probes cause, of a level, with an expression. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

LEVELS = ("debug", "info", "warning", "error")
PROBES = re.compile(r"launchpad-runner|(?<![0-9.])192\.0\.2\.1(?![0-9.])")
"""The marks of probes: the runner's name, and the documentation address (RFC 5737) that Caddy's checks name."""
MOST_EXPRESSION = 200
_WORDS = re.compile(r"error|exception|traceback|fatal|warn|fail", re.IGNORECASE)
_GOOD, _BAD = re.compile(r"\b200\b"), re.compile(r"\b[45][0-9][0-9]\b")
_NAMES = {
    **dict.fromkeys(("trace", "debug", "verbose"), "debug"),
    **dict.fromkeys(("info", "notice", "log"), "info"),
    **dict.fromkeys(("warn", "warning"), "warning"),
    **dict.fromkeys(("err", "error", "fatal", "critical", "crit", "panic", "alert", "emergency"), "error"),
}
_FIELD = re.compile(
    r"\b(?:level|lvl|severity|levelname|logLevelName)[\"']?\s*[=:]\s*[\"']?([A-Za-z]+|[1-6]0\b)", re.IGNORECASE
)
_WORD = re.compile(
    r"\b(TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERR|ERROR|FATAL|CRITICAL|PANIC)\b"
    r"|[\[(<](trace|debug|info|notice|warn|warning|err|error|fatal|critical|panic)[\])>]"
    r"|\b(debug|info|warn|warning|error|fatal|critical|panic):"
)
_EXCEPTION = re.compile(r"^Traceback |\b[A-Za-z]*(?:Error|Exception)\b|^panic: ")
_BEGINNING = 120
"""A level that stands later is part of the message."""

Wanted = Callable[[str], bool]
"""Whether a line is shown."""


class LogFilter:
    """Judges one container's lines in their order, because a line that is indented has the level of the line before."""

    def __init__(self, *, level: str = "", grep: str = "") -> None:
        self._least = LEVELS.index(level) if level else 0
        self._grep = re.compile(grep) if grep else None
        self._last = "info"

    def shows(self, text: str) -> bool:
        """Whether to show the next line; the text has no known secrets, so an expression cannot find one."""
        if self._least:
            if not (text[:1].isspace() or text.startswith("}")):
                self._last = level_of(text)
            if LEVELS.index(self._last) < self._least:
                return False
        return self._grep is None or self._grep.search(text) is not None


def level_of(text: str) -> str:
    """The level that a line names, as JSON, key=value or a word near its beginning; info when it names none."""
    if found := _FIELD.search(text):
        word = found[1].lower()
        if word.isdecimal():  # as pino and bunyan count
            return LEVELS[min(max(int(word) // 10 - 2, 0), 3)]
        if word in _NAMES:
            return _NAMES[word]
    beginning = text[:_BEGINNING]
    if found := _WORD.search(beginning):
        return _NAMES[next(filter(None, found.groups())).lower()]
    return "error" if _EXCEPTION.search(beginning) else "info"


def every(_text: str) -> bool:
    return True


def none(_text: str) -> bool:
    return False


def about(names: Iterable[str]) -> Wanted:
    """Whether a line of Caddy is about one of the names; lines about the whole server are not."""
    if not names:
        return none
    one = re.compile(rf"(?<![\w.-])(?:{'|'.join(map(re.escape, names))})(?![\w-])(?!\.\w)")
    return lambda text: one.search(text) is not None and '"domains":[' not in text


def without_probes(paths: Iterable[str]) -> Wanted:
    """Whether a line was not caused by a probe of these paths: probes cause lines about a successful GET."""
    own = [re.escape(path) for path in sorted(paths) if path != "/"]  # visitors request / too
    path = re.compile(rf"(?<![\w/])(?:{'|'.join(own)})(?![\w/?.-])") if own else None

    def wanted(text: str) -> bool:
        good = _GOOD.search(text) is not None
        probed = path is not None and path.search(text) is not None and (good or re.search(r"\bGET\b", text))
        if not probed and PROBES.search(text) is None:
            return True
        return _WORDS.search(text) is not None or (not good and _BAD.search(text) is not None)

    return wanted
