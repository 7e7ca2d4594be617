"""What every verb uses: which tenants and hosts, a request and its id, the way to a host, the end of an operation."""
