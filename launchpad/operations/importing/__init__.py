"""An installation outside the fleet becomes a tenant; a tenant's data leaves as an archive of its app."""
