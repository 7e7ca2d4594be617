"""A new version for all tenants of an app, wave after wave, and back."""
