"""From a tenant to a release: what is stable, what is missing, and what never gets in."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from launchpad.errors import InventoryError
from launchpad.render.release import render_release
from launchpad.render.templates import TemplateSource
from launchpad.render.values import values_of
from launchpad.runner.judge.manifest import judge_release
from launchpad.runner.protocol import digest_of, release_as_json, release_from_json
from tests.render.example import SECRETS, TEMPLATES, TEXTS, beacon_app, fleet_of, rendered

ALICE = "inventory/tenants/alice.yaml"


def alice(**lines: str) -> dict[str, str]:
    """The tenant's file with some lines written otherwise."""
    kept = [line for line in TEXTS[ALICE].splitlines() if line.split(":")[0] not in lines]
    return {ALICE: "\n".join([*kept, *(f"{key}: {value}" for key, value in lines.items() if value)])}


def test_the_same_inventory_gives_the_same_release() -> None:
    first, second = rendered("alice"), rendered("alice", fleet_of())
    assert first.release.digest == second.release.digest
    assert first.files == second.files


def test_the_manifest_names_each_file_by_its_bytes_and_survives_the_wire() -> None:
    result = rendered("alice")
    assert dict(result.release.files) == {path: digest_of(text.encode()) for path, text in result.files.items()}
    assert release_from_json(json.loads(json.dumps(release_as_json(result.release)))) == result.release


@pytest.mark.parametrize(
    "changes",
    [
        alice(version="2026.9.5")
        | {
            "inventory/apps/openclaw.yaml": TEXTS["inventory/apps/openclaw.yaml"]
            + " " * 2
            + f"2026.9.5: {{gateway: 'ghcr.io/openclaw/openclaw@sha256:{'3' * 64}'}}\n"
        },
        alice(tier="light"),
        alice(domains="[other.example.com]"),
        alice(variables="{model: openai/gpt-5}"),
        {"inventory/hosts.yaml": TEXTS["inventory/hosts.yaml"].replace("30s", "24h")},
    ],
    ids=["version", "tier", "domains", "variable", "host"],
)
def test_whatever_changes_changes_the_digest(changes: dict[str, str]) -> None:
    assert rendered("alice", fleet_of(changes)).release.digest != rendered("alice").release.digest


def test_a_note_changes_nothing() -> None:
    assert rendered("alice", fleet_of(alice(note="a good customer"))).release == rendered("alice").release


def test_a_secret_is_its_name_and_its_version_and_nothing_else() -> None:
    fleet = fleet_of()
    templates = TemplateSource(shipped=TEMPLATES)
    before = render_release(fleet, fleet.tenant("alice"), templates=templates, secrets=SECRETS["alice"])
    newer = {name: version + 1 for name, version in SECRETS["alice"].items()}
    after = render_release(fleet, fleet.tenant("alice"), templates=templates, secrets=newer)
    assert before.files == after.files
    assert before.release.digest != after.release.digest


def test_templates_see_only_plain_values() -> None:
    fleet = fleet_of()
    assert _types(values_of(fleet, fleet.tenant("alice"))) <= {str, int, float, bool, type(None)}


def _types(value: Any) -> set[type]:
    if isinstance(value, dict):
        return set().union(*(_types(item) for item in value.values()), *(_types(key) for key in value))
    if isinstance(value, (list, tuple)):
        return set().union(*map(_types, value))
    if callable(value):
        return set()
    return {next(kind for kind in (bool, int, float, str, type(None), type(value)) if isinstance(value, kind))}


def test_says_how_to_get_a_digest() -> None:
    with pytest.raises(InventoryError, match=r"no digest for image gateway of openclaw 2026\.9\.5") as refused:
        rendered("alice", fleet_of(alice(version="2026.9.5")))
    assert refused.value.hint == "launchpad app pin openclaw:2026.9.5"


def test_says_which_secret_is_missing() -> None:
    fleet = fleet_of()
    with pytest.raises(InventoryError, match="alice has no secret OPENCLAW_GATEWAY_TOKEN") as refused:
        render_release(fleet, fleet.tenant("alice"), templates=TemplateSource(shipped=TEMPLATES), secrets={})
    assert refused.value.hint == "launchpad secret set alice OPENCLAW_GATEWAY_TOKEN"


def test_says_which_secret_nobody_takes() -> None:
    fleet = fleet_of()
    secrets = SECRETS["alice"] | {"OTHER_KEY": 1}
    with pytest.raises(InventoryError, match="alice has a secret OTHER_KEY, which openclaw does not take"):
        render_release(fleet, fleet.tenant("alice"), templates=TemplateSource(shipped=TEMPLATES), secrets=secrets)


