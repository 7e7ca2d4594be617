"""Operations as the operator sees them: read from the hosts, and those that were not yet reported."""
