"""scripts/evidence: measure a topic's figures, compare them with the goals, and write the table into docs/evidence.md,
or docs/evidence-TOPIC.md for a later topic.

The goals are in scripts/goals.toml. Each measurement appends a line {"figure", "value", "n", "detail", "commit"} to the
file in LAUNCHPAD_EVIDENCE, through `measurement.record` or the tests' fixture `measured`. A figure with several
measurements has the worst value and the sum of their n. A figure that was measured less often than its goal requires
falls short. Figures of other topics are ignored. Figures may be measured at different commits; the table has each
figure's commit. `measurement.tabulate` adds a row {"table", "row", "commit"} to a further table, whose title is under
the topic's `tables`. The exit code is 1 when a figure falls short.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
FIRST_TOPIC = "foundation"


@dataclass(frozen=True)
class Row:
    """One figure of the table."""

    figure: str
    text: str
    goal: str
    measured: str
    n: int
    by: str
    verdict: str
    commits: tuple[str, ...]


def record(figure: str, value: float, *, n: int = 1, detail: str = "") -> None:
    """Add a measurement to the evidence that is being taken, if any."""
    _append({"figure": figure, "value": value, "n": n, "detail": detail})


def tabulate(table: str, row: dict[str, str]) -> None:
    """Add a row, column → text, to one of the topic's further tables, if evidence is being taken."""
    _append({"table": table, "row": row})


def _append(line: dict[str, Any]) -> None:
    if path := os.environ.get("LAUNCHPAD_EVIDENCE"):
        with Path(path).open("a") as file:
            file.write(json.dumps(line | {"commit": commit()}) + "\n")


@cache
def commit() -> str:
    """The checked-out commit, with a + for uncommitted changes."""
    dirty = git("status", "--porcelain", "--", ".", ":!docs/evidence*.md")
    return git("rev-parse", "HEAD")[:12] + ("+" if dirty else "")


def goals() -> dict[str, Any]:
    with (PROJECT / "scripts/goals.toml").open("rb") as file:
        return tomllib.load(file)


def rows(figures: dict[str, Any], raw: Iterable[dict[str, Any]]) -> list[Row]:
    """The table: every figure that has a goal, measured or not."""
    measured: dict[str, list[dict[str, Any]]] = {}
    for item in raw:
        if "figure" in item:
            measured.setdefault(item["figure"], []).append(item)
    unknown = set(measured) - {name for topic in goals().values() for name in topic["figures"]}
    if unknown:
        raise SystemExit(f"error: figures without a goal: {', '.join(sorted(unknown))}; add them to scripts/goals.toml")
    return [row(name, goal, measured.get(name, [])) for name, goal in figures.items()]


def row(name: str, goal: dict[str, Any], items: list[dict[str, Any]]) -> Row:
    wanted = " and ".join(
        text for key, text in (("least", f"≥ {goal.get('least')}"), ("most", f"≤ {goal.get('most')}")) if key in goal
    )
    n = sum(item["n"] for item in items)
    if not items:
        return Row(name, goal["text"], wanted, "not measured", 0, goal["by"], "falls short", ())
    values = [item["value"] for item in items]
    worst = min(values) if "least" in goal and "most" not in goal else max(values)
    inside = all(goal.get("least", value) <= value <= goal.get("most", value) for value in values)
    verdict = "falls short" if not inside or n < goal["n"] else "holds" if wanted else "printed"
    shown = f"{worst:g} {goal['unit']}".strip() if isinstance(worst, int) else f"{worst:.3g} {goal['unit']}".strip()
    commits = tuple(dict.fromkeys(item["commit"] for item in items))
    return Row(name, goal["text"], wanted, shown, n, goal["by"], verdict, commits)


def tables(titles: dict[str, str], raw: Iterable[dict[str, Any]]) -> list[str]:
    """The topic's further tables as Markdown, each row with its commit."""
    found: dict[str, list[dict[str, str]]] = {name: [] for name in titles}
    for item in raw:
        if item.get("table") in found:
            found[item["table"]].append(item["row"] | {"at commit": item["commit"]})
    lines: list[str] = []
    for name, items in found.items():
        if items:
            columns = list(dict.fromkeys(column for item in items for column in item))
            lines += ["", f"## {titles[name]}", "", _line(columns), _line(["---"] * len(columns))]
            lines += [_line([item.get(column, "") for column in columns]) for item in items]
    return lines


