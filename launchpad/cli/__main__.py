"""python -m launchpad.cli: the same as the launchpad command."""

from launchpad.cli import main

main()
