"""A stolen operator's key: every attempt is refused by the host, with the client's own checks out of the way."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from launchpad.runner.judge.manifest import judge_release
from launchpad.runner.judge.resolved_project import judge_compose
from launchpad.runner.judge.site import judge_site
from launchpad.runner.protocol import Refused, Release, release_from_json
from tests.render.example import rendered
from tests.render.tools import adapt, compose_command, resolve
from tests.runner.judge.attacks import NEIGHBOURS, attacks
from tests.runner.judge.forgery import Attack, Forgery

ATTACKS = attacks()


def judge_text(release: Release, files: dict[str, str]) -> None:
    judge_release(release, files, neighbours=NEIGHBOURS)


def judge_resolved(release: Release, files: dict[str, str]) -> None:
    judge_compose(resolve(files["compose.yaml"], release, "a"), release, side="a")


def judge_adapted(release: Release, files: dict[str, str]) -> None:
    judge_site(adapt(files["site.caddy"]), release)


LAYERS: dict[str, Callable[[Release, dict[str, str]], None]] = {
    "release": judge_text,
    "compose": judge_resolved,
    "site": judge_adapted,
}


def marks(layer: str) -> list[pytest.MarkDecorator]:
    absent = pytest.mark.skipif(compose_command() is None, reason="Compose 2 is not here; set LAUNCHPAD_COMPOSE")
    return {"release": [], "site": [pytest.mark.programs], "compose": [pytest.mark.programs, absent]}[layer]


def sent(attack: Attack) -> tuple[Release, dict[str, str]]:
    """What the host gets, through the wire's own form."""
    forgery = Forgery.of(rendered("alice"))
    attack.forge(forgery)
    release, files = forgery.finished()
    return release_from_json(json.loads(json.dumps(release))), files


def cases(*, first: bool) -> list[Any]:
    return [
        pytest.param(attack, layer, id=f"{attack.name} ({layer})", marks=marks(layer))
        for attack in ATTACKS
        for layer in (attack.layers[:1] if first else attack.layers[1:])
    ]


@pytest.mark.parametrize(("attack", "layer"), cases(first=True))
def test_is_refused_and_told_where(attack: Attack, layer: str) -> None:
    release, files = sent(attack)
    with pytest.raises(Refused) as refused:
        LAYERS[layer](release, files)
    assert attack.says in refused.value.message


@pytest.mark.parametrize(("attack", "layer"), cases(first=False))
def test_is_refused_by_the_next_layer_too(attack: Attack, layer: str) -> None:
    release, files = sent(attack)
    with pytest.raises(Refused):
        LAYERS[layer](release, files)


@pytest.mark.parametrize("tenant", ["alice", "bea"])
@pytest.mark.parametrize("layer", [pytest.param(name, marks=marks(name)) for name in LAYERS])
def test_the_untouched_release_is_accepted(tenant: str, layer: str) -> None:
    release, files = Forgery.of(rendered(tenant)).finished()
    LAYERS[layer](release_from_json(json.loads(json.dumps(release))), files)


def test_there_are_enough_and_each_has_its_name() -> None:
    names = [attack.name for attack in ATTACKS]
    assert len(names) == len(set(names)) >= 30
