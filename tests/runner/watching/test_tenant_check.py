"""The watch asks each tenant's app, names and keys; it restarts what does not answer, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest

from launchpad.runner import booting, paths
from launchpad.runner.account import Account, Finding, done_by_watch
from launchpad.runner.facts import Fact, Grade, Layer
from launchpad.runner.host import CommandOutput
from launchpad.runner.protocol import Action, Probe, Release, release_as_json
from launchpad.runner.verbs.submit import submit
from launchpad.runner.view import ContainerLine, SiteAnswer
from launchpad.runner.watching.app_answer import STATES, app_facts
from launchpad.runner.watching.restarting import LEAST_MISSES, LEAST_SECONDS, PAUSES, is_to_restart
from launchpad.runner.watching.tenant_check import CHECK_SECONDS, NAME, TenantCheck
from tests.memory.host import stamp
from tests.memory.releases import deploy_body, release
from tests.runner.verbs.view import CALLER, MemoryView, deployed, record_of, reopened
from tests.runner.watching.test_certificate_check import have

DOMAIN = "alice.example.com"
CHECK = Action("check", "web", ("check",), 10)
WORKS = {"layer": "provider", "name": "anthropic", "secret": "ANTHROPIC_API_KEY", "state": "works"}
CHANNEL = Probe("channel", "web", 8080, "/readyz")


@dataclass
class Watched:
    """A host with tenants, and the check at work on it. `seen` are the facts of each look, with the time."""

    host: MemoryView
    check: TenantCheck = field(init=False)
    found: list[Finding] = field(default_factory=list)
    seen: list[tuple[float, list[Fact]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.check = TenantCheck(self.host, Account(self.host, (NAME,)))

    def look(self) -> None:
        self.found = list(self.check.look())
        self.seen.append((self.host.now(), list(self.check.health)))

    def go_on(self, seconds: float) -> None:
        end = self.host.now() + seconds
        while self.host.now() < end:
            self.look()
            self.host.wait(self.check.every)

    def until(self, true: Callable[[], bool], *, seconds: float) -> float:
        """Watch until it is true; how long that took."""
        begun = self.host.now()
        while not true():
            assert self.host.now() - begun < seconds
            self.look()
            self.host.wait(self.check.every)
        return self.host.now() - begun

    def fact(self, layer: Layer, tenant: str = "alice") -> Fact | None:
        """The worst of the layer."""
        mine = [fact for fact in self.check.health if (fact.layer, fact.tenant) == (layer, tenant)]
        return max(mine, key=lambda fact: list(Grade).index(fact.grade), default=None)

    def grade(self, layer: Layer, tenant: str = "alice") -> Grade | None:
        found = self.fact(layer, tenant)
        return found.grade if found else None

    def restarts(self) -> list[str]:
        return [item.message for item in done_by_watch(self.host)]


def offering(*, probes: tuple[Probe, ...] = (), actions: tuple[Action, ...] = ()) -> MemoryView:
    """A host with alice, whose app has these probes and actions too."""
    made, files = release(domains=(DOMAIN,))
    made = made.but(probes=(*made.probes, *probes), actions=(*made.actions, *actions))
    return placed(made, files)


def placed(made: Release, files: dict[str, str]) -> MemoryView:
    from launchpad.runner import engine

    host = MemoryView()
    host.registry |= {service.image for service in made.services}
    list(submit(host, deploy_body("operation-of-alice", (made, files)), CALLER))
    engine.carry_out(host, host.begun[-1])
    assert release_as_json(made)
    return host


def settled(host: MemoryView | None = None) -> Watched:
    """Watched for a minute, and well."""
    host = host or deployed()
    have(host, host.now() - 86_400)
    watched = Watched(host)
    watched.go_on(90)
    assert watched.grade(Layer.ready) is Grade.ok, watched.check.health
    assert watched.grade(Layer.edge) is Grade.ok
    assert watched.found == [] and watched.restarts() == []
    return watched


def two() -> Watched:
    """Beside bob."""
    return settled(deployed(tenant="bob", slot=8, host=deployed()))


# --- ready, and what is restarted


def test_every_tenant_is_asked_at_least_every_twenty_seconds_and_not_all_at_once() -> None:
    watched = two()
    watched.host.asked.clear()
    times: dict[str, list[float]] = {}
    for _ in range(60):
        before = len(watched.host.asked)
        watched.look()
        for question in watched.host.asked[before:]:
            if "/startupz" in question and not question.startswith("https"):
                times.setdefault(question, []).append(watched.host.now())
        watched.host.wait(watched.check.every)
    assert len(times) == 2
    for asked in times.values():
        gaps = [later - sooner for sooner, later in pairwise(asked)]
        assert min(gaps) >= 10 and max(gaps) <= 20
    first, second = times.values()
    assert first[0] != second[0]


def test_an_app_that_hangs_is_seen_within_a_minute_and_restarted_within_three_and_its_neighbour_is_not_touched() -> (
    None
):
    watched = two()
    others = {name: box.started_at for name, box in watched.host.boxes.items() if box.tenant == "bob"}
    watched.host.hung.add("alice")
    assert watched.until(lambda: watched.grade(Layer.ready) is Grade.critical, seconds=60) < 45
    found = watched.fact(Layer.ready)
    assert found and found.message == "web:8080/startupz does not answer"
    assert watched.found == [], "`status` asks the app itself"
    assert watched.grade(Layer.ready, "bob") is Grade.ok
    took = watched.until(lambda: watched.grade(Layer.ready) is Grade.ok, seconds=150)
    assert took >= LEAST_SECONDS - 30
    (told,) = watched.restarts()
    assert told.startswith("web:8080/startupz does not answer for ") and told.endswith("the watch restarted it")
    assert {name: box.started_at for name, box in watched.host.boxes.items() if box.tenant == "bob"} == others
    assert "tenant-alice" not in watched.host.locks


def test_one_miss_is_no_more_than_a_warning() -> None:
    watched = settled()
    watched.host.hung.add("alice")
    watched.until(lambda: watched.grade(Layer.ready) is not Grade.ok, seconds=30)
    assert watched.grade(Layer.ready) is Grade.warning and watched.found == []
    watched.host.hung.clear()
    watched.go_on(10)
    assert watched.grade(Layer.ready) is Grade.ok


@pytest.mark.parametrize(
    "who", ["an operation holds it", "an operation was left open", "stopped", "a boot", "a breaker"]
)
def test_a_tenant_that_somebody_else_has_is_neither_judged_nor_restarted(who: str) -> None:
    watched = settled()
    host = watched.host
    if who == "an operation holds it":
        host.locks["tenant-alice"] = {"who": "bob", "operation": "op-1"}
    elif who == "an operation was left open":
        reopened(host)
    elif who == "a boot":
        host.remove(booting.OVER)
        host.write(booting.BOOTS, b"")
    elif who == "a breaker":
        host.write(f"{paths.tenant('alice')}/breaker.json", b'{"reason": "died"}')
    else:
        host.write(paths.record("alice"), json.dumps(record_of(host) | {"running": False}).encode())
    host.hung.add("alice")
    starts = {box.started_at for box in host.boxes.values()}
    watched.go_on(300)
    assert watched.check.health == [] and watched.restarts() == []
    assert {box.started_at for box in host.boxes.values()} == starts


def test_an_operation_that_begins_meanwhile_comes_first() -> None:
    watched = settled()
    watched.host.hung.add("alice")
    watched.until(lambda: watched.grade(Layer.ready) is Grade.critical, seconds=60)
    watched.host.locks["tenant-alice"] = {"who": "bob", "operation": "op-1"}
    watched.go_on(120)
    assert watched.restarts() == []
    del watched.host.locks["tenant-alice"]
    watched.go_on(30)
    assert watched.restarts() == [], "its misses are counted anew"
    watched.go_on(90)
    assert len(watched.restarts()) == 1


def test_an_app_that_starts_is_let_start_as_long_as_it_may() -> None:
    host = deployed()
    image = next(box.image for box in host.boxes.values() if box.service == "web")
    host.behaviours[image] = "never"
    host.stop("lp-alice-a", 1)
    host.start("lp-alice-a")
    begun = host.now()
    have(host, host.now() - 86_400)
    host.edge[DOMAIN] = SiteAnswer(503)
    watched = Watched(host)
    watched.go_on(15)
    assert watched.grade(Layer.ready) is Grade.warning
    assert watched.grade(Layer.edge) is None, "nobody is asked through Caddy yet"
    assert watched.fact(Layer.ready).message == "starts; web:8080/startupz answers 503"  # type: ignore[union-attr]
    watched.until(lambda: bool(watched.restarts()), seconds=120)
    assert host.now() - begun >= 20 + LEAST_SECONDS


def test_one_that_answered_since_its_start_is_starting_no_more() -> None:
    host = deployed()
    host.stop("lp-alice-a", 1)
    host.start("lp-alice-a")
    host.wait(2)
    watched = Watched(host)
    watched.go_on(8)
    assert watched.grade(Layer.ready) is Grade.ok
    host.hung.add("alice")
    watched.until(lambda: watched.grade(Layer.ready) is Grade.critical, seconds=45)


def test_a_process_that_died_is_somebody_elses() -> None:
    watched = settled()
    watched.host.dies("lp-alice-a-web-1")
    watched.go_on(200)
    assert watched.check.health == [] and watched.restarts() == []


def test_nobody_is_restarted_while_the_bridges_are_down() -> None:
    watched = settled()
    watched.host.write(paths.CUT_OFF, b"[]")
    watched.host.hung.add("alice")
    watched.go_on(200)
    assert watched.grade(Layer.ready) is Grade.critical and watched.restarts() == []


def test_an_app_that_hangs_again_and_again_is_restarted_less_often_and_then_left() -> None:
    watched = settled()
    watched.host.heals = False
    watched.host.hung.add("alice")
    watched.go_on(2.5 * 3600)
    assert len(watched.restarts()) == len(PAUSES) + 1


@pytest.mark.parametrize(
    ("misses", "seconds", "restarts", "restart"),
    [
        (LEAST_MISSES, LEAST_SECONDS, (), True),
        (LEAST_MISSES - 1, 500, (), False),
        (50, LEAST_SECONDS - 1, (), False),
        (9, 90, (10_000 - PAUSES[0] + 1,), False),
        (9, 90, (10_000 - PAUSES[0],), True),
        (9, 90, (9000 - PAUSES[1], 10_000 - PAUSES[1] + 1), False),
        (9, 90, tuple(9000.0 + number for number in range(len(PAUSES) + 1)), False),
        (9, 90, (10_000.0 - 4 * 3600,) * 9, True),
    ],
)
def test_when_to_restart(misses: int, seconds: float, restarts: tuple[float, ...], restart: bool) -> None:
    assert is_to_restart(misses=misses, seconds=seconds, restarts=restarts, now=10_000) is restart


def test_a_fact_has_the_time_of_its_own_look() -> None:
    watched = settled()
    before = {fact.subject: fact.at for fact in watched.check.health}
    assert set(before) == {"ready", DOMAIN} and min(before.values()) > watched.host.now() - 60
    watched.check._see = lambda case: None  # type: ignore[method-assign]  # whoever asks hangs
    watched.go_on(60)
    assert {fact.subject: fact.at for fact in watched.check.health} == before


def test_whatever_goes_wrong_with_one_tenant_the_others_are_asked() -> None:
    watched = two()
    ask = watched.host.get

    def breaks(address: Any, port: int, path: str, *, seconds: float) -> int:
        if str(address) in {box.address for box in watched.host.boxes.values() if box.tenant == "alice"}:
            raise ZeroDivisionError
        return ask(address, port, path, seconds=seconds)

    watched.host.get = breaks  # type: ignore[method-assign]
    watched.go_on(60)
    assert watched.grade(Layer.ready) is None and watched.grade(Layer.ready, "bob") is Grade.ok


# --- edge


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (SiteAnswer(403), f"{DOMAIN} answers 403 through Caddy"),
        (SiteAnswer(502), f"{DOMAIN} answers 502 through Caddy"),
        (SiteAnswer(0, "Caddy ends the TLS handshake"), f"{DOMAIN} does not answer: Caddy ends the TLS handshake"),
    ],
)
def test_a_name_that_does_not_answer_through_caddy_is_the_edge_s_and_nobody_s_restart(
    answer: SiteAnswer, words: str
) -> None:
    watched = settled()
    watched.host.edge[DOMAIN] = answer
    assert watched.until(lambda: watched.grade(Layer.edge) is Grade.critical, seconds=60) < 60
    (found,) = watched.found
    assert (found.message, found.hint) == (words, "launchpad logs alice --edge")
    assert watched.grade(Layer.ready) is Grade.ok
    watched.go_on(200)
    assert watched.restarts() == []
    watched.host.edge.clear()
    assert watched.until(lambda: watched.grade(Layer.edge) is Grade.ok, seconds=30) < 30


def test_a_name_that_caddy_does_not_serve_is_the_edge_s() -> None:
    watched = settled()
    watched.host.sites.clear()
    watched.until(lambda: watched.grade(Layer.edge) is Grade.critical, seconds=60)
    assert [(item.message, item.hint) for item in watched.found] == [
        (f"Caddy does not serve {DOMAIN}", "launchpad deploy alice")
    ]


def test_caddy_is_asked_for_all_that_it_serves_a_few_times_a_minute_and_at_once_for_a_new_name() -> None:
    watched = settled(deployed())
    asked: list[float] = []
    whole = watched.host.running_sites

    def counted() -> Any:
        asked.append(watched.host.now())
        return whole()

    watched.host.running_sites = counted  # type: ignore[method-assign]
    watched.go_on(10)
    deployed(tenant="bob", slot=8, host=watched.host)
    have(watched.host, watched.host.now() - 86_400, domain="bob.example.com")
    watched.until(lambda: watched.grade(Layer.edge, "bob") is Grade.ok, seconds=60)
    watched.go_on(120)
    assert len(asked) <= 10 and watched.grade(Layer.edge, "bob") is Grade.ok


def test_the_name_is_asked_for_what_the_app_says_that_it_answers() -> None:
    watched = settled()
    assert f"https://{DOMAIN}/startupz" in watched.host.asked
    minutes = [question for question in watched.host.asked if question.startswith("https")]
    assert 2 <= len(minutes) <= 4, "it is asked every 40 s or so"


def test_an_app_that_hangs_is_not_the_edge_s_trouble_too() -> None:
    watched = settled()
    watched.host.hung.add("alice")
    watched.host.edge[DOMAIN] = SiteAnswer(502)
    watched.until(lambda: watched.grade(Layer.ready) is Grade.critical, seconds=60)
    assert watched.grade(Layer.edge) is None


def test_a_caddy_that_stops_as_it_is_asked_is_not_a_name_s_trouble() -> None:
    watched = settled()

    def stops(name: str, path: str, *, seconds: float) -> SiteAnswer:
        watched.host.caddy_down = True
        return SiteAnswer(0, "Connection refused")

    watched.host.ask_site = stops  # type: ignore[method-assign]
    for _ in range(60):
        watched.look()
        assert watched.grade(Layer.edge) is Grade.ok, "others find that Caddy does not answer"
        watched.host.wait(watched.check.every)
    assert watched.host.caddy_down


# --- provider and channel


def saying(watched: Watched, *checks: dict[str, Any], code: int = 0) -> None:
    """What the app's check prints from now on."""
    watched.host.answers[("check",)] = CommandOutput(code, json.dumps({"checks": checks}) + "\n", "")


