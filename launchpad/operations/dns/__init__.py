"""The DNS names of tenants: the host that each name points to, and the records at a provider."""