def beside_before(topic: dict[str, Any], table: Iterable[Row]) -> list[str]:
    """The figures whose goals have a value `before`, beside it, as Markdown; nothing for a topic without one."""
    before = {name: goal["before"] for name, goal in topic["figures"].items() if "before" in goal}
    lines = [_line((item.text, f"{before[item.figure]}", item.measured)) for item in table if item.figure in before]
    head = ["", "## Before and now", "", f"Before: at {topic.get('before', '')[:12]}.", ""]
    return [*head, _line(("figure", "before", "now")), _line(["---"] * 3), *lines] if lines else []


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def document(topic: str, table: list[Row], seed: int, more: Iterable[str] = ()) -> str:
    """The document as Markdown, with the commits and the machine of the measurements."""
    commits = sorted({name for item in table for name in item.commits})
    clean = "with uncommitted changes (+)" if any(name.endswith("+") for name in commits) else "clean tree"
    when = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")
    lines = [
        f"# Evidence: {topic}",
        "",
        f"Measured on {when} at {', '.join(commits)} ({clean}), seed {seed}, on {platform.system()}",
        f"{platform.release()}, {os.cpu_count()} CPUs, {memory_gb()} GB, Python {platform.python_version()}.",
        f"Made by `scripts/evidence {topic}`; the goals stand in `scripts/goals.toml`.",
        "",
        "| figure | goal | measured | n | by | at commit | |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {r.text} | {r.goal} | {r.measured} | {r.n} | `{r.by}` | {', '.join(r.commits)} | {r.verdict} |"
        for r in table
    ]
    return "\n".join([*lines, "", summary(table), *more, ""])


def summary(table: list[Row]) -> str:
    with_goal = [item for item in table if item.verdict != "printed"]
    return f"{sum(item.verdict == 'holds' for item in with_goal)} of {len(with_goal)} figures hold"


def git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=PROJECT, capture_output=True, text=True, check=False).stdout.strip()


def memory_gb() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3)


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/evidence", description=__doc__)
    parser.add_argument("topic", choices=sorted(goals()))
    parser.add_argument("--only", default="", help="run only the commands that contain this text")
    parser.add_argument("--raw", type=Path, help="make the table from these raw results, run nothing")
    parser.add_argument("--seed", type=int, default=20260901, help="the seed of random choices")
    options = parser.parse_args()
    topic = goals()[options.topic]
    raw = options.raw or Path(tempfile.mkdtemp(prefix="launchpad-evidence-")) / "raw.jsonl"
    raw.touch()
    if not options.raw:
        environment = os.environ | {"LAUNCHPAD_EVIDENCE": str(raw), "LAUNCHPAD_SEED": str(options.seed)}
        for command in topic["run"]:
            if options.only in command:
                print(f"evidence: {command}", flush=True)
                subprocess.run(["bash", "-c", command], cwd=PROJECT, env=environment, check=False)
    results = [json.loads(line) for line in raw.read_text().splitlines()]
    table = rows(topic["figures"], results)
    more = [*tables(topic.get("tables", {}), results), *beside_before(topic, table)]
    for item in table:
        print(f"{item.verdict:<11}  {item.measured:>20}  {item.goal:<14}  n={item.n:<5} {item.text}")
    print("\n".join(more))
    print(f"raw results: {raw}")
    print(summary(table))
    if not options.only:
        path = PROJECT / "docs" / ("evidence.md" if options.topic == FIRST_TOPIC else f"evidence-{options.topic}.md")
        path.parent.mkdir(exist_ok=True)
        path.write_text(document(options.topic, table, options.seed, more))
    return 1 if any(item.verdict == "falls short" for item in table) else 0


if __name__ == "__main__":
    sys.exit(main())
