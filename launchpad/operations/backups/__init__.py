"""Backups of tenants and of the workspace: the repositories, their keys, and the emergency kit."""