def runs(watched: Watched) -> int:
    return sum(argv == ("check",) for _, argv, _ in watched.host.executed)


def checked() -> Watched:
    """A tenant whose app checks its keys, and whose key works."""
    host = offering(actions=(CHECK,))
    host.answers[("check",)] = CommandOutput(0, json.dumps({"checks": [WORKS]}), "")
    watched = settled(host)
    assert watched.grade(Layer.provider) is Grade.ok
    assert watched.fact(Layer.provider).message == "anthropic accepts the key"  # type: ignore[union-attr]
    return watched


def test_the_app_s_own_check_runs_every_quarter_of_an_hour_and_a_refused_key_restarts_nobody() -> None:
    watched = checked()
    assert runs(watched) == 1
    saying(watched, WORKS | {"state": "refused"}, code=1)
    took = watched.until(lambda: watched.grade(Layer.provider) is Grade.warning, seconds=1.2 * CHECK_SECONDS)
    assert took > 0.7 * CHECK_SECONDS
    fact = watched.fact(Layer.provider)
    assert fact and fact.message == "anthropic refuses the key: it was revoked, or is mistyped"
    assert (fact.hint, fact.subject) == ("launchpad secret set alice ANTHROPIC_API_KEY", "anthropic")
    watched.go_on(3600)
    assert watched.found == [] and watched.restarts() == []
    assert 5 <= runs(watched) <= 7


