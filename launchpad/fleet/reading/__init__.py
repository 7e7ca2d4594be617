"""From YAML files to a fleet, or to every mistake in the files. Pure."""
