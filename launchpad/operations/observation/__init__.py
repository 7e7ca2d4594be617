"""The state of tenants and hosts, their logs, and the operations that run on them."""