@pytest.mark.parametrize(
    "line",
    ["provider answered 401", "HTTP 401: authentication failed", "invalid x-api-key", '{"error":"Unauthorized"}'],
)
def test_a_refusal_in_the_app_s_log_has_the_check_run_within_a_minute(line: str) -> None:
    watched = checked()
    saying(watched, WORKS | {"state": "refused"})
    container = "lp-alice-a-web-1"
    watched.host.written[container] = [ContainerLine(stamp(watched.host.now()), line)]
    assert watched.until(lambda: watched.grade(Layer.provider) is Grade.warning, seconds=60) < 60


@pytest.mark.parametrize("later", range(0, 60, 7))
def test_so_does_a_refusal_soon_after_a_check_that_found_the_key_good(later: int) -> None:
    host = offering(actions=(CHECK,))
    host.answers[("check",)] = CommandOutput(0, json.dumps({"checks": [WORKS]}), "")
    watched = Watched(host)
    watched.until(lambda: watched.grade(Layer.provider) is Grade.ok, seconds=120)
    if later:
        watched.go_on(later)
    saying(watched, WORKS | {"state": "refused"})
    watched.host.written["lp-alice-a-web-1"] = [ContainerLine(stamp(watched.host.now()), "provider answered 401")]
    assert watched.until(lambda: watched.grade(Layer.provider) is Grade.warning, seconds=60) <= 50


