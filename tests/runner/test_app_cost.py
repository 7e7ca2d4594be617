"""What an app says of its costs is judged, kept by day, and never trusted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from launchpad.runner import paths
from launchpad.runner.app_cost import (
    KEPT_DAYS,
    MOST_COST,
    MOST_DAYS,
    MOST_TOKENS,
    costs_of,
    days_of,
    keep_costs,
    learned,
)
from launchpad.runner.protocol import Refused
from launchpad.runner.verbs.costs import costs
from launchpad.runner.wire.cost_bodies import AppCosts, DayCost
from tests.memory.host import MemoryHost
from tests.runner.verbs.view import CALLER, answer

DAY = {"date": "2026-12-01", "cost": 0.33, "tokens": 102_000, "unpriced": 1}
COST = DayCost(cost_usd=0.33, tokens=102_000, unpriced=1)


def printed(*days: Any, complete: Any = True) -> str:
    return "a line of the program's\n" + json.dumps({"complete": complete, "days": list(days)}) + "\n"


def test_the_documented_answer_is_understood() -> None:
    assert days_of(printed(DAY, DAY | {"date": "2026-12-02", "cost": 2})) == {
        "2026-12-01": COST,
        "2026-12-02": DayCost(cost_usd=2.0, tokens=102_000, unpriced=1),
    }
    assert days_of(printed()) == {}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        "[]",
        "{}",
        "null",
        '{"complete": true, "days": 3}',
        '{"complete": true, "days": [3]}',
        "[" * 100_000,
        printed(DAY, complete=False),
        printed(DAY, complete="yes"),
        printed(DAY, DAY),
        printed(*[DAY | {"date": f"2026-{m:02}-{d:02}"} for m in (1, 3, 5) for d in range(1, 32)][: MOST_DAYS + 1]),
        printed(DAY | {"more": 1}),
        printed({key: value for key, value in DAY.items() if key != "cost"}),
        *(printed(DAY | {"date": date}) for date in ("2026-12", "2026-13-01", "\u001b[2J", 20261201, None)),
        *(
            printed(DAY | {"cost": cost})
            for cost in (-1, float("nan"), float("inf"), 2 * MOST_COST, "1", None, True, 10**400)
        ),
        *(printed(DAY | {"tokens": tokens}) for tokens in (-1, 1.5, 2 * MOST_TOKENS, "1", None, True)),
        printed(DAY | {"unpriced": -1}),
    ],
)
def test_anything_else_is_no_answer(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(still adds up|prints )"):
        days_of(text)


def test_a_later_answer_corrects_a_day_and_a_day_without_use_removes_nothing() -> None:
    before = learned(AppCosts(problem="ended"), {"2026-12-01": COST}, at=5.0)
    assert before == AppCosts(asked=5.0, days={"2026-12-01": COST})
    nothing = DayCost(cost_usd=0.0, tokens=0, unpriced=0)
    after = learned(before, {"2026-12-01": nothing, "2026-12-02": nothing}, at=6.0)
    assert (after.asked, after.days) == (6.0, before.days)
    more = COST.but(tokens=200_000)
    assert learned(after, {"2026-12-01": more}, at=7.0).days == {"2026-12-01": more}


def test_more_than_a_year_is_kept_and_no_more() -> None:
    days = {
        f"20{year}-{month:02}-{day:02}": COST for year in (24, 25) for month in range(1, 13) for day in range(1, 29)
    }
    kept = learned(AppCosts(), days, at=1.0).days
    assert len(kept) == KEPT_DAYS and max(kept) == "2025-12-28" and min(kept) > "2024-01-01"


def test_the_reply_has_the_month_of_each_tenant_that_is_asked_for() -> None:
    host = MemoryHost()
    days = {"2026-11-30": COST, "2026-12-01": COST}
    for tenant in ("alice", "bob"):
        keep_costs(host, tenant, AppCosts(asked=9.0, problem="ends with exit status 2", days=days))
    assert costs_of(host, "alice").days == days
    said = answer(costs(host, {"month": "2026-12", "tenants": ["alice"]}, CALLER))
    about = {"asked": 9.0, "problem": "ends with exit status 2", "days": {"2026-12-01": COST.plain()}}
    assert said == {"tenants": [{"tenant": "alice", "costs": about}]}
    assert len(answer(costs(host, {"month": "2026-12"}, CALLER))["tenants"]) == 2
    with pytest.raises(Refused, match="is not a month"):
        list(costs(host, {"month": "2026"}, CALLER))


@pytest.mark.parametrize("damaged", [b"{", b"[]", b'{"asked": "yesterday"}', b'{"more": 1}'])
def test_a_damaged_file_counts_as_none(damaged: bytes) -> None:
    host = MemoryHost()
    host.write(f"{paths.APP_COSTS}/alice.json", damaged)
    assert costs_of(host, "alice") == AppCosts()