def test_an_app_without_a_web_service_has_no_site() -> None:
    app = re.sub(r"^web:\n(?:  .*\n)+", "", beacon_app(), flags=re.MULTILINE)
    tenant = TEXTS["inventory/tenants/bea.yaml"].replace("domains: [bea.example.com]\n", "")
    result = rendered("bea", fleet_of({"inventory/apps/beacon.yaml": app, "inventory/tenants/bea.yaml": tenant}))
    assert (result.release.web, result.release.domains) == ("", ())
    assert "site.caddy" not in result.files
    judge_release(result.release, result.files, neighbours={})


def test_openclaw_decides_the_model_only_where_it_is_written() -> None:
    decided = json.loads(rendered("alice").files["openclaw.json"])
    assert decided["managed"]["agents"] == {"defaults": {"model": "anthropic/claude-sonnet-4-5"}}
    decided = json.loads(rendered("alice", fleet_of(alice(variables=""))).files["openclaw.json"])
    assert "agents" not in decided["managed"]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "compose/openclaw").mkdir(parents=True)
    (tmp_path / "caddy").mkdir()
    return tmp_path


def test_a_template_of_the_workspace_overrides_the_shipped_one(workspace: Path) -> None:
    shipped = rendered("alice")
    (workspace / "caddy/site.caddy.j2").write_text("{{ tenant.domains }} {\n\trespond hello\n}\n")
    own = rendered("alice", workspace=workspace)
    assert own.files["site.caddy"] == '"alice.example.com" "gateway.alice.example" {\n\trespond hello\n}\n'
    assert {path for path in own.files if own.files[path] != shipped.files[path]} == {"site.caddy"}


def test_an_apps_own_site_goes_before_the_one_for_all(workspace: Path) -> None:
    (workspace / "compose/openclaw/site.caddy.j2").write_text("{{ tenant.domains }} {\n\trespond own\n}\n")
    assert "respond own" in rendered("alice", workspace=workspace).files["site.caddy"]
    assert "respond own" not in rendered("bea", workspace=workspace).files["site.caddy"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("services:\n  other: {}\n", "openclaw has no service other"),
        ('services:\n  gateway:\n    command: "{{ variables.timezone }}"\n', "does not render to YAML"),
        ("services:\n  gateway:\n    working_dir: 2026-01-01\n", "services.gateway.working_dir is a date, not text"),
        ("services:\n  gateway: {1: 2}\n", "services.gateway has the key 1, which is not text"),
        ("services:\n  gateway: {logging: {options: {max-size: 9g}}}\n", "the tenant's tier limits the log"),
        ("- a\n", "must be a mapping"),
        ("", "must be a mapping"),
        ("services: {}\nservices: {}\n", "does not render to YAML"),
        ("services: !!python/object:os.system {}\n", "does not render to YAML"),
        (
            "services:\n  gateway:\n    volumes:\n      - {{ volume('other', at='/x') }}\n",
            "openclaw has no volume other",
        ),
        ("services:\n  gateway:\n    working_dir: {{ address('other') }}\n", "openclaw has no service other"),
    ],
)
def test_says_what_is_wrong_with_a_compose_template(workspace: Path, text: str, says: str) -> None:
    (workspace / "compose/openclaw/compose.yaml.j2").write_text(text)
    with pytest.raises(InventoryError) as refused:
        rendered("alice", workspace=workspace)
    assert says in refused.value.message
    assert "compose.yaml.j2" in refused.value.message
    assert refused.value.hint


def test_says_which_template_is_missing(workspace: Path) -> None:
    app = TEXTS["inventory/apps/openclaw.yaml"] + "template: nowhere\n"
    with pytest.raises(InventoryError, match="missing") as refused:
        rendered("alice", fleet_of({"inventory/apps/openclaw.yaml": app}), workspace=workspace)
    assert str(workspace / "compose/nowhere") in refused.value.hint


def test_an_app_adds_to_its_cell_and_takes_nothing_away(workspace: Path) -> None:
    own = "{init: false, tmpfs: ['/x:size=1m,noexec,nosuid,nodev'], environment: {A: 'no'}}"
    text = f"services:\n  gateway: {own}\n"
    (workspace / "compose/openclaw/compose.yaml.j2").write_text(text)
    result = rendered("alice", workspace=workspace)
    service = json.loads(result.files["compose.yaml"])["services"]["gateway"]
    assert service["init"] is False
    assert [item.split(":")[0] for item in service["tmpfs"]] == ["/tmp", "/x"]
    assert service["environment"] == {"A": "no"}
    assert service["cap_drop"] == ["ALL"] and service["read_only"] is True
