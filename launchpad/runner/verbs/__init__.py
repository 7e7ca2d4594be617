"""What the operator may ask of the runner: one verb, one file, one function."""
