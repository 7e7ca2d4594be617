"""Generations (snapshots) of a tenant's data on its host: list, take, restore and drop them."""
