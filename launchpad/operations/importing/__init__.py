"""Import a self-hosted installation into a tenant; export a tenant's data as an archive for a self-hosted
installation."""
