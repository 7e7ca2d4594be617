"""The workspace's files: store and edit a fleet, compute its revision, write schemas and a new workspace."""