@pytest.mark.parametrize(
    "line", ["409: Conflict: terminated by other getUpdates request", "[telegram] getUpdates conflict; retrying in 30s"]
)
def test_a_bot_that_another_program_uses_has_the_check_run_within_a_minute(line: str) -> None:
    watched = checked()
    bot = {"layer": "channel", "name": "telegram", "secret": "TELEGRAM_BOT_TOKEN", "state": "taken"}
    saying(watched, WORKS, bot)
    watched.host.written["lp-alice-a-web-1"] = [ContainerLine(stamp(watched.host.now()), line)]
    assert watched.until(lambda: watched.grade(Layer.channel) is Grade.warning, seconds=60) < 60
    assert watched.grade(Layer.provider) is Grade.ok


def test_a_log_full_of_refusals_has_it_run_at_most_once_a_minute() -> None:
    watched = checked()
    saying(watched, WORKS | {"state": "refused"})
    before = runs(watched)
    for _ in range(40):
        watched.host.written.setdefault("lp-alice-a-web-1", []).append(ContainerLine(stamp(watched.host.now()), "401"))
        watched.go_on(15)
    assert 7 <= runs(watched) - before <= 11


def test_the_probe_of_a_channel_that_does_not_hold_is_a_warning_and_restarts_nobody() -> None:
    watched = settled(offering(probes=(CHANNEL,)))
    assert watched.grade(Layer.channel) is Grade.ok
    answers = watched.host.get

    def down(address: Any, port: int, path: str, *, seconds: float) -> int:
        return 503 if path == "/readyz" else answers(address, port, path, seconds=seconds)

    watched.host.get = down  # type: ignore[method-assign]
    watched.go_on(300)
    assert watched.grade(Layer.channel) is Grade.warning
    assert watched.fact(Layer.channel).message == "web:8080/readyz answers 503"  # type: ignore[union-attr]
    assert watched.grade(Layer.ready) is Grade.ok and watched.found == [] and watched.restarts() == []


