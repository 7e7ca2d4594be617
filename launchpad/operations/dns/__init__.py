"""The DNS names of tenants: the host that each name leads to, and the records at a provider."""
