"""How tenants and hosts stand, their logs, and the operations that run on them."""