def test_a_check_that_cannot_run_is_unknown() -> None:
    watched = checked()
    watched.host.answers[("check",)] = CommandOutput(0, "{segmentation fault", "")
    watched.go_on(1.2 * CHECK_SECONDS)
    assert watched.grade(Layer.provider) is Grade.unknown


@pytest.mark.parametrize(
    ("used", "limit", "runs_it"),
    [(900, 1024, False), (900, 2048, True), (25, 90, True), (25, 77, False), (25, 38, False), (0, 0, True)],
)
def test_no_check_runs_where_the_app_itself_would_have_to_pay_with_its_memory(
    used: int, limit: int, runs_it: bool
) -> None:
    watched = checked()
    watched.host.used["lp-alice-a-web-1"] = used << 20, limit << 20
    before = runs(watched)
    watched.go_on(1.2 * CHECK_SECONDS)
    assert (runs(watched) > before) is runs_it
    fact = watched.fact(Layer.provider)
    assert fact and fact.grade is Grade.ok, "a small app is not ill for that"
    assert fact.message.startswith("not checked") is not runs_it


def test_a_check_that_is_killed_found_too_little_memory() -> None:
    watched = checked()
    watched.host.answers[("check",)] = CommandOutput(137, "", "")
    watched.go_on(1.2 * CHECK_SECONDS)
    fact = watched.fact(Layer.provider)
    assert fact and fact.grade is Grade.ok and fact.message.startswith("not checked: too little memory")


