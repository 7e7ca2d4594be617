"""Commands, keys and sizes within sentences, which must not be broken on a screen because people copy them."""

from __future__ import annotations

import re

GLUE = "\ue000"
"""Replaces a space at which no line may break. Other text never has this character, because it is not printable."""

_PROGRAM = (
    r"(?:[A-Z_]+=\S+ )?(?:launchpad|age|apt|curl|df|docker|getent|git|less|ls|mkdir|openssl|restic|rm|ssh|ssh-add"
    r"|ssh-keygen|tar)"
)
_WORD = r"(?:'[^']*'|\"[^\"]*\"|\S*[^\s,;.:)`])"
_PROSE = (
    r"(?:again|after|and|as|asks|at|begins|brings|by|comes|continues|finds|finishes|fixes|follows|for|from|gives|goes"
    r"|has|if|imports|in|into|is|lists|looks|makes|moves|names|on|once|or|prints|puts|removes|reports|resumes|restores"
    r"|says|sends|shows|signs|starts|takes|tells|the|then|to|tries|until|when|which|with|writes)"
)
"""Words that continue the sentence after a command."""
_COMMAND = re.compile(
    rf"(?P<before>^ *|(?<=[:;,] )|(?<=\bor )|(?<=\bthen )|(?<=[(`]))(?P<typed>{_PROGRAM}(?: (?!{_PROSE}\b){_WORD})+)",
    re.MULTILINE,
)
_QUANTITY = re.compile(r"(?<=\d min) (?=\d+ s\b)|(?<=\d) (?=(?:s|min|h|d|B|[KMGT]i?B)\b)|(?<=[KMGT]iB) of (?=\d)")
_KEY = re.compile(r"(?:ssh|ecdsa|sk)-\S+ AAAA\S+(?: \S+)?")


def glued(text: str) -> str:
    """The text with GLUE for the spaces of its commands, keys and sizes."""
    text = _COMMAND.sub(lambda found: found["before"] + found["typed"].replace(" ", GLUE), text)
    for kind in (_KEY, _QUANTITY):
        text = kind.sub(lambda found: found[0].replace(" ", GLUE), text)
    return text


def unglued(text: str) -> str:
    """The text with GLUE replaced by spaces."""
    return text.replace(GLUE, " ")


def apart(text: str) -> str:
    """The text with each command to type on a line of its own, if the sentence allows it: `next: launchpad check`
    becomes two lines."""
    return "\n".join(map(_apart, text.split("\n")))


def _apart(whole: str) -> str:
    line = whole.lstrip(" ")
    if line != whole and _COMMAND.fullmatch(line):
        return whole
    lines, done = list[str](), 0
    for found in _COMMAND.finditer(line):
        before, after = line[done : found.start("typed")], line[found.end() :]
        closed = before.endswith("(") and after.startswith(")")
        if before.endswith(("(", "`")) != closed or not re.match(r"$|[;,)]| or |: ", after):
            continue
        prose = before.strip(" (,;")
        lines += [prose, f"  {found['typed']}"] if prose else [f"  {found['typed']}"]
        done = found.end() + closed
    rest = line[done:].strip(" ,;") if lines else line
    indent = whole[: len(whole) - len(line)]
    return "\n".join(indent + text for text in ([*lines, rest] if rest else lines))
