"""Read YAML files into a fleet, or into the list of every mistake. Pure."""