@pytest.mark.parametrize("state", STATES)
def test_what_an_app_says_of_its_keys_is_a_fact(state: str) -> None:
    text = "a line of node's\n" + json.dumps({"checks": [WORKS | {"state": state}]})
    (found,) = app_facts(1, text, tenant="alice")
    assert found.layer is Layer.provider and "anthropic" in found.message
    assert found.grade is (Grade.ok if state == "works" else Grade.warning)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "{}",
        '{"checks": 3}',
        '{"checks": [3]}',
        *(
            json.dumps({"checks": [WORKS | wrong]})
            for wrong in (
                {"state": "splendid"},
                {"state": None},
                {"layer": "disk"},
                {"layer": "mood"},
                {"name": "x\nlaunchpad retire alice"},
                {"name": 3},
                {"secret": "ANTHROPIC_API_KEY; rm"},
            )
        ),
    ],
)
def test_what_an_app_may_not_say_is_unknown(text: str) -> None:
    (found,) = app_facts(0, text, tenant="alice")
    assert found.grade is Grade.unknown
    assert found.message == "its own check prints what cannot be understood"


@pytest.mark.parametrize(("code", "grade"), [(0, Grade.ok), (3, Grade.warning)])
@pytest.mark.parametrize("text", ["", "all is well\n", "null"])
def test_an_app_whose_check_prints_no_json_answers_with_its_exit_status(code: int, grade: Grade, text: str) -> None:
    (found,) = app_facts(code, text, tenant="alice")
    assert found.grade is grade
    assert (found.hint == "launchpad act alice check") is bool(code)
