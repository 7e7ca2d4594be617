"""python -m launchpad.cli runs the launchpad command."""

from launchpad.cli import main

main()
