"""Move a tenant to another host, with its data."""
