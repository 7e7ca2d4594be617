"""What scripts/screens does: docs/screens, one file a scene, from runs of the command line."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.screens.scenes import SCENES, first_fleet
from tests.screens.test_screens import FOLDER


def main() -> None:
    """Write every screen again, and remove those of no scene."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="launchpad-") as place:
        first = first_fleet(Path(place))
        made = {f"{scene.name}.txt": scene.document(first) for scene in SCENES}
    for path in FOLDER.glob("*.txt"):
        if path.name not in made:
            path.unlink()
            print(f"removed docs/screens/{path.name}")
    for name, text in made.items():
        path = FOLDER / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            print(f"wrote docs/screens/{name}")


if __name__ == "__main__":
    main()
