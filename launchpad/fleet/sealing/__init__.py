"""Secrets at rest: sealed with age, one file a tenant; and an operator's keys."""
