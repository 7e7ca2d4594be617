"""`launchpad top` at a terminal, against a fleet in memory: alice is not ready, bob is changing, carol has no
certificate."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from launchpad.cli.boundary import run
from launchpad.cli.session import Session
from tests.operations.places import environment_of
from tests.screens.scenes import first_fleet, watched

if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="launchpad-") as place:
        fleet = first_fleet(Path(place))
        watched(fleet)
        session = Session(environment={**os.environ, **environment_of(fleet.root)})
        session.workspace = fleet.workspace(operator="ann")
        code = run(["top", *sys.argv[1:]], session=session)
    sys.exit(code)
