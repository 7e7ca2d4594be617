"""Upgrade all tenants of an app wave by wave, and undo a rollout."""
