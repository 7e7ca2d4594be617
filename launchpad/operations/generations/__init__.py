"""A tenant's data on its host: list generations, take one, restore one, drop one."""
