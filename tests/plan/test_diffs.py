"""What differs between two releases, as people read it."""

from __future__ import annotations

from typing import Any

from launchpad.plan.diffs import MANIFEST, diffs, shortened

RELEASE: dict[str, Any] = {"app": "echo", "disk_mb": 512, "files": {"a": "1"}, "secrets": {"TOKEN": 1}, "version": "1"}


def test_only_what_differs_is_shown_with_its_surroundings() -> None:
    before = {"compose.yaml": "a\nb\nc\nd\ne\nf\n", "same": "x\n", "goes": "g\n"}
    after = {"compose.yaml": "a\nb\nc\nd\nE\nf\n", "same": "x\n", "comes": "\tn\n"}
    found = diffs((RELEASE, before), ({**RELEASE, "secrets": {"TOKEN": 2}, "version": "2"}, after))
    assert found == {
        "comes": "@@ -0,0 +1 @@\n+    n",
        "compose.yaml": "@@ -3,4 +3,4 @@\n c\n d\n-e\n+E\n f",
        "goes": "@@ -1 +0,0 @@\n-g",
    }


def test_what_the_manifest_alone_says_is_shown_too() -> None:
    found = diffs((RELEASE, {}), ({**RELEASE, "disk_mb": 1024}, {}))
    assert list(found) == [MANIFEST]
    assert '- "disk_mb": 512' in found[MANIFEST]
    assert '+ "disk_mb": 1024' in found[MANIFEST]


def test_the_value_of_a_secret_is_shown_on_neither_side() -> None:
    before = {"config": "token: [secret]\nport: 1\n"}
    for written in ("the-old-value", "the-new-value"):
        found = diffs((RELEASE, before), (RELEASE, {"config": f"token: {written}\nport: 2\n"}))
        assert written not in found["config"]
        assert "+port: 2" in found["config"]


def test_a_long_one_is_shortened_for_people() -> None:
    assert list(shortened("a\nb\nc", 2)) == ["a", "b", "… 1 more lines: --json has them"]
